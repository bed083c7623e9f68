"""Convolution and transposed convolution in any number of dimensions: loops over the taps of the filter.

Tap t of a filter meets, for output pixel p, the padded input at p * stride + t * dilation: a slice of it for all
pixels at once. Axes: n batch, g group, o output channel of the group, c input channel of the group, ... pixels.
"""

import numpy as np

from reference.common import Sum


def _each(value, rank):
    return (value,) * rank if np.ndim(value) == 0 else tuple(value) * (rank if len(value) == 1 else 1)


class _Taps:
    """The geometry: which slice of the padded array each tap meets."""

    def __init__(self, kernel, stride, padding, dilation):
        rank = len(kernel)
        self.kernel, self.stride, self.dilation = kernel, _each(stride, rank), _each(dilation, rank)
        if isinstance(padding, str):  # the odd pixel goes behind
            totals = [d * (k - 1) if padding == "same" else 0 for d, k in zip(self.dilation, kernel, strict=True)]
            self.pads = [(total // 2, total - total // 2) for total in totals]
        else:
            self.pads = [(p, p) for p in _each(padding, rank)]

    def __iter__(self):
        return iter(np.ndindex(*self.kernel))

    def outputs(self, padded):
        return tuple(
            (size - d * (k - 1) - 1) // s + 1
            for size, d, k, s in zip(padded, self.dilation, self.kernel, self.stride, strict=True)
        )

    def at(self, tap, pixels):
        return ..., *(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, self.dilation, pixels, self.stride, strict=True)
        )

    def padded(self, array, groups):
        array = np.pad(array.astype(np.float64), ((0, 0), (0, 0), *self.pads))
        return _split(array, groups)

    def cropped(self, array):
        inside = tuple(slice(low, size - high) for (low, high), size in zip(self.pads, array.shape[3:], strict=True))
        return _joined(array[(..., *inside)])


def _split(array, groups):
    return array.astype(np.float64).reshape(len(array), groups, array.shape[1] // groups, *array.shape[2:])


def _joined(array):
    return array.reshape(len(array), array.shape[1] * array.shape[2], *array.shape[3:])


def _flat(array):
    """The pixels as one axis."""
    return array.reshape(*array.shape[:3], int(np.prod(array.shape[3:])))


def _filters(weight, groups):
    """(g, first channels of the group, second channels, taps)"""
    return weight.astype(np.float64).reshape(groups, len(weight) // groups, *weight.shape[1:])


def _sum(equation, one, other):
    """A product summed, and the sum of its magnitudes."""
    return np.array([np.einsum(equation, one, other), np.einsum(equation, np.abs(one), np.abs(other))])


def _with_bias(sums, bias, terms):
    value, magnitude = sums
    if bias is not None:
        b = bias.astype(np.float64).reshape(-1, *(1,) * (value.ndim - 2))
        value, magnitude = value + b, magnitude + np.abs(b)
    return Sum(value, magnitude, terms + 1)


def _gather(source, weight, taps, pixels, groups, equation):
    """What every pixel reads through the filter."""
    filters = _filters(weight, groups)
    return sum(_sum(equation, source[taps.at(tap, pixels)], filters[(..., *tap)]) for tap in taps)


def _spread(source, weight, taps, extent, groups, channels, equation):
    """What every pixel gives through the filter, onto an array of `extent`, padding included."""
    filters = _filters(weight, groups)
    sums = np.zeros((2, len(source), groups, channels, *extent))
    for tap in taps:
        sums[taps.at(tap, source.shape[3:])] += _sum(equation, source, filters[(..., *tap)])
    return sums


def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        taps = _Taps(weight.shape[2:], stride, padding, dilation)
        padded = taps.padded(input, groups)
        sums = _gather(padded, weight, taps, taps.outputs(padded.shape[3:]), groups, "ngc...,goc->ngo...")
        return _with_bias([_joined(each) for each in sums], bias, int(np.prod(weight.shape[1:])))


def conv_backward_input(grad_output, input_shape, weight, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        taps = _Taps(weight.shape[2:], stride, padding, dilation)
        extent = [size + sum(pads) for size, pads in zip(input_shape[2:], taps.pads, strict=True)]
        gradient = _split(grad_output, groups)
        sums = _spread(gradient, weight, taps, extent, groups, weight.shape[1], "ngo...,goc->ngc...")
        terms = len(weight) // groups * int(np.prod(weight.shape[2:]))
        return Sum(*(taps.cropped(each) for each in sums), terms)


def conv_backward_weight(grad_output, input, weight_shape, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        taps = _Taps(weight_shape[2:], stride, padding, dilation)
        padded, gradient = taps.padded(input, groups), _split(grad_output, groups)
        sums = np.zeros((2, *weight_shape))
        for tap in taps:
            window = padded[taps.at(tap, gradient.shape[3:])]
            sums[(..., *tap)] = _sum("ngop,ngcp->goc", _flat(gradient), _flat(window)).reshape(2, *weight_shape[:2])
        return Sum(*sums, len(input) * int(np.prod(grad_output.shape[2:])))


def conv_backward_bias(grad_output):
    with np.errstate(all="ignore"):
        gradient = np.moveaxis(grad_output.astype(np.float64), 1, 0).reshape(grad_output.shape[1], -1)
        return Sum(gradient.sum(axis=1), np.abs(gradient).sum(axis=1), gradient.shape[1])


def conv_transpose(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Every pixel gives its value, times the filter, to the output; then the padding is left out."""
    with np.errstate(all="ignore"):
        rank = input.ndim - 2
        taps = _Taps(weight.shape[2:], stride, padding, dilation)
        extent = [
            (size - 1) * s + d * (k - 1) + 1 + more
            for size, s, d, k, more in zip(
                input.shape[2:], taps.stride, taps.dilation, taps.kernel, _each(output_padding, rank), strict=True
            )
        ]
        source = _split(input, groups)
        sums = _spread(source, weight, taps, extent, groups, weight.shape[1], "ngc...,gco->ngo...")
        terms = len(weight) // groups * int(np.prod(weight.shape[2:]))
        return _with_bias([taps.cropped(each) for each in sums], bias, terms)


def conv_transpose_backward_input(
    grad_output, input_shape, weight, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    with np.errstate(all="ignore"):
        taps = _Taps(weight.shape[2:], stride, padding, dilation)
        padded = taps.padded(grad_output, groups)
        sums = _gather(padded, weight, taps, input_shape[2:], groups, "ngo...,gco->ngc...")
        return Sum(*(_joined(each) for each in sums), int(np.prod(weight.shape[1:])))


def conv_transpose_backward_weight(
    grad_output, input, weight_shape, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    with np.errstate(all="ignore"):
        taps = _Taps(weight_shape[2:], stride, padding, dilation)
        padded, source = taps.padded(grad_output, groups), _split(input, groups)
        sums = np.zeros((2, *weight_shape))
        for tap in taps:
            window = padded[taps.at(tap, source.shape[3:])]
            sums[(..., *tap)] = _sum("ngcp,ngop->gco", _flat(source), _flat(window)).reshape(2, *weight_shape[:2])
        return Sum(*sums, len(input) * int(np.prod(input.shape[2:])))
