"""Pooling in any number of dimensions (the last `dims` axes): loops over windows, each a list of positions.

A window is described by the positions that it sees of the flattened input; everything else follows from it.
"""

from itertools import product
from math import ceil, prod

import numpy as np

from reference.common import Sum
from reference.pool import pool_output_extent


def each(value, dims):
    return (value,) * dims if np.ndim(value) == 0 else tuple(value) * (dims if len(value) == 1 else 1)


def _axis_windows(extent, kernel, stride, pad, dilation, ceil_mode):
    """For each output along one axis the positions inside, and how many elements count with padding."""
    windows = []
    for i in range(pool_output_extent(extent, kernel, stride, pad, dilation, ceil_mode)):
        start = i * stride - pad
        taps = [start + k * dilation for k in range(kernel)]
        counted = min(start + kernel, extent + pad) - start  # only averages ask, and they have no dilation
        windows.append(([t for t in taps if 0 <= t < extent], counted))
    return windows


def _windows(extents, kernel_size, stride, padding, dilation, ceil_mode):
    """The output's extents, and for each output (its place, the flat positions it sees, its size with padding)."""
    dims = len(extents)
    kernel = each(kernel_size, dims)
    steps = kernel if stride is None else each(stride, dims)
    options = zip(extents, kernel, steps, each(padding, dims), each(dilation, dims), strict=True)
    return _combined(extents, [_axis_windows(*one, ceil_mode) for one in options])


def _adaptive_windows(extents, output_size):
    axes = []
    for extent, out in zip(extents, output_size, strict=True):
        bounds = [(i * extent // out, ceil((i + 1) * extent / out)) for i in range(out)]
        axes.append([(list(range(*bound)), bound[1] - bound[0]) for bound in bounds])
    return _combined(extents, axes)


def _combined(extents, axes):
    windows = []
    for place in product(*(range(len(axis)) for axis in axes)):
        chosen = [axis[i] for axis, i in zip(axes, place, strict=True)]
        seen = [int(np.ravel_multi_index(at, extents)) for at in product(*(positions for positions, _ in chosen))]
        windows.append((place, seen, prod(counted for _, counted in chosen)))
    return tuple(len(axis) for axis in axes), windows


def _maxima(input, dims, outs, windows):
    lead = input.shape[:-dims]
    flat = input.reshape(*lead, prod(input.shape[-dims:])).astype(np.float64)
    value = np.full((*lead, *outs), -np.inf)
    index = np.full((*lead, *outs), -1, np.int64)
    for place, seen, _ in windows:
        if seen:
            taps = flat[..., seen]
            nan = np.isnan(taps)
            last_nan = len(seen) - 1 - nan[..., ::-1].argmax(axis=-1)  # a NaN always wins, the last one of several
            first_largest = np.where(nan, -np.inf, taps).argmax(axis=-1)
            winner = np.where(nan.any(axis=-1), last_nan, first_largest)[..., None]
            value[(..., *place)] = np.take_along_axis(taps, winner, axis=-1)[..., 0]
            index[(..., *place)] = np.asarray(seen)[winner[..., 0]]
    return value, index


def _means(input, dims, outs, windows, divisors):
    lead = input.shape[:-dims]
    flat = input.reshape(*lead, prod(input.shape[-dims:])).astype(np.float64)
    value, magnitude = np.zeros((*lead, *outs)), np.zeros((*lead, *outs))
    with np.errstate(all="ignore"):
        for (place, seen, _), divisor in zip(windows, divisors, strict=True):
            if seen:
                value[(..., *place)] = flat[..., seen].sum(axis=-1) / divisor
                magnitude[(..., *place)] = np.abs(flat[..., seen]).sum(axis=-1) / abs(divisor)
    return Sum(value, magnitude, max((len(seen) for _, seen, _ in windows), default=0))


def _mean_gradients(grad_output, input_shape, dims, windows, divisors):
    lead = input_shape[:-dims]
    value, magnitude = (np.zeros((*lead, prod(input_shape[-dims:]))) for _ in range(2))
    hits = np.zeros(prod(input_shape[-dims:]), int)
    with np.errstate(all="ignore"):
        for (place, seen, _), divisor in zip(windows, divisors, strict=True):
            share = grad_output[(..., *place)].astype(np.float64)[..., None] / divisor
            value[..., seen] += share
            magnitude[..., seen] += np.abs(share)
            hits[seen] += 1
    return Sum(value.reshape(input_shape), magnitude.reshape(input_shape), int(hits.max(initial=0)))


def _divisors(windows, count_include_pad, divisor_override):
    return [divisor_override or (counted if count_include_pad else len(seen)) for _, seen, counted in windows]


def max_pool(input, dims, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Values and indices, flat in the last `dims` axes."""
    windows = _windows(input.shape[-dims:], kernel_size, stride, padding, dilation, ceil_mode)
    return _maxima(input, dims, *windows)


def avg_pool(
    input, dims, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    outs, windows = _windows(input.shape[-dims:], kernel_size, stride, padding, 1, ceil_mode)
    return _means(input, dims, outs, windows, _divisors(windows, count_include_pad, divisor_override))


def avg_pool_backward(
    grad_output,
    input_shape,
    dims,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    _, windows = _windows(input_shape[-dims:], kernel_size, stride, padding, 1, ceil_mode)
    divisors = _divisors(windows, count_include_pad, divisor_override)
    return _mean_gradients(grad_output, input_shape, dims, windows, divisors)


def adaptive_max_pool(input, dims, output_size):
    return _maxima(input, dims, *_adaptive_windows(input.shape[-dims:], output_size))


def adaptive_avg_pool(input, dims, output_size):
    outs, windows = _adaptive_windows(input.shape[-dims:], output_size)
    return _means(input, dims, outs, windows, _divisors(windows, True, None))


def adaptive_avg_pool_backward(grad_output, input_shape, dims):
    _, windows = _adaptive_windows(input_shape[-dims:], grad_output.shape[-dims:])
    return _mean_gradients(grad_output, input_shape, dims, windows, _divisors(windows, True, None))


def scattered(values, indices, shape, dims, add):
    """Zeros of `shape`, with each value added or put where its index points, in their order."""
    planes, pooled = prod(shape[:-dims]), prod(values.shape[-dims:])
    value, magnitude = (np.zeros((planes, prod(shape[-dims:]))) for _ in range(2))
    hits = np.zeros(value.shape, int)
    pairs = zip(values.reshape(planes, pooled), indices.reshape(planes, pooled), strict=True)
    for plane, (numbers, places) in enumerate(pairs):
        for number, place in zip(numbers, places, strict=True):
            value[plane, place] = float(number) + (value[plane, place] if add else 0)
            magnitude[plane, place] += abs(float(number))
            hits[plane, place] += 1
    return Sum(value.reshape(shape), magnitude.reshape(shape), int(hits.max(initial=0)))


def gathered(source, indices, dims):
    """What max_unpool's gradient is: source at each index."""
    flat = source.reshape(*source.shape[:-dims], prod(source.shape[-dims:]))
    places = indices.reshape(*indices.shape[:-dims], prod(indices.shape[-dims:]))
    return np.take_along_axis(flat, places, axis=-1).reshape(indices.shape)
