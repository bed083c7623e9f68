"""Where the time of a training step goes."""

import copy
from statistics import median

import numpy as np

from fastconv import _arguments as args
from fastconv.plan.compile import compile
from fastconv.plan.profile import Profile, Row, costs, repeat, with_rest
from fastconv.training.engines import Clock, engine
from fastconv.training.optimizers import Adam


def profile(net, data, batch_size=128, *, seconds=0.5, make_optimizer=Adam):
    """Time the parts of a training step, on a copy of the network.

    Args:
        net: an nn.Sequential, as ``fit`` takes it.
        data: a Dataset.
        batch_size: images of a step, at most those there are.
        seconds: that are spent on measuring, at least.
        make_optimizer: Adam, or another function of a network that returns an optimizer.

    Returns:
        A Profile: loading, forward and backward of each layer, the loss, the optimizer. With the images in the lanes
        the parts are timed on one thread, of whose time each thread has its share.

    Raises:
        TypeError, ValueError: what ``fit`` raises; seconds that are not above 0.

    Example:
        >>> data = fc.training.load_data("digits")
        >>> fc.training.profile(fc.models.lenet(seed=0), data, 64, seconds=0.01).images
        64
    """
    count = min(args.integer(batch_size, "batch_size", 1), len(data.train))
    seconds = args.positive(seconds, "seconds")
    net = copy.deepcopy(net).train()
    worker, optimizer = engine(net, data.train, count, data.mean, data.std, "cross_entropy"), make_optimizer(net)
    indices, optimizing, labels = np.arange(count), [], []

    def step():
        worker.step(indices, (0, 0))
        clock = Clock()
        optimizer.step()
        clock.passed("", "optimizer")
        optimizing.append(clock.read[0][2])

    def measure():
        found = worker.profile(count)
        labels[:] = [(what, name) for what, name, _ in found]
        return [took for _, _, took in found]

    whole, parts = repeat(step, seconds, measure)
    steps = compile(net, data.train.image_shape, fold=False).steps
    first = labels[1][1]
    rows = [
        _row(steps, what, name, took, count, first) for (what, name), took in zip(labels, parts, strict=True)
    ]
    rows.append(Row("optimizer", "", median(optimizing), 0, 0))
    title = f"a training step of {type(net).__name__}"
    return Profile(title, with_rest(rows, whole), count, worker.threads(count), whole)


def _row(steps, what, name, seconds, images, first):
    """The backward of a layer multiplies as often as its forward, once for the weights and once for its input's
    gradient, which the first layer does not compute."""
    flops, size = costs(steps, name)
    times = 0 if not what else 1 if what == "forward" or name == first else 2
    return Row(f"{name} {what}".strip(), "", seconds, times * flops * images, times * size * images)
