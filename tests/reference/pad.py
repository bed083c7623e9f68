"""Padding by the index of each element along each axis."""

import numpy as np

from reference.common import Sum


def _indices(size, low, high, mode):
    """Where each element of the padded axis comes from; -1 for the value that is filled in."""
    if mode == "circular":
        kept = list(range(size))[max(-low, 0) : size - max(-high, 0)]
        return [kept[i % len(kept)] for i in range(-max(low, 0), len(kept) + max(high, 0))]
    indices = []
    for i in range(-low, size + high):
        if 0 <= i < size:
            indices.append(i)
        elif mode == "constant":
            indices.append(-1)
        elif mode == "replicate":
            indices.append(min(max(i, 0), size - 1))
        else:
            indices.append(-i if i < 0 else 2 * (size - 1) - i)
    return indices


def _places(sizes, pad, mode):
    """An index array for each axis, ready to index with, and where the value is filled in."""
    sides = [(0, 0)] * (len(sizes) - len(pad) // 2) + list(zip(pad[0::2], pad[1::2], strict=True))[::-1]
    each = [np.array(_indices(n, *s, mode), dtype=np.int64) for n, s in zip(sizes, sides, strict=True)]
    filled = np.zeros([len(indices) for indices in each], bool)
    for axis, indices in enumerate(each):
        filled |= (indices == -1).reshape([-1 if a == axis else 1 for a in range(len(each))])
    return np.ix_(*[np.maximum(indices, 0) for indices in each]), filled


def pad(x, pad, mode="constant", value=None):
    places, filled = _places(x.shape, pad, mode)
    if filled.all():
        return np.full(filled.shape, value or 0, x.dtype)
    return np.where(filled, x.dtype.type(value or 0), x[places] if x.ndim else x)


def pad_backward(gy, sizes, pad, mode="constant"):
    places, filled = _places(sizes, pad, mode)
    total, magnitude = np.zeros(sizes), np.zeros(sizes)
    if total.size and gy.size:
        gradient = np.where(filled, 0, gy.astype(np.float64))
        with np.errstate(all="ignore"):
            np.add.at(total, places if total.ndim else (), gradient)
            np.add.at(magnitude, places if total.ndim else (), np.abs(gradient))
    return Sum(total, magnitude, max(gy.size // max(total.size, 1), 1))
