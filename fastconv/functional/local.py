"""Locally connected layers: convolutions whose weights are not shared between pixels. Forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import local as kernels


def locally_connected1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None):
    """A convolution of lines whose every output pixel has weights of its own.

    The arguments are conv1d's; the weight ends with one axis more, the output's pixels, and the bias has them too.

    Args:
        input: (N, C_in, L) or (C_in, L), float32 or float64.
        weight: (C_out, C_in / groups, K, OL), of input's dtype.
        bias: (C_out, OL) or None.
        stride, dilation: an integer of at least 1.
        padding: an integer of at least 0 (zeros on both sides), "valid" (none), or "same" (stride 1 only: the output
            has the input's size; an odd pixel goes behind).
        groups: a divisor of C_in and C_out; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OL), or (C_out, OL) for a line without a batch. An empty batch gives the empty result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> locally_connected1d(np.ones((1, 1, 6)), np.ones((2, 1, 3, 4))).shape
        (1, 2, 4)

    Source: "Dive into Deep Learning", section 7.1 (a convolution before its weights are shared)
    """
    return _forward(1, input, weight, bias, stride, padding, dilation, groups, out)


def locally_connected2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, out=None):
    """A convolution of images whose every output pixel has weights of its own.

    The arguments are conv2d's; the weight ends with two axes more, the output's pixels, and the bias has them too. In
    that order a weight is read once for a batch, as it lies in memory.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W), float32 or float64.
        weight: (C_out, C_in / groups, KH, KW, OH, OW), of input's dtype: weight[..., i, j] holds the filters of output
            pixel (i, j), as conv2d's weight does those of all.
        bias: (C_out, OH, OW) or None.
        stride, dilation: an integer or a pair of at least 1.
        padding: an integer or a pair of at least 0 (zeros on both sides), "valid" (none), or "same" (stride 1 only: the
            output has the input's size; an odd pixel goes below and to the right).
        groups: a divisor of C_in and C_out; each group of input channels feeds its own group of output channels.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C_out, OH, OW), or (C_out, OH, OW) for an image without a batch. An empty batch gives the empty result.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, sizes that are not integers.
        ValueError: shapes or sizes that do not fit together; the message names the argument, its value and the shape.

    Example:
        >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
        >>> untied = np.repeat(np.repeat(w[..., None, None], 2, axis=-2), 2, axis=-1)
        >>> np.array_equal(locally_connected2d(x, untied), conv2d(x, w))
        True

    Source: "Dive into Deep Learning", section 7.1 (a convolution before its weights are shared)
    """
    return _forward(2, input, weight, bias, stride, padding, dilation, groups, out)


def locally_connected1d_backward(
    grad_output, input, weight, stride=1, padding=0, dilation=1, groups=1, output_mask=(True, True, True)
):
    """The gradients of locally_connected1d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, dilation, groups: as given to locally_connected1d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out, OL). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as locally_connected1d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 6)), np.ones((2, 1, 3, 4))
        >>> gx, gw, gb = locally_connected1d_backward(np.ones((1, 2, 4)), x, w)
        >>> gx, gw.shape, gb.shape
        (array([[[2., 4., 6., 6., 4., 2.]]]), (2, 1, 3, 4), (2, 4))

    Source: "Dive into Deep Learning", section 7.1 (the derivative of what it describes)
    """
    return _backward(1, grad_output, input, weight, stride, padding, dilation, groups, output_mask)


def locally_connected2d_backward(
    grad_output, input, weight, stride=1, padding=0, dilation=1, groups=1, output_mask=(True, True, True)
):
    """The gradients of locally_connected2d with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight, stride, padding, dilation, groups: as given to locally_connected2d.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (C_out, OH, OW). With an empty batch the
        gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as locally_connected2d, and where grad_output's shape is not the output's.

    Example:
        >>> x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3, 2, 2))
        >>> gx, gw, gb = locally_connected2d_backward(np.ones((1, 2, 2, 2)), x, w)
        >>> gx[0, 0, 1], gw.shape, gb.shape
        (array([4., 8., 8., 4.]), (2, 1, 3, 3, 2, 2), (2, 2, 2))

    Source: "Dive into Deep Learning", section 7.1 (the derivative of what it describes)
    """
    return _backward(2, grad_output, input, weight, stride, padding, dilation, groups, output_mask)


def _as_batch(rank, array):
    """One image or line as a batch."""
    return array if array.ndim == rank + 2 else array[None]


def _forward(rank, input, weight, bias, stride, padding, dilation, groups, out):
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.local(rank, x.shape, w.shape, stride, padding, dilation, groups)
    b = args.local_bias(bias, shape[-1 - rank :], x)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, w, b)
    if not x.size:  # an empty batch, or no channels: a sum over nothing
        result[...] = 0 if b is None else b
        return result
    if b is not None:
        b = args.contiguous(b)
    batch, y, w = _as_batch(rank, x), _as_batch(rank, result), args.contiguous(w)
    if args.repeats(batch):  # one image is computed, and copied
        kernels.local_forward(args.contiguous(batch[:1]), w, b, y[:1], *geometry)
        y[1:] = y[:1]
    else:
        kernels.local_forward(args.contiguous(batch), w, b, y, *geometry)
    return result


def _backward(rank, grad_output, input, weight, stride, padding, dilation, groups, output_mask):
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, geometry = args.local(rank, x.shape, w.shape, stride, padding, dilation, groups)
    gy = args.gradient(grad_output, shape, x)
    want_input, want_weight, want_bias = args.mask(output_mask, "output_mask", 3)

    empty = not x.size
    gradient = _as_batch(rank, args.contiguous(gy))
    grad_input = grad_weight = grad_bias = None
    if want_input:
        grad_input = np.empty(x.shape, x.dtype)
        if not empty:
            kernels.local_backward_input(gradient, args.contiguous(w), _as_batch(rank, grad_input), *geometry)
    if want_weight:
        if empty:
            grad_weight = np.zeros(w.shape, w.dtype)
        else:
            grad_weight = np.empty(w.shape, w.dtype)
            batch = _as_batch(rank, args.contiguous(x))
            kernels.local_backward_weight(gradient, batch, grad_weight, *geometry)
    if want_bias:
        bias_shape = shape[-1 - rank :]
        if gradient.size:
            grad_bias = np.empty(bias_shape, x.dtype)
            kernels.local_backward_bias(gradient, grad_bias)
        else:
            grad_bias = np.zeros(bias_shape, x.dtype)
    return grad_input, grad_weight, grad_bias
