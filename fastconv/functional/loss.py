"""The mean squared error, and its gradient with respect to the input."""

import warnings

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import squares as kernels


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The squared difference: torch.nn.functional.mse_loss on arrays.

    Args:
        input, target: arrays of the same dtype, float32 or float64, and the same shape. Other shapes are broadcast
            with a warning, as torch does.
        size_average, reduce: torch's older form of reduction; where given they decide, with a warning.
        reduction: "mean", "sum" or "none".
        weight: a weight for each element, of input's shape, or None; the mean divides by the weights' sum.

    Returns:
        A scalar of input's dtype, or with reduction="none" an array. The mean over nothing is NaN.

    Raises:
        TypeError: arrays of the wrong dtype.
        ValueError: shapes that do not fit together, an unknown reduction.

    Example:
        >>> mse_loss(np.array([1.0, 3.0]), np.zeros(2))
        np.float64(5.0)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
    """
    x, t, w, reduction, divisor = _arguments(input, target, size_average, reduce, reduction, weight)
    if reduction == "none":
        result = np.empty(x.shape, x.dtype)
        kernels.squares(x, t, w, result)
        return result if result.shape else result[()]
    return x.dtype.type(kernels.sum_squares(x, t, w, divisor))


def mse_loss_backward(grad_output, input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The gradient of mse_loss with respect to its input.

    Args:
        grad_output: the gradient of the loss: a number, or with reduction="none" an array of the loss's shape.
        input, target, size_average, reduce, reduction, weight: as given to mse_loss.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as mse_loss, and where grad_output's shape is not the loss's.

    Example:
        >>> mse_loss_backward(1.0, np.array([1.0, 3.0]), np.zeros(2))
        array([1., 3.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html (its derivative)
    """
    x, t, w, reduction, divisor = _arguments(input, target, size_average, reduce, reduction, weight)
    grad = args.loss_gradient(grad_output, x.shape if reduction == "none" else (), x)
    each, factor = (args.contiguous(grad), 2.0) if reduction == "none" and x.shape else (None, 2 * float(grad))
    grad_input = np.empty(x.shape, x.dtype)
    kernels.backward(each, factor, divisor, x, t, w, grad_input)
    return _sum_to(grad_input, args.floats(input, "input").shape)


def _arguments(input, target, size_average, reduce, reduction, weight):
    """Input, target and weight, contiguous and of one shape; the reduction, and what a mean divides by (else 1)."""
    x = args.floats(input, "input")
    t = args.floats(target, "target", x)
    reduction = args.reduction(reduction, size_average, reduce)
    w = args.loss_weights(weight, x.shape, x)
    divisor = 1.0
    if reduction == "mean" and w is not None:
        divisor = float(np.add.reduce(w, axis=None))
    if x.shape != t.shape:
        sizes = args.broadcast(x.shape, t.shape)
        warnings.warn(
            f"target has shape {t.shape}, input has {x.shape}: they are broadcast, which is rarely what was meant",
            stacklevel=3,
        )
        x, t = np.broadcast_to(x, sizes), np.broadcast_to(t, sizes)
        w = None if w is None else np.broadcast_to(w, sizes)
    if reduction == "mean" and w is None:
        divisor = float(x.size)
    return args.contiguous(x), args.contiguous(t), None if w is None else args.contiguous(w), reduction, divisor


def _sum_to(array, shape):
    """Undoes a broadcast from `shape`: sums over the axes that were added or stretched."""
    if array.shape == shape:
        return array
    added = array.ndim - len(shape)
    stretched = tuple(
        axis for axis in range(array.ndim) if axis < added or (shape[axis - added] == 1 and array.shape[axis] != 1)
    )
    return np.add.reduce(array, axis=stretched, keepdims=True).reshape(shape)
