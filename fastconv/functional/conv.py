"""Two-dimensional convolution (cross-correlation), forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import conv as kernels


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None):
    """Convolves images with filters: torch.nn.functional.conv2d on arrays.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W), float32 or float64.
        weight: (C_out, C_in / groups, KH, KW), of input's dtype.
        bias: (C_out,) or None.
        stride, dilation: an integer or a pair of at least 1.
        padding: an integer or a pair of at least 0 (zeros on both sides), "valid" (none), or "same" (stride 1 only: the
            output has the input's size; an odd pixel goes below and to the right).
        groups: a divisor of C_in and C_out; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OH, OW), or (C_out, OH, OW) for an image without a batch, with
        OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1. An empty batch gives the empty result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> x = np.ones((1, 1, 4, 4), np.float32)
        >>> w = np.ones((2, 1, 3, 3), np.float32)
        >>> conv2d(x, w, padding=1).shape
        (1, 2, 4, 4)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv2d(x.shape, w.shape, stride, padding, dilation, groups)
    b = None if bias is None else args.bias(bias, shape[-3], x)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, w, b)

    y = result
    if x.ndim == 3:
        x, y = x[None], y[None]
    if not x.size:  # an empty batch, or no channels: a sum over nothing
        y[...] = 0 if b is None else b[:, None, None]
        return result
    if b is not None:
        b = args.contiguous(b)
    kernels.conv2d_forward(args.contiguous(x), args.contiguous(w), b, y, *geometry)
    return result


def conv2d_backward(
    grad_output, input, weight, stride=1, padding=0, dilation=1, groups=1, output_mask=(True, True, True)
):
    """The gradients of conv2d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, dilation, groups: as given to conv2d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out,). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as conv2d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
        >>> gx, gw, gb = conv2d_backward(np.ones((1, 2, 2, 2)), x, w)
        >>> gx.shape, gw.shape, gb
        ((1, 1, 4, 4), (2, 1, 3, 3), array([4., 4.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html (its derivative)
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv2d(x.shape, w.shape, stride, padding, dilation, groups)
    gy = args.gradient(grad_output, shape, x)
    want_input, want_weight, want_bias = args.mask(output_mask, "output_mask", 3)

    empty = not x.size
    gy4 = args.contiguous(gy if gy.ndim == 4 else gy[None])
    grad_input = grad_weight = grad_bias = None
    if want_input:
        grad_input = np.empty(x.shape, x.dtype)
        if not empty:
            gx4 = grad_input if x.ndim == 4 else grad_input[None]
            kernels.conv2d_backward_input(gy4, args.contiguous(w), gx4, *geometry)
    if want_weight:
        if empty:
            grad_weight = np.zeros(w.shape, w.dtype)
        else:
            grad_weight = np.empty(w.shape, w.dtype)
            x4 = args.contiguous(x if x.ndim == 4 else x[None])
            kernels.conv2d_backward_weight(gy4, x4, grad_weight, *geometry)
    if want_bias:
        if gy4.size:
            grad_bias = np.empty(shape[-3], x.dtype)
            kernels.conv2d_backward_bias(gy4, grad_bias)
        else:
            grad_bias = np.zeros(shape[-3], x.dtype)
    return grad_input, grad_weight, grad_bias
