"""An experiment: what an MLP and LeNet lose when the pixels of all images are put into another order.

The order is drawn once for a run and is the same for every image, so nothing is lost but where pixels are. To an MLP
the order of its inputs means nothing. A convolution assumes that neighbours belong together and that what is worth
seeing may be anywhere: the second shows where digits do not stand in the middle, which is why they are also scattered.
"""

import dataclasses
from math import sqrt
from statistics import fmean

import numpy as np

from fastconv import _arguments as args
from fastconv import models
from fastconv.training.dataset import Dataset, Split
from fastconv.training.digits import load_digits
from fastconv.training.loop import Callback, fit
from fastconv.training.optimizers import Adam

MODELS = ("mlp", "lenet")
PLACEMENTS = ("centred", "scattered")
ORDERS = ("in order", "permuted")
SIZE, DIGIT = 28, 20  # pixels a side, of an image and of a scattered digit in it
EPOCHS, BATCH_SIZE, LR, LR_DECAY = 20, 32, 2e-3, 0.9  # of every run
_PLACES = 1998  # the seed of the places that scattered digits have, the same in every run


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One training run: ``placement`` and ``order`` of the images, and the validation accuracy at its end."""

    model: str
    placement: str
    order: str
    seed: int
    accuracy: float


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """What a network loses: the mean accuracies over all seeds, and the means' difference.

    chance: how much of it chance may be: the difference between the best and the worst seed of either order, or two
        standard errors of an accuracy on so many images, whichever is the most
    """

    model: str
    placement: str
    in_order: float
    permuted: float
    loss: float
    chance: float


@dataclasses.dataclass(frozen=True, slots=True)
class Permutation:
    """All runs, and a gap for each network and placement."""

    runs: tuple[Run, ...]
    gaps: tuple[Gap, ...]


def permutation(seeds=3, epochs=EPOCHS, callbacks=()):
    """Train an MLP and LeNet (relu) on the embedded digits with the pixels in order and permuted.

    Args:
        seeds: how many runs there are of each kind; a seed draws weights, batches, and the order of pixels.
        epochs: of each run.
        callbacks: as ``fit`` takes them, told of every run.

    Returns:
        A Permutation. The same numbers come out every time, at any number of threads.

    Raises:
        TypeError, ValueError: seeds or epochs that are no integers of at least 1.

    Example:
        >>> found = permutation(seeds=1, epochs=1)
        >>> [gap.model for gap in found.gaps]
        ['mlp', 'lenet', 'mlp', 'lenet']

    Source: "Dive into Deep Learning", section 7.1 (an MLP does not care for the order of its inputs)
    """
    seeds, epochs = args.integer(seeds, "seeds", 1), args.integer(epochs, "epochs", 1)
    runs = []
    for placement in PLACEMENTS:
        data = _digits(placement)
        for seed in range(seeds):
            for order, images in zip(ORDERS, (data, _permuted(data, seed)), strict=True):
                for model in MODELS:
                    accuracy = _train(model, images, seed, epochs, callbacks)
                    runs.append(Run(model, placement, order, seed, accuracy))
    images = len(data.validation)
    gaps = (_gap(runs, model, placement, images) for placement in PLACEMENTS for model in MODELS)
    return Permutation(tuple(runs), tuple(gaps))


def steps(seeds=3, epochs=EPOCHS):
    """How many steps of training ``permutation`` takes in all, for a progress bar."""
    length = len(load_digits((1, SIZE, SIZE)).train)
    return len(PLACEMENTS) * len(ORDERS) * len(MODELS) * seeds * epochs * -(-length // BATCH_SIZE)


class Progress(Callback):
    """Calls ``show(steps done, words)`` after each step of all runs."""

    def __init__(self, show):
        self._show, self._done = show, 0

    def on_step(self, run):
        self._done += 1
        self._show(self._done, f"epoch {run.state.epoch + 1}/{run.epochs}")


def _digits(placement):
    if placement == "centred":
        return load_digits((1, SIZE, SIZE)).standardised()
    data = load_digits((1, DIGIT, DIGIT))
    draw = np.random.Generator(np.random.PCG64(_PLACES))
    return Dataset("digits", _scattered(data.train, draw), _scattered(data.validation, draw)).standardised()


def _scattered(split, draw):
    """Each digit at a place of its own on a black image."""
    images = np.zeros((len(split), 1, SIZE, SIZE), np.uint8)
    top, left = draw.integers(0, SIZE - DIGIT, (2, len(split), 1, 1), endpoint=True)
    pixels = np.arange(DIGIT)
    numbers = np.arange(len(split))[:, None, None]
    images[numbers, 0, top + pixels[:, None], left + pixels] = split.images[:, 0]
    return Split(images, split.labels)


def _permuted(data, seed):
    """The same images, all with their pixels in one other order."""
    order = np.random.Generator(np.random.PCG64([_PLACES, seed])).permutation(SIZE * SIZE)

    def permuted(split):
        return Split(split.images.reshape(len(split), -1)[:, order].reshape(split.images.shape), split.labels)

    return dataclasses.replace(data, train=permuted(data.train), validation=permuted(data.validation))


def _train(model, data, seed, epochs, callbacks):
    net = models.build(model, seed=seed)
    history = fit(
        net,
        data,
        optimizer=Adam(net, LR),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        seed=seed,
        schedule=lambda epoch: LR_DECAY**epoch,
        callbacks=callbacks,
    )
    return history[-1].validation_accuracy


def _gap(runs, model, placement, images):
    in_order, permuted = (
        [run.accuracy for run in runs if (run.model, run.placement, run.order) == (model, placement, order)]
        for order in ORDERS
    )
    means = fmean(in_order), fmean(permuted)
    errors = (2 * sqrt(mean * (1 - mean) / images) for mean in means)
    chance = max(*errors, *(max(group) - min(group) for group in (in_order, permuted)))
    return Gap(model, placement, *means, means[0] - means[1], chance)


def plot_permutation(found, path):
    """Draw the accuracies of all runs, the means and the gaps into a file, whose ending says the format.

    Raises:
        ImportError: no matplotlib.
        OSError, ValueError: the file cannot be written, or its format is unknown.
    """
    from pathlib import Path

    from matplotlib.figure import Figure

    from fastconv.training.curve import GRID, TEXT, TRAINING, VALIDATION
    from fastconv.training.files import atomic_write

    figure = Figure(figsize=(8.6, 3.6), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(PLACEMENTS), sharey=True)
    titles = {"centred": "digits as they are", "scattered": "each digit at a place of its own"}
    names = {"mlp": "MLP", "lenet": "LeNet"}
    for axes, placement in zip(panels, PLACEMENTS, strict=True):
        for model, colour in zip(MODELS, (TRAINING, VALIDATION), strict=True):
            gap = next(gap for gap in found.gaps if (gap.model, gap.placement) == (model, placement))
            means = 100 * gap.in_order, 100 * gap.permuted
            label = f"{names[model]}: {means[0]:.1f} % to {means[1]:.1f} %"
            axes.plot((0, 1), means, color=colour, linewidth=2, label=label)
            here = [run for run in found.runs if (run.model, run.placement) == (model, placement)]
            places = [ORDERS.index(run.order) for run in here]
            axes.scatter(places, [100 * run.accuracy for run in here], color=colour, s=22, alpha=0.6, linewidths=0)
        axes.set_xticks((0, 1), ["pixels in order", "pixels permuted"], color=TEXT)
        axes.set_xlim(-0.25, 1.25)
        axes.set_title(titles[placement], loc="left", fontsize=10, color=TEXT)
        axes.grid(axis="y", color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=TEXT, length=0)
        axes.legend(frameon=False, loc="lower left", labelcolor=TEXT, fontsize=9)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#a0aec0")
    panels[0].set_ylabel("validation accuracy (%)", color=TEXT)
    seeds = 1 + max(run.seed for run in found.runs)
    title = f"What the order of pixels is worth: {seeds} seed{'s' if seeds > 1 else ''}, a dot each; lines are means"
    figure.suptitle(title, color=TEXT, fontsize=11, fontweight="bold", x=0.01, ha="left")
    with atomic_write(path) as file:
        figure.savefig(file, format=Path(path).suffix[1:].lower() or "png")
