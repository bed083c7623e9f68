"""Correlation and convolution of images and signals: scipy.signal's names, arguments and results.

    correlate, convolve          any number of dimensions, zeros outside
    correlate2d, convolve2d      two dimensions; zeros, a value, the opposite edge or a mirror image outside

They compute the sums directly, on the kernels of conv2d, for float32, float64, booleans and integers of every width.
The result has the shape and dtype that SciPy gives it; integers are exact, and wrap around as SciPy's do. Where a
kernel is as large as the image, an FFT (scipy.signal.fftconvolve) needs fewer operations. Two things are added:

- `axes=` names the axes to correlate along. The others are a batch, broadcast between in1 and in2 by NumPy's rules: a
  stack of images meets one kernel, or each image its own, or one image a stack of kernels. An item's bits are those
  that it has alone.
- Two arrays of booleans of any rank (SciPy: one dimension at most): a result is True where one of the products is.

Float16 (unless the other array makes the result float32 or float64), extended precision, complex numbers and objects
are refused. Axes of length zero are refused; a batch of zero gives the empty result.

Convolution or cross-correlation
--------------------------------
What networks call a convolution is a cross-correlation: the kernel slides over the image as it is. A convolution in
the mathematical sense, (f * g)(i) = sum over a of f(a) g(i - a), walks through the two arrays in opposite directions,
which is to say that it flips one of them. Only the flip makes it commutative:

    >>> import numpy as np
    >>> from fastconv.signal import convolve2d, correlate2d
    >>> f, g = np.arange(9).reshape(3, 3), np.arange(4).reshape(2, 2)
    >>> correlate2d(f, g, "valid")                             # 0 * 0 + 1 * 1 + 3 * 2 + 4 * 3 = 19
    array([[19, 25],
           [37, 43]])
    >>> convolve2d(f, g, "valid")                              # 0 * 3 + 1 * 2 + 3 * 1 + 4 * 0 = 5
    array([[ 5, 11],
           [23, 29]])
    >>> np.array_equal(convolve2d(f, g), correlate2d(f, g[::-1, ::-1]))             # the flip
    True
    >>> np.array_equal(convolve2d(f, g), convolve2d(g, f))                          # f * g = g * f
    True
    >>> np.array_equal(correlate2d(f, g), correlate2d(g, f))                        # but not so
    False

A layer learns its kernel from data: had it to flip, it would learn the kernel flipped, and its outputs would stay what
they are. So nobody flips. Source: Zhang, Lipton, Li and Smola, Dive into Deep Learning, chapter 7 (https://d2l.ai).

Infinities and NaN
------------------
They appear where SciPy's direct sums put them, and never spread over the whole result as they do from an FFT. So the
padding takes part: a zero outside in1, times an infinity in in2, is NaN. In mode "full", correlate and convolve pad the
array with more elements. Along one axis they leave the padding out (unless in2 is the longer in mode "same").
"""

from fastconv.signal import arguments
from fastconv.signal.windows import Rule, sliding

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d"]

_CORRELATE = Rule(flip=False, rank=None, late=True)
_CONVOLVE = Rule(flip=True, rank=None, late=True)
_CORRELATE2D = Rule(flip=False, rank=2, late=False)
_CONVOLVE2D = Rule(flip=True, rank=2, late=True)


def correlate(in1, in2, mode="full", method="auto", *, axes=None):
    """The cross-correlation of two arrays: z[k] = sum over i of in1[i] in2[i - k], along every axis.

    Args:
        in1, in2: arrays (or what np.asarray makes one of) of the same number of dimensions: booleans, integers,
            float32 or float64, promoted as NumPy promotes them.
        mode: "full": wherever the two overlap, N + M - 1 along an axis of N and M. "same": N, the middle of "full".
            "valid": where one lies wholly inside the other, which must be the longer along every axis, or as long.
        method: "auto", "direct" or "fft", as in SciPy. All three compute the same direct sums.
        axes: the axis or axes to correlate along; all, if None. Along the others the arrays are broadcast, and one of
            them may lack leading ones.

    Returns:
        A new array of NumPy's result type; two numbers (shape ()) give their product.

    Raises:
        TypeError: complex numbers, objects, a dtype without a result in float64; axes that are not integers.
        ValueError: another mode or method; shapes that do not fit together; an axis of length zero.

    Example:
        >>> correlate([1, 2, 3], [0, 1, 2], "same")
        array([5, 8, 3])
        >>> correlate(np.ones((100, 1000)), [1.0, -1.0], axes=-1).shape           # a hundred signals
        (100, 1001)

    Source: https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.correlate.html
    """
    arguments.method(method)
    return sliding(in1, in2, mode, axes, _CORRELATE)


def convolve(in1, in2, mode="full", method="auto", *, axes=None):
    """The convolution of two arrays: z[k] = sum over i of in1[i] in2[k - i], along every axis.

    Arguments, result and errors are correlate's.

    Example:
        >>> convolve([1, 2, 3], [0, 1, 2])                                        # (1 + 2x + 3x^2) (x + 2x^2)
        array([0, 1, 4, 7, 6])

    Source: https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.convolve.html
    """
    arguments.method(method)
    return sliding(in1, in2, mode, axes, _CONVOLVE)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, axes=None):
    """The cross-correlation of two images, with a choice of what lies outside the first.

    Args:
        in1, in2: arrays (or what np.asarray makes one of) of 2 dimensions, or of any number with axes=: booleans,
            integers, float32 or float64, promoted as NumPy promotes them.
        mode: "full", "same" or "valid", as in correlate. For a kernel of even length "same" lies one place later than
            correlate's, as in SciPy.
        boundary: what lies outside in1. "fill" (or "pad"): fillvalue. "wrap" ("circular"): in1 again and again. "symm"
            ("symmetric"): in1 mirrored at its edges.
        fillvalue: a number, made one of the result's dtype: fractions are cut off for integers.
        axes: the two axes of the image; needed where there are more. Along the others the arrays are broadcast, and one
            of them may lack leading ones.

    Returns:
        A new array of NumPy's result type.

    Raises:
        TypeError: complex numbers, objects, a dtype without a result in float64; axes that are not integers.
        ValueError: another mode or boundary; shapes that do not fit together; an axis of length zero; a fillvalue that
            the result's dtype cannot hold.

    Example:
        >>> edges = correlate2d(np.eye(5), [[-1, 0, 1]], "same", "symm")
        >>> stack = np.zeros((8, 100, 100), np.float32)
        >>> correlate2d(stack, np.ones((3, 3), np.float32), "same", axes=(-2, -1)).shape
        (8, 100, 100)

    Source: https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.correlate2d.html
    """
    return sliding(in1, in2, mode, axes, _CORRELATE2D, boundary, fillvalue)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, axes=None):
    """The convolution of two images, with a choice of what lies outside the first: correlate2d with in2 flipped.

    Arguments, result and errors are correlate2d's; "same" is the middle of "full", as in convolve.

    Example:
        >>> convolve2d([[1, 2], [3, 4]], [[1, 10]])
        array([[ 1, 12, 20],
               [ 3, 34, 40]])

    Source: https://docs.scipy.org/doc/scipy/reference/generated/scipy.signal.convolve2d.html
    """
    return sliding(in1, in2, mode, axes, _CONVOLVE2D, boundary, fillvalue)
