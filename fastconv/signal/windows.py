"""Which windows of which array: modes, the exchange of the two arrays, padding; then the sums.

Everything is one correlation along some axes,

    y[m] = sum over j < M of x[m + j - before] * w[j],        m < size,        x of length N, and zero outside

Turning both arrays around exchanges them: the image and the kernel are then w and x, and `before` grows by N - M.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from fastconv.signal import arguments, floats, integers
from fastconv.signal.boundary import padded


class Rule(NamedTuple):
    """What tells SciPy's four functions apart."""

    flip: bool  # convolution
    rank: int | None  # axes to correlate along: 2 with a boundary, any number with zeros outside
    late: bool  # where a kernel of even length has its centre in mode "same"


def sliding(in1, in2, mode, axes, rule, boundary="fill", fillvalue=0):
    x, w, dtype = arguments.arrays(in1, in2)
    arguments.mode(mode)
    if axes is None and x.ndim == w.ndim == rule.rank:
        axes = (0, 1)
    else:
        x, w, axes = arguments.layout(x, w, axes, rule.rank)
        if not axes:
            with np.errstate(over="ignore"):
                return np.multiply(x, w, dtype=dtype)
    fill = None
    if boundary != "fill":
        boundary = arguments.boundary(boundary)
    if type(fillvalue) is not int or fillvalue != 0:
        fill = arguments.fill(fillvalue, dtype)
    if rule.flip:
        w = np.flip(w, axes)

    if not (x.size and w.size):
        arguments.not_empty(x, w, axes)
    if mode == "valid":
        if arguments.inside(x, w, axes):
            x, w = np.flip(w, axes), np.flip(x, axes)
        return _sums(x, w, axes, (0,) * len(axes), [x.shape[a] - w.shape[a] + 1 for a in axes], dtype)
    before, size = [], []
    for axis in axes:
        N, M = x.shape[axis], w.shape[axis]
        if mode == "full":
            before.append(M - 1)
            size.append(N + M - 1)
        else:
            before.append(M // 2 if rule.late else (M - 1) // 2)
            size.append(N)

    if boundary != "fill" or fill:
        x = padded(x, w, axes, before, size, boundary, fill, dtype)
        return _sums(x, w, axes, (0,) * len(axes), size, dtype)
    if rule.rank is not None:
        return _zeros_outside(x, w, axes, before, size, dtype)
    larger = _taps(w, axes) > _taps(x, axes)
    if mode == "full" and larger:
        x, w, before = _exchanged(x, w, axes, before)
    if len(axes) > 1 or (mode == "same" and larger):
        return _zeros_outside(x, w, axes, before, size, dtype)
    y = _sums(x, w, axes, before, size, dtype)
    if dtype.kind == "f" and not np.isfinite(w).all():
        floats.leave_out_padding(y, x.astype(dtype), w.astype(dtype), axes[0], before[0])
    return y


def _zeros_outside(x, w, axes, before, size, dtype):
    """The sums with the smaller array as the kernel, and only of what meets, where that changes nothing.

    Infinities and NaN count against the zeros outside: the items of a batch that hold them are summed as they are, and
    only they, since the order of summation shows in the last bits."""
    trimmed = _trimmed(x, w, axes, before, size)
    if trimmed is None:
        return _sums(x, w, axes, before, size, dtype)
    strange = np.False_
    if dtype.kind == "f":
        strange = ~(np.isfinite(x).all(axis=axes) & np.isfinite(w).all(axis=axes))
        if strange.all():
            return _sums(x, w, axes, before, size, dtype)
    y = _sums(*trimmed, size, dtype)
    if strange.any():
        inner = range(-len(axes), 0)
        x, w, items = (np.moveaxis(array, axes, inner) for array in (x, w, y))
        x, w = (np.broadcast_to(each, (*strange.shape, *each.shape[-len(axes) :]))[strange] for each in (x, w))
        items[strange] = _sums(x, w, tuple(range(1, x.ndim)), before, size, dtype)
    return y


def _sums(x, w, axes, before, size, dtype):
    if not (x.size and w.size):  # an empty batch
        shape = list(np.broadcast_shapes(*([n for a, n in enumerate(each.shape) if a not in axes] for each in (x, w))))
        for axis, n in zip(axes, size, strict=True):
            shape.insert(axis, n)
        return np.empty(shape, dtype)
    if x.dtype is dtype and w.dtype is dtype:
        if dtype.kind == "f":
            return floats.correlation(x, w, axes, before, size)
    elif dtype.kind == "f":
        return floats.correlation(x.astype(dtype, copy=False), w.astype(dtype, copy=False), axes, before, size)
    return integers.correlation(x, w, axes, before, size, dtype)


def _taps(array, axes):
    return prod(array.shape[axis] for axis in axes)


def _exchanged(x, w, axes, before):
    before = [p + x.shape[axis] - w.shape[axis] for p, axis in zip(before, axes, strict=True)]
    return np.flip(w, axes), np.flip(x, axes), before


def _trimmed(x, w, axes, before, size):
    """The smaller array as the kernel, and only the taps and pixels that meet, all else being products with zeros:
    (x, w, axes, before), or None where it is so already."""
    smaller = _taps(w, axes) > _taps(x, axes)
    if not smaller and all(w.shape[a] - x.shape[a] <= p < n for a, p, n in zip(axes, before, size, strict=True)):
        return None
    if smaller:
        x, w, before = _exchanged(x, w, axes, before)
    before = list(before)
    for place, (axis, n) in enumerate(zip(axes, size, strict=True)):
        p, here = before[place], (slice(None),) * axis
        low, high = max(p - n + 1, 0), min(x.shape[axis] + p, w.shape[axis])
        w, p = w[(*here, slice(low, high))], p - low
        x = x[(*here, slice(max(-p, 0), n + high - low - 1 - p))]
        before[place] = max(p, 0)
    return x, w, axes, before
