"""Average pooling in one and three dimensions, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import pool as kernels


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
    if x.size:
        kernels.avg_pool1d_forward(args.contiguous(x), result, *geometry[:3], count_include_pad)
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
        kernels.avg_pool1d_backward(args.contiguous(gy), grad_input, *geometry[:3], count_include_pad)
    return grad_input
