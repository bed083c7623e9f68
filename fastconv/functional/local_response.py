"""Local response normalisation, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import response as kernels


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0, *, out=None):
    """Divides each value by a power of the squares of the channels around it: torch.nn.functional.local_response_norm.

    Args:
        input: (N, C, L, ...), float32 or float64, at least 3 dimensions.
        size: the channels of a window, at least 1: size // 2 before the channel, (size - 1) // 2 behind it.
        alpha, beta, k: the divisor is (k + alpha / size * the sum of the window's squares) ** beta.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64, a size that is no integer.
        ValueError: fewer than 3 dimensions, a size below 1.

    Example:
        >>> local_response_norm(np.array([[[1.0], [2.0]]]), 1, alpha=1.0, beta=1.0, k=0.0)
        array([[[1. ],
                [0.5]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html
    """
    x = args.floats(input, "input")
    sizes, size, alpha, beta, k = args.response(x.shape, size, alpha, beta, k)
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x)
    if x.size:
        x3, y3 = args.contiguous(x).reshape(sizes), result.reshape(sizes)
        kernels.local_response_norm_forward(x3, y3, size, alpha, beta, k)
    return result


def local_response_norm_backward(grad_output, input, size, alpha=1e-4, beta=0.75, k=1.0):
    """The gradient of local_response_norm with respect to its input.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, size, alpha, beta, k: as given to local_response_norm.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as local_response_norm, and where grad_output's shape is not the output's.

    Example:
        >>> local_response_norm_backward(np.ones((1, 1, 1)), np.ones((1, 1, 1)), 1, alpha=0.0)
        array([[[1.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html (its derivative)
    """
    x = args.floats(input, "input")
    sizes, size, alpha, beta, k = args.response(x.shape, size, alpha, beta, k)
    gy = args.gradient(grad_output, x.shape, x)
    grad_input = np.empty(x.shape, x.dtype)
    if x.size:
        x3, gy3, gx3 = args.contiguous(x).reshape(sizes), args.contiguous(gy).reshape(sizes), grad_input.reshape(sizes)
        kernels.local_response_norm_backward(gy3, x3, gx3, size, alpha, beta, k)
    return grad_input
