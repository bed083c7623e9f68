"""Transposed convolution, forward and backward.

It is the gradient of a convolution with respect to its input, with the weight as that convolution has it: the same
kernels compute both. So the gradient of its own input is that convolution of the gradient of its output, and the
gradient of the weight is the convolution's with input and gradient exchanged.
"""

import numpy as np

from fastconv import _arguments as args
from fastconv.functional.conv import bias_gradient
from fastconv.kernels import conv as kernels


def conv_transpose1d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *, out=None
):
    """Spreads signals with filters: torch.nn.functional.conv_transpose1d on arrays.

    Args:
        input: (N, C_in, L) or (C_in, L), float32 or float64.
        weight: (C_in, C_out / groups, K), of input's dtype.
        bias: (C_out,) or None.
        stride, dilation: an integer of at least 1, or a tuple of one.
        padding: an integer of at least 0, or a tuple of one: so many elements are left out at both ends of the output.
        output_padding: an integer smaller than stride or dilation, or a tuple of one: elements added behind.
        groups: a divisor of C_in; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OL), or (C_out, OL) for a signal without a batch, with
        OL = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1. An empty batch gives the empty
        result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 2, 3), np.float32)
        >>> conv_transpose1d(x, w, stride=2)[0, 0]
        array([1., 1., 2., 1., 2., 1., 1.], dtype=float32)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv_transpose1d(x.shape, w.shape, stride, padding, output_padding, groups, dilation)
    return _forward(x, w, bias, out, shape, geometry, 3)


def conv_transpose1d_backward(
    grad_output,
    input,
    weight,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    output_mask=(True, True, True),
):
    """The gradients of conv_transpose1d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, output_padding, groups, dilation: as given to conv_transpose1d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out,). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as conv_transpose1d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 3)), np.ones((1, 2, 3))
        >>> gx, gw, gb = conv_transpose1d_backward(np.ones((1, 2, 7)), x, w, stride=2)
        >>> gx[0, 0], gw.shape, gb
        (array([6., 6., 6.]), (1, 2, 3), array([7., 7.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose1d.html (its derivative)
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv_transpose1d(x.shape, w.shape, stride, padding, output_padding, groups, dilation)
    return _backward(grad_output, x, w, output_mask, shape, geometry, 3)


def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *, out=None
):
    """Spreads images with filters: torch.nn.functional.conv_transpose2d on arrays.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W), float32 or float64.
        weight: (C_in, C_out / groups, KH, KW), of input's dtype.
        bias: (C_out,) or None.
        stride, dilation: an integer or a pair of at least 1.
        padding: an integer or a pair of at least 0: so many pixels are left out at all edges of the output.
        output_padding: an integer or a pair, each smaller than stride or dilation: pixels added below and to the right.
        groups: a divisor of C_in; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OH, OW), or (C_out, OH, OW) for an image without a batch, with
        OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + output_padding + 1. An empty batch gives the empty
        result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 2, 3, 3), np.float32)
        >>> conv_transpose2d(x, w, stride=2, padding=1, output_padding=1).shape
        (1, 2, 8, 8)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv_transpose2d(x.shape, w.shape, stride, padding, output_padding, groups, dilation)
    return _forward(x, w, bias, out, shape, geometry, 4)


def conv_transpose2d_backward(
    grad_output,
    input,
    weight,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    output_mask=(True, True, True),
):
    """The gradients of conv_transpose2d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, output_padding, groups, dilation: as given to conv_transpose2d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out,). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as conv_transpose2d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 4, 4)), np.ones((1, 2, 3, 3))
        >>> gx, gw, gb = conv_transpose2d_backward(np.ones((1, 2, 6, 6)), x, w)
        >>> gx.shape, gw.shape, gb
        ((1, 1, 4, 4), (1, 2, 3, 3), array([36., 36.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html (its derivative)
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.conv_transpose2d(x.shape, w.shape, stride, padding, output_padding, groups, dilation)
    return _backward(grad_output, x, w, output_mask, shape, geometry, 4)


def _forward(x, w, bias, out, shape, geometry, ndim):
    """A transposed convolution whose arguments are parsed; arrays with a batch have `ndim` dimensions."""
    b = None if bias is None else args.bias(bias, shape[1 - ndim], x)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, w, b)
    if x.size:
        y = result
        if x.ndim < ndim:
            x, y = x[None], y[None]
        if b is not None:
            b = args.contiguous(b)
        if args.repeats(x):  # one image is spread, and copied
            kernels.conv2d_backward_input(args.contiguous(x[:1]), args.contiguous(w), y[:1], *geometry, bias=b)
            y[1:] = y[:1]
        else:
            kernels.conv2d_backward_input(args.contiguous(x), args.contiguous(w), y, *geometry, bias=b)
    return result


def _backward(grad_output, x, w, output_mask, shape, geometry, ndim):
    """The gradients of a transposed convolution whose arguments are parsed."""
    gy = args.gradient(grad_output, shape, x)
    want_input, want_weight, want_bias = args.mask(output_mask, "output_mask", 3)

    empty = not x.size
    batched = x.ndim == ndim
    gy = args.contiguous(gy if batched else gy[None])
    grad_input = grad_weight = grad_bias = None
    if want_input:
        grad_input = np.empty(x.shape, x.dtype)
        if not empty:
            kernels.conv2d_forward(gy, args.contiguous(w), None, grad_input if batched else grad_input[None], *geometry)
    if want_weight:
        if empty:
            grad_weight = np.zeros(w.shape, w.dtype)
        else:
            grad_weight = np.empty(w.shape, w.dtype)
            kernels.conv2d_backward_weight(args.contiguous(x if batched else x[None]), gy, grad_weight, *geometry)
    if want_bias:
        grad_bias = bias_gradient(gy)
    return grad_input, grad_weight, grad_bias
