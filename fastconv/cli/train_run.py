"""What ``fastconv train`` does once its options are understood."""

import dataclasses
import shlex
from pathlib import Path

from fastconv import models, training
from fastconv import settings as thread_settings
from fastconv.cli.terminal import Terminal, has
from fastconv.training import sources
from fastconv.training.checkpoints import CHECKPOINT
from fastconv.training.settings import Settings

WEIGHTS, CURVE = "weights.npz", "learning-curve.png"


def run(args, parser):
    terminal = Terminal(args.json)
    if args.threads is not None:
        thread_settings.set_num_threads(args.threads)
    job = _resumed(args, parser, terminal) if args.resume else _fresh(args, parser, terminal)
    job.out.mkdir(parents=True, exist_ok=True)
    return job.run(terminal)


def _fresh(args, parser, terminal):
    """A run from the beginning, from a recipe and what was typed."""
    model, data_name, seed = args.model or "lenet", args.data or "digits", args.seed or 0
    if args.mirror and data_name not in sources.MD5:
        parser.error(f"argument --mirror: only {' and '.join(sources.MD5)} are downloaded")
    recipe = training.recipe(
        args.recipe or "relu",
        data_name,
        model,
        epochs=args.epochs,
        batch_size=args.batch_size,
        optimizer=args.optimizer,
        lr=args.lr,
        momentum=args.momentum,
        weight_decay=args.weight_decay,
    )
    if args.momentum is not None and recipe.optimizer != "sgd":
        parser.error(f"argument --momentum: {recipe.optimizer} has none, use it with --optimizer sgd")
    data = _load(data_name, model, args.mirror, terminal)
    if recipe.standardise:
        data = data.standardised()
    names = list(data.class_names) if data.class_names else None
    settings = Settings(model, data_name, recipe, seed, data.classes, data.mean, data.std, data.fingerprint(), names)
    net = settings.build_network()
    out = Path(args.out or f"runs/{model}-{Path(data_name).resolve().name if _is_folder(data_name) else data_name}")
    return _Job(settings, data, net, recipe.make_optimizer(net), training.State(), out)


def _resumed(args, parser, terminal):
    """A run that goes on where its checkpoint was saved."""
    checkpoint = training.Checkpoint(args.resume)
    path = checkpoint.path
    settings = Settings.from_dict(checkpoint.settings, path)
    _refuse_changes(args, parser, settings)
    data = _load(args.data or settings.data, settings.model, args.mirror, terminal)
    if data.fingerprint() != settings.fingerprint:
        raise training.CheckpointError(f"{path}: the run was trained on other images than {data.name} holds now")
    data = dataclasses.replace(data, mean=settings.mean, std=settings.std)
    if args.epochs is not None:
        settings = dataclasses.replace(settings, recipe=dataclasses.replace(settings.recipe, epochs=args.epochs))
    net = settings.build_network()
    optimizer = settings.recipe.make_optimizer(net)
    checkpoint.restore(net, optimizer)
    return _Job(settings, data, net, optimizer, checkpoint.state, Path(args.out) if args.out else path.parent)


def _refuse_changes(args, parser, settings):
    """A resumed run is the same run: options that would make it another one are refused."""
    recipe = settings.recipe
    fixed = {
        "model": settings.model,
        "recipe": recipe.name,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "optimizer": recipe.optimizer,
        "momentum": recipe.momentum,
        "weight_decay": recipe.weight_decay,
        "seed": settings.seed,
    }
    for name, value in fixed.items():
        typed = getattr(args, name)
        if typed is not None and typed != value:
            option = name if name == "model" else f"--{name.replace('_', '-')}"
            parser.error(f"argument {option}: {typed}, but the run to resume has {value}")


def _is_folder(data_name):
    return data_name not in sources.NAMES


def _load(name, model, mirror, terminal):
    return training.load_data(name, models.INPUT_SHAPES[model], mirror, report=terminal.fact)


class _Job:
    """A run with everything that it needs."""

    def __init__(self, settings, data, net, optimizer, state, out):
        self.settings, self.data, self.net, self.optimizer = settings, data, net, optimizer
        self.state, self.out = state, out

    def run(self, terminal):
        recipe = self.settings.recipe
        if self.state.epoch >= recipe.epochs:
            terminal.fact(f"The run in {self.out} is complete; more --epochs than {self.state.epoch} go on.")
            return 0
        self._introduce(terminal)
        steps = -(-len(self.data.train) // recipe.batch_size)
        remaining = (recipe.epochs - self.state.epoch) * steps - self.state.step
        try:
            with terminal.progress(remaining) as bar:
                show = _Show(terminal, bar, recipe.epochs, self._save)
                training.fit(
                    self.net,
                    self.data,
                    optimizer=self.optimizer,
                    epochs=recipe.epochs,
                    batch_size=recipe.batch_size,
                    seed=self.settings.seed,
                    shift=recipe.shift,
                    schedule=recipe.schedule,
                    state=self.state,
                    callbacks=[show],
                )
        except training.Interrupted as stop:
            self._conclude(terminal)
            terminal.fact(
                f"Stopped in epoch {stop.state.epoch + 1} after {stop.state.step} of {steps} steps; "
                f"to go on: fastconv train --resume {shlex.quote(str(self.out))}",
                "yellow",
            )
            return 130
        except training.NonFiniteLoss as error:
            kept = f"; the checkpoint in {self.out} is that of epoch {self.state.epoch}" if show.saved else ""
            raise ArithmeticError(f"{error}{kept}") from None
        self._conclude(terminal)
        return 0

    def _introduce(self, terminal):
        recipe, data = self.settings.recipe, self.data
        parameters = sum(array.size for array in self.net.parameters().values())
        threads = thread_settings.get_num_threads()
        held_back = f" and {len(data.validation):,} validation" if data.validation is not None else ""
        terminal.fact(
            f"{self.settings.model} ({recipe.name}) on {data.name}: {len(data.train):,} training{held_back} images, "
            f"{parameters:,} parameters"
        )
        terminal.fact(
            f"{recipe.optimizer}, learning rate {recipe.lr:g}, batch {recipe.batch_size}, seed {self.settings.seed}, "
            f"{threads} thread{'s' if threads > 1 else ''}"
        )
        if self.state.epoch or self.state.step:
            terminal.fact(f"going on after epoch {self.state.epoch}, step {self.state.step}")

    def _save(self):
        training.save_checkpoint(self.out / CHECKPOINT, self.net, self.optimizer, self.state, self.settings.as_dict())

    def _conclude(self, terminal):
        """Write the weights and the picture, and say where all is."""
        history = self.state.history
        training.save_weights(self.out / WEIGHTS, self.net)
        if history:
            best = max(history, key=lambda result: result.validation_accuracy)
            terminal.fact(
                f"best validation accuracy {100 * best.validation_accuracy:.2f} % in epoch {best.epoch}", "bold green"
            )
        terminal.fact(f"weights         {self.out / WEIGHTS}")
        terminal.fact(f"checkpoint      {self.out / CHECKPOINT}")
        if history and has("matplotlib"):
            title = f"{self.settings.model} ({self.settings.recipe.name}) on {self.data.name}"
            training.plot_history(history, self.out / CURVE, title)
            terminal.fact(f"learning curve  {self.out / CURVE}")
        terminal.missing_extras()


class _Show(training.Callback):
    """The lines and the bar of a run. A checkpoint is saved before its epoch is reported: what was shown is kept."""

    def __init__(self, terminal, bar, epochs, save):
        self._terminal, self._bar, self._epochs, self._save = terminal, bar, epochs, save
        self._done = 0
        self.saved = False

    def on_start(self, run):
        self._terminal.fact(f"{'':9}{'training':>20}{'validation':>20}", "bold")
        self._terminal.fact(
            f"{'epoch':>9}{'loss':>10}{'accuracy':>10}{'loss':>10}{'accuracy':>10}{'images/s':>12}", "bold"
        )

    def on_step(self, run):
        self._done += 1
        state = run.state
        images = min(state.step * run.batch_size, len(run.data.train))
        self._bar(
            self._done, f"epoch {state.epoch + 1}/{self._epochs}  {images / max(state.seconds, 1e-9):,.0f} images/s"
        )

    def on_epoch(self, run, result):
        self._keep()
        self._terminal.fact(
            f"{f'{result.epoch}/{self._epochs}':>9}"
            f"{result.train_loss:10.4f}{100 * result.train_accuracy:8.2f} %"
            f"{result.validation_loss:10.4f}{100 * result.validation_accuracy:8.2f} %"
            f"{result.images_per_second:12,.0f}"
        )
        self._terminal.figures(result.as_dict())

    def on_interrupt(self, run):
        self._keep()

    def _keep(self):
        self._save()
        self.saved = True
