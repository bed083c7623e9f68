"""Activations, forward and backward. Those with a cheap form of the derivative take their output for it."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import elementwise as kernels


def relu(input, inplace=False, *, out=None):
    """max(0, input), elementwise: torch.nn.functional.relu on arrays. NaN stays NaN.

    Args:
        input: float32 or float64, any shape.
        inplace: must be False; inputs are never written.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: inplace=True, or an `out` that does not fit.

    Example:
        >>> relu(np.array([-1.0, 2.0]))
        array([0., 2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html
    """
    args.not_inplace(inplace)
    return _forward(kernels.relu_forward, input, out)


def relu_backward(grad_output, input):
    """The gradient of relu: grad_output where input > 0 or NaN, else 0.

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> relu_backward(np.ones(2), np.array([-1.0, 2.0]))
        array([0., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html (its derivative)
    """
    return _backward(kernels.relu_backward, grad_output, input, "input")


def sigmoid(input, *, out=None):
    """1 / (1 + exp(-input)), elementwise: torch.nn.functional.sigmoid on arrays.

    Args:
        input: float32 or float64, any shape.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: an `out` that does not fit.

    Example:
        >>> sigmoid(np.zeros(1))
        array([0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html
    """
    return _forward(kernels.sigmoid_forward, input, out)


def sigmoid_backward(grad_output, output):
    """The gradient of sigmoid from its output y: grad_output * y * (1 - y).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> sigmoid_backward(np.ones(1), sigmoid(np.zeros(1)))
        array([0.25])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html (its derivative)
    """
    return _backward(kernels.sigmoid_backward, grad_output, output, "output")


def tanh(input, *, out=None):
    """The hyperbolic tangent, elementwise: torch.nn.functional.tanh on arrays.

    Args:
        input: float32 or float64, any shape.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: an `out` that does not fit.

    Example:
        >>> tanh(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html
    """
    return _forward(kernels.tanh_forward, input, out)


def tanh_backward(grad_output, output):
    """The gradient of tanh from its output y: grad_output * (1 - y * y).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> tanh_backward(np.ones(1), tanh(np.zeros(1)))
        array([1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html (its derivative)
    """
    return _backward(kernels.tanh_backward, grad_output, output, "output")


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


def _forward(kernel, input, out):
    x = args.floats(input, "input")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x)
    if x.size:
        kernel(args.contiguous(x), result)
    return result


def _backward(kernel, grad_output, kept, name):
    kept = args.floats(kept, name)
    gy = args.gradient(grad_output, kept.shape, kept, name)
    grad_input = np.empty(kept.shape, kept.dtype)
    if gy.size:
        kernel(args.contiguous(gy), args.contiguous(kept), grad_input)
    return grad_input


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
