"""The training loop."""

import math
import time

import numpy as np

from fastconv.training.dataset import Dataset, Split, epoch_order, epoch_shifts
from fastconv.training.engines import engine
from fastconv.training.errors import Interrupted, NonFiniteLoss
from fastconv.training.history import EpochResult, State
from fastconv.training.interrupt import deferred_interrupt


class Callback:
    """What ``fit`` tells as it goes; override what is wanted. ``run`` is the Run under way.

    Exceptions raised here end the run.
    """

    def on_start(self, run):
        """Before the first step, also of a resumed run."""

    def on_step(self, run):
        """After each step; ``run.state.step`` of ``run.steps_per_epoch`` are done."""

    def on_epoch(self, run, result):
        """After each epoch and its validation, with its EpochResult; ``run.state`` is at the start of the next."""

    def on_interrupt(self, run):
        """After Ctrl-C, at the end of the step that was under way."""


class Run:
    """One call of ``fit``: ``net, data, optimizer, epochs, batch_size, seed, shift, state`` and ``steps_per_epoch``."""

    def __init__(self, net, data, optimizer, epochs, batch_size, seed, shift, state):
        self.net, self.data, self.optimizer, self.state = net, data, optimizer, state
        self.epochs, self.batch_size, self.seed, self.shift = epochs, batch_size, seed, shift
        self.steps_per_epoch = -(-len(data.train) // batch_size)


def fit(
    net,
    data,
    *,
    optimizer,
    epochs,
    batch_size,
    seed=0,
    loss="cross_entropy",
    callbacks=(),
    shift=0,
    schedule=None,
    state=None,
):
    """Train a network.

    ``net``: an nn.Sequential that maps (N, ...) images to (N, classes) logits.
    ``data``: a Dataset, or ``((images, labels), (validation_images, validation_labels))``, uint8 images being divided
    by 255. ``optimizer``: SGD or Adam over the same net. ``epochs``: in all, those in ``state`` included.
    ``loss``: "cross_entropy", or "mse_loss" between the outputs and the one-hot classes.
    ``callbacks``: Callback objects, or functions that are called with each epoch's EpochResult.
    ``shift``: each batch's images (N, C, H, W) are moved together by up to so many pixels in either direction, drawn
    anew each step. ``schedule``: function of the epoch, from 0, whose result the learning rate is multiplied by.
    ``state``: where an earlier run stopped (its ``Interrupted.state``, or a checkpoint's); the run then goes on bit for
    bit, given the same arguments.

    Images are shuffled by ``seed`` and epoch; the last batch of an epoch may be smaller. The network is left in
    evaluation mode.

    Returns the list of EpochResult. Raises NonFiniteLoss when the loss becomes infinite or NaN, Interrupted (a
    KeyboardInterrupt) after Ctrl-C, ValueError or TypeError for arguments that do not fit.

    Example::

        net = fc.models.lenet(seed=0)
        data = fc.training.load_data("digits")
        fc.training.fit(net, data, optimizer=fc.training.Adam(net), epochs=3, batch_size=32, callbacks=[print])
    """
    if not isinstance(data, Dataset):
        data = Dataset("data", *(Split(*pair) for pair in data))
    epochs, batch_size = _count("epochs", epochs, 0), _count("batch_size", batch_size, 1)
    seed, shift = _count("seed", seed, 0), _count("shift", shift, 0)
    callbacks = [callback if isinstance(callback, Callback) else _EpochFunction(callback) for callback in callbacks]
    run = Run(net, data, optimizer, epochs, batch_size, seed, shift, state or State())
    worker = engine(net, data.train, batch_size, data.mean, data.std, loss)
    base_lr = optimizer.lr
    try:
        with deferred_interrupt() as interrupted, np.errstate(over="ignore", invalid="ignore"):
            for callback in callbacks:
                callback.on_start(run)
            while run.state.epoch < epochs:
                optimizer.lr = base_lr * (schedule(run.state.epoch) if schedule else 1.0)
                _train_epoch(run, worker, callbacks, interrupted)
                _finish_epoch(run, worker, callbacks)
                if interrupted and run.state.epoch < epochs:
                    _stop(run, callbacks)
    finally:
        optimizer.lr = base_lr
        net.eval()
    return run.state.history


def evaluate(net, split, *, mean=0.0, std=1.0, loss="cross_entropy"):
    """(mean loss, accuracy) of a network over a Split, in evaluation mode."""
    total, correct = engine(net, split, len(split), mean, std, loss, train=False).evaluate(split)
    return total, correct / len(split)


def _train_epoch(run, worker, callbacks, interrupted):
    """The steps of one epoch, from wherever the state says it stands."""
    state = run.state
    order = epoch_order(len(run.data.train), run.seed, state.epoch)
    shifts = epoch_shifts(run.steps_per_epoch, run.shift, run.seed, state.epoch)
    run.net.train()
    while state.step < run.steps_per_epoch:
        start = time.perf_counter()
        run.net.rewind(state.epoch * run.steps_per_epoch + state.step)  # dropout, so that a resumed run draws the same
        indices = order[state.step * run.batch_size : (state.step + 1) * run.batch_size]
        loss, correct = worker.step(indices, shifts[state.step])
        if not math.isfinite(loss):
            raise NonFiniteLoss(loss, state.epoch + 1, state.step + 1)
        run.optimizer.step()
        state.step += 1
        state.loss_sum += loss * len(indices)
        state.correct += correct
        state.seconds += time.perf_counter() - start
        for callback in callbacks:
            callback.on_step(run)
        if interrupted and state.step < run.steps_per_epoch:
            _stop(run, callbacks)


def _finish_epoch(run, worker, callbacks):
    state, data = run.state, run.data
    length = len(data.train)
    validation = None, None
    if data.validation is not None:
        loss, correct = worker.evaluate(data.validation)
        if not math.isfinite(loss):
            raise NonFiniteLoss(loss, state.epoch + 1)
        validation = loss, correct / len(data.validation)
    result = EpochResult(
        state.epoch + 1, state.loss_sum / length, state.correct / length, *validation, length / max(state.seconds, 1e-9)
    )
    state.history.append(result)
    state.begin_epoch(state.epoch + 1)
    for callback in callbacks:
        callback.on_epoch(run, result)


def _stop(run, callbacks):
    for callback in callbacks:
        callback.on_interrupt(run)
    raise Interrupted(run.state)


def _count(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: {value!r}, expected an integer")
    if value < least:
        raise ValueError(f"{name}: {value}, expected at least {least}")
    return int(value)


class _EpochFunction(Callback):
    """A plain function as a callback."""

    def __init__(self, function):
        if not callable(function):
            raise TypeError(f"callbacks: {function!r}, expected Callback objects or functions")
        self._function = function

    def on_epoch(self, run, result):
        self._function(result)
