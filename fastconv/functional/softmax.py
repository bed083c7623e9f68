"""Softmax and its logarithm along an axis, forward and backward, which takes the output."""

import math
import warnings

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import softmax as kernels


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) over its sum along an axis: torch.nn.functional.softmax on arrays.

    Args:
        input: float32 or float64, any shape; with a dtype, any real numbers.
        dim: the axis whose entries sum to one. None warns and takes, as torch does, axis 0 of arrays with 0, 1 or 3
            dimensions and axis 1 of others.
        _stacklevel: of that warning.
        dtype: float32 or float64, to which input is converted first.

    Returns:
        An array of input's shape, and its dtype or the one given.

    Raises:
        TypeError: an array other than float32 or float64, another dtype, a dim that is no integer.
        ValueError: a dim that input does not have.

    Example:
        >>> softmax(np.zeros((1, 4)), 1)
        array([[0.25, 0.25, 0.25, 0.25]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
    """
    return _forward(False, input, dim, _stacklevel, dtype)


def softmax_backward(grad_output, output, dim=None, _stacklevel=3, dtype=None):
    """The gradient of softmax from its output y: y * (grad_output - sum(grad_output * y)).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.
        dim, _stacklevel, dtype: as given to softmax. A dtype must be output's.

    Returns:
        grad_input, of output's shape and dtype.

    Raises:
        TypeError, ValueError: as softmax, and dtypes or shapes that differ.

    Example:
        >>> softmax_backward(np.ones(4), softmax(np.zeros(4), 0), 0)
        array([0., 0., 0., 0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html (its derivative)
    """
    return _backward(False, grad_output, output, dim, _stacklevel, dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax, computed without its underflow: torch.nn.functional.log_softmax on arrays.

    Args:
        input: float32 or float64, any shape; with a dtype, any real numbers.
        dim: the axis whose exponentials sum to one. None warns and takes, as torch does, axis 0 of arrays with 0, 1 or
            3 dimensions and axis 1 of others.
        _stacklevel: of that warning.
        dtype: float32 or float64, to which input is converted first.

    Returns:
        An array of input's shape, and its dtype or the one given.

    Raises:
        TypeError: an array other than float32 or float64, another dtype, a dim that is no integer.
        ValueError: a dim that input does not have.

    Example:
        >>> np.exp(log_softmax(np.zeros(2), 0))
        array([0.5, 0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
    """
    return _forward(True, input, dim, _stacklevel, dtype)


def log_softmax_backward(grad_output, output, dim=None, _stacklevel=3, dtype=None):
    """The gradient of log_softmax from its output y: grad_output - exp(y) * sum(grad_output).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.
        dim, _stacklevel, dtype: as given to log_softmax. A dtype must be output's.

    Returns:
        grad_input, of output's shape and dtype.

    Raises:
        TypeError, ValueError: as log_softmax, and dtypes or shapes that differ.

    Example:
        >>> log_softmax_backward(np.array([1.0, 0.0]), log_softmax(np.zeros(2), 0), 0)
        array([ 0.5, -0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html (its derivative)
    """
    return _backward(True, grad_output, output, dim, _stacklevel, dtype)


def _forward(logarithmic, input, dim, stacklevel, dtype):
    x = args.floats(input, "input") if dtype is None else args.converted(input, "input", args.dtype(dtype))
    n, inner = _along(logarithmic, dim, stacklevel, x.shape)
    result = np.empty(x.shape, x.dtype)
    kernels.forward(logarithmic, args.contiguous(x), result, n, inner)
    return result


def _backward(logarithmic, grad_output, output, dim, stacklevel, dtype):
    y = args.floats(output, "output")
    if dtype is not None and args.dtype(dtype) != y.dtype:
        raise TypeError(f"dtype must be that of output, {y.dtype}, got dtype={dtype!r}")
    gy = args.gradient(grad_output, y.shape, y, "output")
    n, inner = _along(logarithmic, dim, stacklevel, y.shape)
    grad_input = np.empty(y.shape, y.dtype)
    kernels.backward(logarithmic, args.contiguous(gy), args.contiguous(y), grad_input, n, inner)
    return grad_input


def _along(logarithmic, dim, stacklevel, sizes):
    """How many elements lie along the axis, and behind it."""
    rank = len(sizes)
    if dim is None:
        dim = 0 if rank in (0, 1, 3) else 1
        name = "log_softmax" if logarithmic else "softmax"
        warnings.warn(
            f"{name} without dim takes dim={dim} for shape {sizes}: say which is meant",
            stacklevel=args.integer(stacklevel, "_stacklevel") + 1,
        )
    axis = dim if type(dim) is int and 0 <= dim < rank else args.axis(dim, "dim", rank, sizes)
    if not rank:
        return 1, 1
    return sizes[axis], 1 if axis == rank - 1 else math.prod(sizes[axis + 1 :])
