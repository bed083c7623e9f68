"""Exact sums of integer products, modulo the width of the result, by the kernels for floats.

A float counts exactly up to 2^24 (float32) or 2^53 (float64). Where every partial sum stays below, one correlation in
floats is the answer. Where not, the integers are cut into limbs of so few bits that the sums of their products do:

    x = sum of x_i 2^(a i),   w = sum of w_j 2^(b j),   x * w = sum of (x_i * w_j) 2^(a i + b j)   modulo 2^width
"""

from math import prod

import numpy as np

from fastconv.signal import floats

_FLOAT32, _FLOAT64 = 2.0**24, 2.0**53 * (1 - 2.0**-30)  # a little room, because the sum of magnitudes is rounded itself


def correlation(x, w, axes, before, size, dtype):
    """As floats.correlation, for booleans (True where a product is) and integers; `dtype` is the result's."""
    if dtype.kind == "b":
        y = floats.correlation(x.astype(np.float32), w.astype(np.float32), axes, before, size)
        return y > 0
    magnitude = float(np.abs(w.astype(np.float64)).sum(axis=axes).max())
    most = magnitude * _largest(x, _FLOAT32 / max(magnitude, 1.0))
    if most <= _FLOAT32:
        return _at_once(x, w, axes, before, size, dtype, most, np.float32, np.int32)
    if most <= _FLOAT64:
        return _at_once(x, w, axes, before, size, dtype, most, np.float64, np.int64)
    return _by_limbs(x, w, axes, before, size, dtype)


def _largest(array, enough):
    """The largest magnitude; the type's own where that is not beyond `enough`, or needs no look at the numbers."""
    if array.dtype.kind == "b":
        return 1
    limits = np.iinfo(array.dtype)
    largest = max(-limits.min, limits.max)
    return largest if largest <= enough else max(-int(array.min()), int(array.max()))


def _at_once(x, w, axes, before, size, dtype, most, floating, integer):
    y = floats.correlation(x.astype(floating), w.astype(floating), axes, before, size)
    return y.astype(dtype) if most <= np.iinfo(dtype).max else y.astype(integer).astype(dtype)


def _by_limbs(x, w, axes, before, size, dtype):
    width = 8 * dtype.itemsize
    taps = prod(w.shape[axis] for axis in axes)
    a, b = _widths(_bits(x), _bits(w), 53 - (taps - 1).bit_length(), width)
    kernels = list(_limbs(w, b))
    result = None
    for i, image in enumerate(_limbs(x, a)):
        for j, kernel in enumerate(kernels):
            shift = a * i + b * j
            if shift < width:
                y = floats.correlation(image, kernel, axes, before, size).astype(np.int64).view(np.uint64)
                y <<= np.uint64(shift)
                result = y if result is None else np.add(result, y, out=result)
    return result.view(np.int64).astype(dtype)


def _bits(array):
    """b with -2^b <= value < 2^b for all values."""
    low, high = int(array.min()), int(array.max())
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0, 1)


def _widths(bits_x, bits_w, room, width):
    """Bits of a limb of x and of w, `room` together, for the fewest products."""

    def cost(a):
        count_x, count_w = -(-bits_x // a), -(-bits_w // (room - a))
        return sum(a * i + (room - a) * j < width for i in range(count_x) for j in range(count_w))

    a = min(range(1, room), key=cost)
    return a, room - a


def _limbs(array, bits):
    """The limbs from the lowest up; all are at least zero, the highest has the sign."""
    array = array.astype(np.uint64 if array.dtype.kind == "u" else np.int64)
    count = -(-_bits(array) // bits)
    mask = array.dtype.type((1 << bits) - 1)
    for i in range(count):
        limb = array >> array.dtype.type(bits * i)
        yield (limb if i == count - 1 else limb & mask).astype(np.float64)
