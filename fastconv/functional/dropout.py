"""Dropout and its gradient, which draws the same mask again from the seed instead of keeping it."""

import os

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import elementwise as kernels


def dropout(input, p=0.5, training=True, inplace=False, *, seed=None, out=None):
    """Each element zero with probability p, the others over 1 - p: torch.nn.functional.dropout on arrays, and seeded.

    Which elements stay follows from the seed and the element's place in the array (in C order) alone: the bits are the
    same with any number of threads, for any strides and in float32 and float64. They are Philox4x32-7's, whose key and
    stream are the seed. The probability is rounded to a multiple of 2^-32.

    Args:
        input: float32 or float64, any shape.
        p: between 0 and 1. Where an element is dropped it is multiplied by zero, as in torch: NaN and infinity become
            NaN.
        training: False leaves the input as it is.
        inplace: must be False; inputs are never written.
        seed: an integer between 0 and 2^128 - 1; the gradient needs it. None draws one from the operating system. A
            network draws anew at each step with, say, `seed=2**64 * layer + step`.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype, a copy even where nothing is dropped.

    Raises:
        TypeError: an array other than float32 or float64, a p or a seed of the wrong type.
        ValueError: a p outside of 0 and 1, a seed that is too large, inplace=True, or an `out` that does not fit.

    Example:
        >>> dropout(np.ones(8), 0.25, seed=1)
        array([1.33333333, 1.33333333, 1.33333333, 1.33333333, 0.        ,
               1.33333333, 0.        , 1.33333333])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html; the generator: Salmon, Moraes,
    Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, https://doi.org/10.1145/2063384.2063405
    """
    args.not_inplace(inplace)
    x = args.floats(input, "input")
    p, training, seed = args.probability(p, "p"), args.flag(training, "training"), args.dropout_seed(seed)
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x)
    if seed is None and training and 0 < p < 1:
        seed = int.from_bytes(os.urandom(16), "little")
    return _drop(x, p, training, seed, result)


def dropout_backward(grad_output, p=0.5, training=True, *, seed=None):
    """The gradient of dropout: grad_output where the element stayed, over 1 - p, else zero.

    Args:
        grad_output: float32 or float64, of the shape that dropout was given.
        p, training, seed: as given to dropout. Without a seed there is no gradient, unless nothing was drawn (p is 0 or
            1, or training is False).

    Returns:
        grad_input, of grad_output's shape and dtype.

    Raises:
        TypeError, ValueError: as dropout, and where the seed is missing.

    Example:
        >>> dropout_backward(np.ones(8), 0.25, seed=1)
        array([1.33333333, 1.33333333, 1.33333333, 1.33333333, 0.        ,
               1.33333333, 0.        , 1.33333333])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    p, training, seed = args.probability(p, "p"), args.flag(training, "training"), args.dropout_seed(seed)
    if seed is None and training and 0 < p < 1:
        raise ValueError("seed must be the one that dropout was given, got seed=None: the mask cannot be drawn again")
    return _drop(gy, p, training, seed, np.empty(gy.shape, gy.dtype))


def _drop(x, p, training, seed, result):
    if not training or p == 0:
        np.copyto(result, x)
        return result
    threshold = min(round(p * 2**32), 2**32 - 1)
    scale = 1 / (1 - p) if p < 1 else 0.0
    stream, key = divmod(seed or 0, 2**64)
    kernels.dropout(args.contiguous(x), result, stream, key, threshold, scale)
    return result
