"""Maximum pooling in one, two and three dimensions, forward and backward."""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.functional._repeated import once
from fastconv.kernels import pool as kernels
from fastconv.kernels import pool_gradient as gradients
from fastconv.kernels import pool_volume as volumes
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
    if args.repeats(x):
        once(kernels.max_pool2d_forward, x, (result, indices), *geometry)
    elif x.size:
        kernels.max_pool2d_forward(args.contiguous(x), result, indices, *geometry)
    return (result, indices) if return_indices else result


def max_pool3d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *, out=None
):
    """The maximum of each window: torch.nn.functional.max_pool3d on arrays.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), float32 or float64. NaN counts as the largest value.
        kernel_size, stride, dilation: an integer or three of at least 1, for D, H and W; stride=None means kernel_size.
        padding: an integer or three, at most half of kernel_size; the padding never wins.
        ceil_mode: round the output's size up; the last window must still start inside the input or the padding
            before it.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, OD, OH, OW) or (C, OD, OH, OW); with return_indices the pair (maxima, indices), the indices
        int64 and flat in the volume: (plane * H + row) * W + column.

    Raises:
        TypeError, ValueError: as max_pool2d.

    Example:
        >>> y, i = max_pool3d(np.arange(16.0).reshape(1, 2, 2, 4), 2, return_indices=True)
        >>> y, i
        (array([[[[13., 15.]]]]), array([[[[13, 15]]]]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html
    """
    x = args.floats(input, "input")
    shape, geometry = args.pool3d(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return _forward(volumes.max_pool3d_forward, x, shape, (geometry,), return_indices, out)


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
    shape, geometry = args.pool1d(sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    at = args.plane_indices(indices, shape)
    grad_input = np.empty(sizes, gy.dtype)
    if gy.size and not gradients.max_pool1d_backward(args.contiguous(gy), at, grad_input, *geometry):
        raise args.plane_indices_error(at, sizes[-1])
    return grad_input


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
    # The kernel reads every index anyway, and follows none that leaves the plane.
    if gy.size and not gradients.max_pool2d_backward(args.contiguous(gy), at, grad_input, *geometry):
        raise args.plane_indices_error(at, sizes[-2] * sizes[-1])
    return grad_input


def max_pool3d_backward(
    grad_output, indices, input_shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    """The gradient of max_pool3d with respect to its input: each gradient goes to where the maximum stood.

    Args:
        grad_output: the gradient of the maxima, of their shape.
        indices: as max_pool3d returned them (any integer dtype).
        input_shape: the shape of max_pool3d's input.
        kernel_size, stride, padding, dilation, ceil_mode: as given to max_pool3d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as max_pool3d, and for an index that lies outside of the volume.

    Example:
        >>> y, i = max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2, return_indices=True)
        >>> max_pool3d_backward(np.ones_like(y), i, (1, 2, 2, 2), 2).ravel()
        array([0., 0., 0., 0., 0., 0., 0., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (4, 5))
    shape, _ = args.pool3d(sizes, kernel_size, stride, padding, dilation, ceil_mode, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    return max_backward(gy, indices, sizes, 3)


def _forward(run, x, shape, geometry, return_indices, out):
    if return_indices is not False:
        return_indices = args.flag(return_indices, "return_indices")
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    indices = np.empty(shape, args.INT64) if return_indices else None
    if args.repeats(x):
        once(run, x, (result, indices), *geometry)
    elif x.size:
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
