"""PReLU, whose slope on the negative side is learned, and its gradients."""

import math

import numpy as np

from fastconv import _arguments as args
from fastconv.functional import _pointwise
from fastconv.kernels import elementwise as kernels

_LEAKY_RELU = kernels.function_number("leaky_relu")


def prelu(input, weight):
    """input where it is positive, else weight * input: torch.nn.functional.prelu on arrays.

    Args:
        input: float32 or float64; (N, C, ...), or any shape with a single weight.
        weight: (C,), a slope for each channel; or (1,) or (), one for all. An input of fewer than 2 dimensions has one
            channel.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: arrays of the wrong dtype.
        ValueError: a weight of another shape.

    Example:
        >>> prelu(np.array([[-1.0, -1.0, 2.0]]), np.array([0.25, 0.5, 0.5]))
        array([[-0.25, -0.5 ,  2.  ]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html
    """
    x = args.floats(input, "input")
    w = args.channel_weight(weight, x)
    if w.size == 1:
        return _pointwise.forward(_LEAKY_RELU, x, None, float(w.reshape(())))
    result = np.empty(x.shape, x.dtype)
    if x.size:
        kernels.prelu(None, args.contiguous(x), args.contiguous(w), result, *_around(x.shape))
    return result


def prelu_backward(grad_output, input, weight, output_mask=(True, True)):
    """The gradients of prelu with respect to its input and its weight.

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.
        weight: as given to prelu.
        output_mask: which of the two are wanted.

    Returns:
        (grad_input, grad_weight), of the shapes of input and weight; None where the mask says False.

    Raises:
        TypeError, ValueError: as prelu, and dtypes or shapes that differ.

    Example:
        >>> prelu_backward(np.ones(2), np.array([-3.0, 2.0]), np.array([0.25]))
        (array([0.25, 1.  ]), array([-3.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html (its derivatives)
    """
    x = args.floats(input, "input")
    w = args.channel_weight(weight, x)
    gy = args.gradient(grad_output, x.shape, x)
    wanted = args.mask(output_mask, "output_mask", 2)
    gy, x = args.contiguous(gy), args.contiguous(x)
    grad_input = grad_weight = None
    if wanted[0]:
        grad_input = np.empty(x.shape, x.dtype)
        if w.size == 1:
            kernels.backward(_LEAKY_RELU, gy, x, grad_input, float(w.reshape(())))
        elif x.size:
            kernels.prelu(gy, x, args.contiguous(w), grad_input, *_around(x.shape))
    if wanted[1]:
        grad_weight = np.zeros(w.shape, w.dtype)
        if x.size:
            kernels.prelu_backward_weight(gy, x, grad_weight, *((1, 1, x.size) if w.size == 1 else _around(x.shape)))
    return grad_input, grad_weight


def _around(sizes):
    """(outer, channels, inner)."""
    return sizes[0], sizes[1], math.prod(sizes[2:])
