"""Maximum pooling in one and three dimensions, forward and backward."""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import pool as kernels
from fastconv.kernels import unpool


def max_pool1d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *, out=None
):
    """The maximum of each window: torch.nn.functional.max_pool1d on arrays.

    Args:
        input: (N, C, L) or (C, L), float32 or float64. NaN counts as the largest value.
        kernel_size, stride, dilation: an integer of at least 1 or a tuple of one; stride=None means kernel_size.
        padding: an integer or a tuple of one, at most half of kernel_size; the padding never wins.
        ceil_mode: round the output's size up; the last window must still start inside the input or the padding
            before it.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, OL) or (C, OL); with return_indices the pair (maxima, indices), the indices int64.

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers, flags that are not booleans.
        ValueError: a window larger than the padded input, padding over half the kernel, no channels or elements.

    Example:
        >>> y, i = max_pool1d(np.array([[3.0, 1.0, 4.0, 1.0, 5.0]]), 2, return_indices=True)
        >>> y, i
        (array([[3., 4.]]), array([[0, 2]]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.pool1d(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return _forward(kernels.max_pool1d_forward, x, shape, geometry, return_indices, out)


def max_pool1d_backward(
    grad_output, indices, input_shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    """The gradient of max_pool1d with respect to its input: each gradient goes to where the maximum stood.

    Args:
        grad_output: the gradient of the maxima, of their shape.
        indices: as max_pool1d returned them (any integer dtype).
        input_shape: the shape of max_pool1d's input.
        kernel_size, stride, padding, dilation, ceil_mode: as given to max_pool1d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as max_pool1d, and for an index that lies outside of the signal.

    Example:
        >>> y, i = max_pool1d(np.array([[3.0, 1.0, 4.0, 1.0, 5.0]]), 2, return_indices=True)
        >>> max_pool1d_backward(np.ones_like(y), i, (1, 5), 2)
        array([[1., 0., 1., 0., 0.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (2, 3))
    shape, _ = args.pool1d(sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    return max_backward(gy, indices, sizes, 1)


def _forward(run, x, shape, geometry, return_indices, out):
    if return_indices is not False:
        return_indices = args.flag(return_indices, "return_indices")
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    indices = np.empty(shape, args.INT64) if return_indices else None
    if x.size:
        run(args.contiguous(x), result, indices, *geometry)
    return (result, indices) if return_indices else result


def max_backward(gy, indices, sizes, dims):
    """The gradient of maxima over any windows of the last `dims` axes, each to where its index points."""
    at = args.plane_indices(indices, gy.shape)
    if not gy.size:
        return np.zeros(sizes, gy.dtype)
    grad_input = np.empty(sizes, gy.dtype)
    if not unpool.max_backward(args.contiguous(gy), at, grad_input, prod(sizes[:-dims])):
        raise args.plane_indices_error(at, prod(sizes[-dims:]))
    return grad_input
