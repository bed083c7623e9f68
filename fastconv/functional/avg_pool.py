"""Average pooling in one, two and three dimensions, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.functional._repeated import once
from fastconv.kernels import pool as kernels
from fastconv.kernels import pool_gradient as gradients
from fastconv.kernels import pool_volume as volumes


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, *, out=None):
    """The mean of each window: torch.nn.functional.avg_pool1d on arrays.

    Args:
        input: (N, C, L) or (C, L), float32 or float64.
        kernel_size, stride: an integer of at least 1 or a tuple of one; stride=None means kernel_size.
        padding: an integer or a tuple of one, at most half of kernel_size.
        ceil_mode: round the output's size up; the last window must still start inside the input or the padding
            before it.
        count_include_pad: divide by the window with its padding, not by the elements alone.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        The means, (N, C, OL) or (C, OL).

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers, flags that are not booleans.
        ValueError: a window larger than the padded input, padding over half the kernel, no channels or elements.

    Example:
        >>> avg_pool1d(np.array([[3.0, 1.0, 4.0, 1.0, 5.0]]), 2)
        array([[2. , 2.5]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.pool1d(x.shape, kernel_size, stride, padding, 1, ceil_mode)
    count_include_pad = args.flag(count_include_pad, "count_include_pad")
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    if args.repeats(x):
        once(kernels.avg_pool1d_forward, x, (result,), *geometry[:3], count_include_pad)
    elif x.size:
        kernels.avg_pool1d_forward(args.contiguous(x), result, *geometry[:3], count_include_pad)
    return result


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
    if args.repeats(x):
        once(kernels.avg_pool2d_forward, x, (result,), *geometry[:6], count_include_pad, divisor)
    elif x.size:
        kernels.avg_pool2d_forward(args.contiguous(x), result, *geometry[:6], count_include_pad, divisor)
    return result


def avg_pool3d(
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
    """The mean of each window: torch.nn.functional.avg_pool3d on arrays.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), float32 or float64.
        kernel_size, stride: an integer or three of at least 1, for D, H and W; stride=None means kernel_size.
        padding: an integer or three, at most half of kernel_size.
        ceil_mode, count_include_pad, divisor_override, out: as avg_pool2d.

    Returns:
        The means, (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Raises:
        TypeError, ValueError: as avg_pool2d; a window must not be larger than the input without its padding.

    Example:
        >>> avg_pool3d(np.arange(16.0).reshape(1, 2, 2, 4), 2)
        array([[[[6.5, 8.5]]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.mean3d(x.shape, kernel_size, stride, padding, ceil_mode)
    count_include_pad = args.flag(count_include_pad, "count_include_pad")
    divisor = args.divisor(divisor_override)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    if args.repeats(x):
        once(volumes.avg_pool3d_forward, x, (result,), geometry, count_include_pad, divisor)
    elif x.size:
        volumes.avg_pool3d_forward(args.contiguous(x), result, geometry, count_include_pad, divisor)
    return result


def avg_pool1d_backward(
    grad_output, input_shape, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """The gradient of avg_pool1d with respect to its input.

    Args:
        grad_output: the gradient of the means, of their shape.
        input_shape: the shape of avg_pool1d's input.
        kernel_size, stride, padding, ceil_mode, count_include_pad: as given to avg_pool1d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as avg_pool1d, and where grad_output's shape is not the output's.

    Example:
        >>> avg_pool1d_backward(np.array([[2.0, 4.0]]), (1, 5), 2)
        array([[1., 1., 2., 2., 0.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (2, 3))
    shape, geometry = args.pool1d(sizes, kernel_size, stride, padding, 1, ceil_mode, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    count_include_pad = args.flag(count_include_pad, "count_include_pad")
    grad_input = np.empty(sizes, gy.dtype)
    if gy.size:
        gradients.avg_pool1d_backward(args.contiguous(gy), grad_input, *geometry[:3], count_include_pad)
    return grad_input


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
        gradients.avg_pool2d_backward(args.contiguous(gy), grad_input, *geometry[:6], count_include_pad, divisor)
    return grad_input


def avg_pool3d_backward(
    grad_output,
    input_shape,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The gradient of avg_pool3d with respect to its input.

    Args:
        grad_output: the gradient of the means, of their shape.
        input_shape: the shape of avg_pool3d's input.
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as given to avg_pool3d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as avg_pool3d, and where grad_output's shape is not the output's.

    Example:
        >>> avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 2, 2, 2), 2).ravel()
        array([0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (4, 5))
    shape, geometry = args.mean3d(sizes, kernel_size, stride, padding, ceil_mode, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    count_include_pad = args.flag(count_include_pad, "count_include_pad")
    divisor = args.divisor(divisor_override)
    grad_input = np.empty(sizes, gy.dtype)
    if gy.size:
        volumes.avg_pool3d_backward(args.contiguous(gy), grad_input, geometry, count_include_pad, divisor)
    return grad_input
