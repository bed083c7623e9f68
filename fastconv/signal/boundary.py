"""What lies outside an image, written around a copy of it."""

import numpy as np


def padded(x, w, axes, before, size, boundary, fill, dtype):
    """A copy of x and of what lies outside, as far as `size` windows of w's length reach that begin `before` x."""
    shape, centre = list(x.shape), [slice(None)] * x.ndim
    for axis, p, n in zip(axes, before, size, strict=True):
        shape[axis] = n + w.shape[axis] - 1
        centre[axis] = slice(p, p + x.shape[axis])
    if boundary == "fill":
        result = np.full(shape, fill, dtype)
        result[tuple(centre)] = x
        return result
    result = np.empty(shape, x.dtype)
    result[tuple(centre)] = x
    for axis, p in zip(axes, before, strict=True):  # an axis at a time; what is not filled in yet is overwritten later
        here = (slice(None),) * axis
        outside = np.concatenate((np.arange(p), np.arange(p + x.shape[axis], shape[axis])))
        result[(*here, outside)] = result[(*here, _source(outside - p, x.shape[axis], boundary) + p)]
    return result


def _source(places, length, boundary):
    """The pixel that stands at each place: of the repeated image, or of the image and its mirror image in turns."""
    if boundary == "wrap":
        return places % length
    places = places % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)
