"""Two ways through a batch, with one face: images in the lanes where the network suits, layer by layer otherwise.

A step leaves the gradients of the mean loss in the layers, for an optimizer to use.
"""

from math import prod
from time import perf_counter

import numpy as np

from fastconv import functional, settings
from fastconv.plan import lanes
from fastconv.plan.compile import leaves
from fastconv.training.dataset import Batches

EVALUATION_BATCH = 256
EVALUATION_PIXELS = 2**20  # of a batch: large images are evaluated fewer at a time, so that activations fit into memory


def evaluation_batch(image_shape):
    """How many images of a shape are evaluated at a time."""
    return max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // max(1, prod(image_shape))))


def engine(net, split, batch_size, mean, std, loss, train=True):
    """What trains `net` on the images of `split`, or with train=False only evaluates it: an object with
    ``step(indices, shift)`` and ``evaluate(split)``, both of which give (loss, how many were right).
    ``loss``: "cross_entropy" or "mse_loss"."""
    if loss not in _LOSSES:
        raise ValueError(f"loss: {loss!r}, expected 'cross_entropy' or 'mse_loss'")
    dtype = next((parameter.dtype for parameter in net.parameters().values()), np.dtype(np.float32))
    shape = split.image_shape
    suits = split.images.dtype in (np.uint8, dtype) and split.size is None and len(split.images)
    if suits and len(net.output_shape(shape)) == 1:
        layers = list(leaves(net))
        described = lanes.describe([layer for _, layer in layers], shape)
        if described is not None:
            network = lanes.LaneNetwork(described, shape, dtype, train, lanes.names(described, layers))
            return _Lanes(network, split, mean, std, loss)
    return _Layers(net, split, batch_size, dtype, mean, std, loss)


class _Lanes:
    """One call into compiled code a step, from the bytes of the images to the gradients."""

    def __init__(self, network, split, mean, std, loss):
        self._network, self._split, self._squared = network, split, loss == "mse_loss"
        self._scale, self._shift = 1 / (255 * std), mean / std

    def step(self, indices, shift):
        split = self._split
        moved = tuple(map(int, shift))
        done = self._network.step(
            split.images, split.labels, indices, len(indices), self._scale, self._shift, moved, self._squared
        )
        return done or _refuse(split.labels[indices])

    def profile(self, count):
        """[(what, its name, seconds of a thread's share)] of a step on the first `count` images."""
        split, names = self._split, self._network.names
        loading, ahead, loss, back = self._network.profile(
            split.images[:count], split.labels[:count], self._scale, self._shift
        )
        backward = [("backward", name, took) for name, took in zip(names, back, strict=True)]
        forward = [("forward", name, took) for name, took in zip(names, ahead, strict=True)]
        return [("", "loading", loading), *forward, ("", "loss", loss), *backward[::-1]]

    def threads(self, count):
        return self._network.threads(count)

    def evaluate(self, split):
        done = self._network.evaluate(
            split.images, split.labels, 0, len(split), self._scale, self._shift, self._squared
        )
        return done or _refuse(split.labels)


def _refuse(labels):
    raise ValueError(f"labels: {labels.min()} to {labels.max()}, expected classes that the network has an output for")


class _Layers:
    """The layers' own forward and backward."""

    def __init__(self, net, split, batch_size, dtype, mean, std, loss):
        self._net, self._dtype, self._mean, self._std = net, dtype, mean, std
        self._batches = Batches(split, batch_size, dtype, mean, std)
        self._loss, self._gradient = _LOSSES[loss]

    def step(self, indices, shift):
        images, labels = self._batches.gather(indices, shift)
        logits = self._net(images)
        loss = float(self._loss(logits, labels))
        self._net.backward(self._gradient(logits, labels), need_input_grad=False)
        return loss, _hits(logits, labels)

    def profile(self, count):
        """[(what, its name, seconds)] of a step on the first `count` images."""
        layers = list(leaves(self._net))
        clock = Clock()
        x, labels = self._batches.gather(np.arange(count))
        clock.passed("", "loading")
        for name, layer in layers:
            x = layer(x)
            clock.passed("forward", name)
        self._loss(x, labels)
        gradient = self._gradient(x, labels)
        clock.passed("", "loss")
        for number, (name, layer) in reversed(list(enumerate(layers))):
            gradient = layer.backward(gradient, need_input_grad=number > 0)
            clock.passed("backward", name)
        return clock.read

    def threads(self, count):
        return settings.get_num_threads()

    def evaluate(self, split):
        net, was_training = self._net, self._net.training
        net.eval()
        size = evaluation_batch(split.image_shape)
        batches = Batches(split, size, self._dtype, self._mean, self._std)
        total, correct = 0.0, 0
        for start in range(0, len(split), size):
            images, labels = batches.slice(start, start + size)
            logits = net(images)
            total += float(self._loss(logits, labels)) * len(labels)
            correct += _hits(logits, labels)
        net.train(was_training)
        return total / len(split), correct


class Clock:
    """What took how long: `passed` reads the time since it was asked last."""

    def __init__(self):
        self.read, self._since = [], perf_counter()

    def passed(self, what, name):
        now = perf_counter()
        self.read.append((what, name, now - self._since))
        self._since = now


def _hits(logits, labels):
    return int(np.count_nonzero(logits.argmax(axis=1) == labels))


def _cross_entropy_backward(logits, labels):
    return functional.cross_entropy_backward(np.ones((), logits.dtype), logits, labels)


def _squared_error(outputs, labels):
    return functional.mse_loss(outputs, _one_hot(outputs, labels))


def _squared_error_backward(outputs, labels):
    return functional.mse_loss_backward(np.ones((), outputs.dtype), outputs, _one_hot(outputs, labels))


def _one_hot(outputs, labels):
    target = np.zeros_like(outputs)
    np.put_along_axis(target, labels[:, None], 1, axis=1)
    return target


# the mean loss of (logits, labels) as a number, and its gradient to the logits
_LOSSES = {
    "cross_entropy": (functional.cross_entropy, _cross_entropy_backward),
    "mse_loss": (_squared_error, _squared_error_backward),
}
