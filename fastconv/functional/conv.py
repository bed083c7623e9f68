"""Convolution (cross-correlation) in one, two and three dimensions, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import conv as kernels


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None):
    """Convolves signals with filters: torch.nn.functional.conv1d on arrays.

    Args:
        input: (N, C_in, L) or (C_in, L), float32 or float64.
        weight: (C_out, C_in / groups, K), of input's dtype.
        bias: (C_out,) or None.
        stride, dilation: an integer of at least 1, or a tuple of one.
        padding: an integer of at least 0 (zeros on both sides), a tuple of one, "valid" (none), or "same" (stride 1
            only: the output has the input's size; an odd element goes behind).
        groups: a divisor of C_in and C_out; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OL), or (C_out, OL) for a signal without a batch, with
        OL = (L + 2 * padding - dilation * (K - 1) - 1) // stride + 1. An empty batch gives the empty result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> x, w = np.ones((1, 1, 5), np.float32), np.ones((2, 1, 3), np.float32)
        >>> conv1d(x, w, padding=1)[0, 0]
        array([2., 3., 3., 3., 2.], dtype=float32)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv1d(x.shape, w.shape, stride, padding, dilation, groups)
    return forward(x, w, bias, out, shape, geometry, 3)


def conv1d_backward(
    grad_output, input, weight, stride=1, padding=0, dilation=1, groups=1, output_mask=(True, True, True)
):
    """The gradients of conv1d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, dilation, groups: as given to conv1d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out,). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as conv1d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 5)), np.ones((2, 1, 3))
        >>> gx, gw, gb = conv1d_backward(np.ones((1, 2, 3)), x, w)
        >>> gx[0, 0], gw.shape, gb
        (array([2., 4., 6., 4., 2.]), (2, 1, 3), array([3., 3.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv1d.html (its derivative)
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv1d(x.shape, w.shape, stride, padding, dilation, groups)
    return backward(grad_output, x, w, output_mask, shape, geometry, 3)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None):
    """Convolves images with filters: torch.nn.functional.conv2d on arrays.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W), float32 or float64.
        weight: (C_out, C_in / groups, KH, KW), of input's dtype.
        bias: (C_out,) or None.
        stride, dilation: an integer or a pair of at least 1.
        padding: an integer or a pair of at least 0 (zeros on both sides), "valid" (none), or "same" (stride 1 only: the
            output has the input's size; an odd pixel goes below and to the right). The zeros are multiplied like
            pixels: an infinite or NaN weight over them gives NaN, as in a sum over the padded image.
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
    return forward(x, w, bias, out, shape, geometry, 4)


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
        Where numbers are not finite: grad_weight is a sum over the padded image, as the output is, and grad_input one
        over the image alone.

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
    return backward(grad_output, x, w, output_mask, shape, geometry, 4)


def forward(x, w, bias, out, shape, geometry, ndim):
    """A convolution whose arguments are parsed; arrays with a batch have `ndim` dimensions."""
    b = None if bias is None else args.bias(bias, w.shape[0], x)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, w, b)

    y = result
    if x.ndim < ndim:
        x, y = x[None], y[None]
    if not x.size:  # an empty batch, or no channels: a sum over nothing
        y[...] = 0 if b is None else b.reshape(-1, *(1,) * (ndim - 2))
        return result
    if b is not None:
        b = args.contiguous(b)
    if args.repeats(x):  # one image is convolved, and copied
        kernels.conv2d_forward(args.contiguous(x[:1]), args.contiguous(w), b, y[:1], *geometry)
        y[1:] = y[:1]
    else:
        kernels.conv2d_forward(args.contiguous(x), args.contiguous(w), b, y, *geometry)
    return result


def backward(grad_output, x, w, output_mask, shape, geometry, ndim):
    """The gradients of a convolution whose arguments are parsed."""
    gy = args.gradient(grad_output, shape, x)
    want_input, want_weight, want_bias = args.mask(output_mask, "output_mask", 3)

    empty = not x.size
    batched = x.ndim == ndim
    gy = args.contiguous(gy if batched else gy[None])
    grad_input = grad_weight = grad_bias = None
    if want_input:
        grad_input = np.empty(x.shape, x.dtype)
        if not empty:
            kernels.conv2d_backward_input(
                gy, args.contiguous(w), grad_input if batched else grad_input[None], *geometry
            )
    if want_weight:
        if empty:
            grad_weight = np.zeros(w.shape, w.dtype)
        else:
            grad_weight = np.empty(w.shape, w.dtype)
            kernels.conv2d_backward_weight(gy, args.contiguous(x if batched else x[None]), grad_weight, *geometry)
    if want_bias:
        grad_bias = bias_gradient(gy)
    return grad_input, grad_weight, grad_bias


def bias_gradient(gy):
    """The sum over images and pixels of a contiguous (N, C_out, ...)."""
    if not gy.size:
        return np.zeros(gy.shape[1], gy.dtype)
    grad_bias = np.empty(gy.shape[1], gy.dtype)
    kernels.conv_backward_bias(gy, grad_bias)
    return grad_bias
