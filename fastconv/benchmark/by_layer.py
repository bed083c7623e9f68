"""A network's layers, timed one by one as its forward calls them, beside the least that this machine allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fastconv import nn, settings

from .worker import clock

if TYPE_CHECKING:
    from fastconv.counting import Report

_ROOF_SECONDS = 0.3  # that the machine's peak and bandwidth are measured for, each


def measure(
    report: Report, net: nn.Layer, seconds: float = 0.1, progress: Callable[[int, str], None] = lambda done, text: None
) -> Report:
    """The report of `count` with times: of each layer's forward in eval mode, on random images of the report's batch.

    A layer's time is the median of calls that fill `seconds`. The least time is what its FLOPs take at the peak of
    fastconv's multiply-add loop or its bytes at the bandwidth of its reading loop, whichever is longer, on as many
    threads; what stays in a cache between two layers may be faster than memory allows. `progress(done, name)` hears of
    each layer before it is timed.

    Raises:
        MemoryError: the network or its activations do not fit.
    """
    from fastconv.kernels import roofline

    threads = settings.get_num_threads()
    peak, bandwidth = roofline.fma_peak(_ROOF_SECONDS, threads), roofline.bandwidth(_ROOF_SECONDS, threads)
    if report.dtype == "float64":
        peak /= 2  # the loop's vectors hold half as many
    least = [max(report.batch * row.flops / peak, row.moved_bytes / bandwidth) for row in report.layers]
    images = _images((report.batch, *report.input_shape), report.dtype)
    was_training = net.training
    took: list[float] = []

    def timed(layer, x):
        progress(len(took), f"{report.layers[len(took)].name} {type(layer).__name__}")
        clock.warm_up(lambda: layer(x), min(0.1, seconds))
        took.append(clock.median(lambda: layer(x), seconds))
        return layer(x)

    net.eval()
    try:
        _run(net, images, timed)
    finally:
        net.train(was_training)
    return report.with_times(took, least)


def _images(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    try:
        return np.random.default_rng(0).random(shape, dtype)
    except ValueError:  # larger than any array
        raise MemoryError from None


def _run(net, x, timed):
    """A forward in which `timed` calls the layers, in the order in which count() finds them."""
    if isinstance(net, nn.Sequential):
        for layer in net:
            x = _run(layer, x, timed)
        return x
    if isinstance(net, nn.Residual | nn.Concat):
        for _, branch in net.children():
            _run(branch, x, timed)
        return net(x)
    return timed(net, x)
