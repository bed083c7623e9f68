"""Maximum and average pooling over two dimensions, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import pool as kernels


def max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *, out=None
):
    """The maximum of each window: torch.nn.functional.max_pool2d on arrays.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64. NaN counts as the largest value.
        kernel_size, stride, dilation: an integer or a pair of at least 1; stride=None means kernel_size.
        padding: an integer or a pair, at most half of kernel_size; the padding never wins.
        ceil_mode: round the output's size up; the last window must still start inside the input or the padding
            before it.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, OH, OW) or (C, OH, OW); with return_indices the pair (maxima, indices), the indices int64 and
        flat in the plane: row * W + column.

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers, flags that are not booleans.
        ValueError: a window larger than the padded input, padding over half the kernel, no channels or pixels.

    Example:
        >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
        >>> y, i = max_pool2d(x, 2, return_indices=True)
        >>> i.ravel()
        array([ 5,  7, 13, 15])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.pool2d(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices is not False:
        return_indices = args.flag(return_indices, "return_indices")
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    indices = np.empty(shape, args.INT64) if return_indices else None
    if x.size:
        if x.ndim == 4:
            kernels.max_pool2d_forward(args.contiguous(x), result, indices, *geometry)
        else:
            at = None if indices is None else indices[None]
            kernels.max_pool2d_forward(args.contiguous(x[None]), result[None], at, *geometry)
    return (result, indices) if return_indices else result


def max_pool2d_backward(
    grad_output, indices, input_shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    """The gradient of max_pool2d with respect to its input: each gradient goes to where the maximum stood.

    Args:
        grad_output: the gradient of the maxima, of their shape.
        indices: as max_pool2d returned them (any integer dtype).
        input_shape: the shape of max_pool2d's input.
        kernel_size, stride, padding, dilation, ceil_mode: as given to max_pool2d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as max_pool2d, and for an index that lies outside the plane.

    Example:
        >>> x = np.arange(16.0).reshape(1, 4, 4)
        >>> y, i = max_pool2d(x, 2, return_indices=True)
        >>> max_pool2d_backward(np.ones_like(y), i, x.shape, 2).sum()
        np.float64(4.0)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (3, 4))
    shape, geometry = args.pool2d(sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape")
    if gy.shape != shape:
        args.same_shape(gy, "grad_output", shape, "the forward's output")
    at = args.plane_indices(indices, shape)
    grad_input = np.empty(sizes, gy.dtype)
    if gy.size:
        gy, places, gx = (gy, at, grad_input) if gy.ndim == 4 else (gy[None], at[None], grad_input[None])
        # The kernel reads every index anyway, and follows none that leaves the plane.
        if not kernels.max_pool2d_backward(args.contiguous(gy), places, gx, *geometry):
            raise args.plane_indices_error(at, sizes[-2] * sizes[-1])
    return grad_input


def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    *,
    out=None,
):
    """The mean of each window: torch.nn.functional.avg_pool2d on arrays.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, stride: an integer or a pair of at least 1; stride=None means kernel_size.
        padding: an integer or a pair, at most half of kernel_size.
        ceil_mode: round the output's size up; the last window must still start inside the input or the padding
            before it.
        count_include_pad: divide by the window with its padding, not by the pixels alone.
        divisor_override: an integer other than zero to divide by instead.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        The means, (N, C, OH, OW) or (C, OH, OW).

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers, flags that are not booleans.
        ValueError: a window larger than the padded input, padding over half the kernel, no channels or pixels, a
            divisor_override of zero.

    Example:
        >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
        array([[[ 2.5,  4.5],
                [10.5, 12.5]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.pool2d(x.shape, kernel_size, stride, padding, 1, ceil_mode)
    if count_include_pad is not True:
        count_include_pad = args.flag(count_include_pad, "count_include_pad")
    divisor = 0 if divisor_override is None else args.divisor(divisor_override)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    if x.size:
        x, y = (x, result) if x.ndim == 4 else (x[None], result[None])
        kernels.avg_pool2d_forward(args.contiguous(x), y, *geometry[:6], count_include_pad, divisor)
    return result


def avg_pool2d_backward(
    grad_output,
    input_shape,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The gradient of avg_pool2d with respect to its input.

    Args:
        grad_output: the gradient of the means, of their shape.
        input_shape: the shape of avg_pool2d's input.
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as given to avg_pool2d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as avg_pool2d, and where grad_output's shape is not the output's.

    Example:
        >>> avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2), 2)
        array([[[0.25, 0.25],
                [0.25, 0.25]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (3, 4))
    shape, geometry = args.pool2d(sizes, kernel_size, stride, padding, 1, ceil_mode, "input_shape")
    if gy.shape != shape:
        args.same_shape(gy, "grad_output", shape, "the forward's output")
    if count_include_pad is not True:
        count_include_pad = args.flag(count_include_pad, "count_include_pad")
    divisor = 0 if divisor_override is None else args.divisor(divisor_override)
    grad_input = np.empty(sizes, gy.dtype)
    if gy.size:
        gy, gx = (gy, grad_input) if gy.ndim == 4 else (gy[None], grad_input[None])
        kernels.avg_pool2d_backward(args.contiguous(gy), gx, *geometry[:6], count_include_pad, divisor)
    return grad_input
