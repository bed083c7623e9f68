"""Softmax and its logarithm along an axis, forward and backward, which takes the output."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import softmax as kernels


def softmax(input, dim=-1):
    """exp(input) over its sum along an axis: torch.nn.functional.softmax on arrays.

    Args:
        input: float32 or float64, any shape.
        dim: the axis whose entries sum to one.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64, a dim that is no integer.
        ValueError: a dim that input does not have.

    Example:
        >>> softmax(np.zeros((1, 4)))
        array([[0.25, 0.25, 0.25, 0.25]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html
    """
    return _along(kernels.softmax_forward, input, dim)


def log_softmax(input, dim=-1):
    """The logarithm of softmax, computed without its underflow: torch.nn.functional.log_softmax on arrays.

    Args:
        input: float32 or float64, any shape.
        dim: the axis whose exponentials sum to one.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64, a dim that is no integer.
        ValueError: a dim that input does not have.

    Example:
        >>> np.exp(log_softmax(np.zeros(2)))
        array([0.5, 0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html
    """
    return _along(kernels.log_softmax_forward, input, dim)


def softmax_backward(grad_output, output, dim=-1):
    """The gradient of softmax from its output y: y * (grad_output - sum(grad_output * y)).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.
        dim: as given to softmax.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: as softmax, and dtypes or shapes that differ.

    Example:
        >>> softmax_backward(np.ones(4), softmax(np.zeros(4)))
        array([0., 0., 0., 0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html (its derivative)
    """
    gy, y, put_back = _rows_of_both(grad_output, output, dim)
    with np.errstate(all="ignore"):
        total = np.add.reduce(gy * y, axis=1, keepdims=True)
        return put_back((gy - total) * y)


def log_softmax_backward(grad_output, output, dim=-1):
    """The gradient of log_softmax from its output y: grad_output - exp(y) * sum(grad_output).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.
        dim: as given to log_softmax.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: as log_softmax, and dtypes or shapes that differ.

    Example:
        >>> log_softmax_backward(np.array([1.0, 0.0]), log_softmax(np.zeros(2)))
        array([ 0.5, -0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html (its derivative)
    """
    gy, y, put_back = _rows_of_both(grad_output, output, dim)
    with np.errstate(all="ignore"):
        return put_back(gy - np.exp(y) * np.add.reduce(gy, axis=1, keepdims=True))


def _rows(array, axis):
    """The axis last, the others in one: a contiguous matrix, and the function that undoes it."""
    moved = np.moveaxis(array, axis, -1) if array.ndim > 1 else array
    sizes = moved.shape
    columns = sizes[-1] if sizes else 1
    rows = args.contiguous(moved).reshape(array.size // columns if columns else 0, columns)

    def put_back(matrix):
        back = matrix.reshape(sizes)
        return args.contiguous(np.moveaxis(back, -1, axis)) if array.ndim > 1 else back

    return rows, put_back


def _along(kernel, input, dim):
    x = args.floats(input, "input")
    axis = args.axis(dim, "dim", x.ndim, x.shape)
    if not x.size:
        return np.empty(x.shape, x.dtype)
    rows, put_back = _rows(x, axis)
    result = np.empty(rows.shape, rows.dtype)
    kernel(rows, result)
    return put_back(result)


def _rows_of_both(grad_output, output, dim):
    y = args.floats(output, "output")
    gy = args.gradient(grad_output, y.shape, y, "output")
    axis = args.axis(dim, "dim", y.ndim, y.shape)
    rows, put_back = _rows(y, axis)
    return _rows(gy, axis)[0], rows, put_back
