"""What undoes maximum pooling as far as that goes, in one, two and three dimensions, forward and backward."""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import unpool as kernels


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None, *, out=None):
    """Puts maxima back where they stood, among zeros: torch.nn.functional.max_unpool1d on arrays.

    Args:
        input: (N, C, L) or (C, L), float32 or float64: what max_pool1d returned, or anything of its shape.
        indices: int64, of input's shape. Where several are alike the last value stays.
        kernel_size, stride, padding: as given to max_pool1d, integers or tuples of one; stride=None means kernel_size.
        output_size: the size wanted, (OL,) or (N, C, OL), less than a stride from (L - 1) * stride + kernel_size -
            2 * padding, which None stands for.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C, OL) or (C, OL).

    Raises:
        TypeError: arrays other than float32 or float64, indices other than int64, sizes that are not integers.
        ValueError: shapes that do not fit together, an output_size that cannot be, an index that lies outside of the
            output.

    Example:
        >>> max_unpool1d(np.array([[3.0, 4.0]]), np.array([[0, 2]]), 2, output_size=(5,))
        array([[3., 0., 4., 0., 0.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool1d.html
    """
    return _forward(input, indices, kernel_size, stride, padding, output_size, out, 1)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None, *, out=None):
    """Puts maxima back where they stood, among zeros: torch.nn.functional.max_unpool2d on arrays.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64: what max_pool2d returned, or anything of its shape.
        indices: int64, of input's shape, flat in the output's plane. Where several are alike the last value stays.
        kernel_size, stride, padding: as given to max_pool2d, integers or pairs; stride=None means kernel_size.
        output_size: the size wanted, (OH, OW) or (N, C, OH, OW), less than a stride from what the other options make of
            it, (H - 1) * stride + kernel_size - 2 * padding, which None stands for.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C, OH, OW) or (C, OH, OW).

    Raises:
        TypeError, ValueError: as max_unpool1d.

    Example:
        >>> max_unpool2d(np.array([[[5.0]]]), np.array([[[3]]]), 2)
        array([[[0., 0.],
                [0., 5.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html
    """
    return _forward(input, indices, kernel_size, stride, padding, output_size, out, 2)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None, *, out=None):
    """Puts maxima back where they stood, among zeros: torch.nn.functional.max_unpool3d on arrays.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), float32 or float64: what max_pool3d returned, or anything of its shape.
        indices: int64, of input's shape, flat in the output's volume. Where several are alike the last value stays.
        kernel_size, stride, padding: as given to max_pool3d, integers or three of them; stride=None means kernel_size.
        output_size: the size wanted, (OD, OH, OW) or (N, C, OD, OH, OW), less than a stride from what the other options
            make of it, which None stands for.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Raises:
        TypeError, ValueError: as max_unpool1d.

    Example:
        >>> max_unpool3d(np.array([[[[5.0]]]]), np.array([[[[3]]]]), (1, 2, 2))
        array([[[[0., 0.],
                 [0., 5.]]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool3d.html
    """
    return _forward(input, indices, kernel_size, stride, padding, output_size, out, 3)


def max_unpool1d_backward(grad_output, indices, input_shape, kernel_size, stride=None, padding=0, output_size=None):
    """The gradient of max_unpool1d with respect to its input: what lies where each index points.

    Args:
        grad_output: the gradient of the output, of its shape.
        indices: as given to max_unpool1d (any integer dtype).
        input_shape: the shape of max_unpool1d's input.
        kernel_size, stride, padding, output_size: as given to max_unpool1d.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as max_unpool1d, and where grad_output's shape is not the output's.

    Example:
        >>> max_unpool1d_backward(np.arange(4.0)[None], np.array([[0, 2]]), (1, 2), 2)
        array([[0., 2.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool1d.html (its derivative)
    """
    return _backward(grad_output, indices, input_shape, kernel_size, stride, padding, output_size, 1)


def max_unpool2d_backward(grad_output, indices, input_shape, kernel_size, stride=None, padding=0, output_size=None):
    """The gradient of max_unpool2d with respect to its input: what lies where each index points.

    Args, Returns, Raises: as max_unpool1d_backward.

    Example:
        >>> max_unpool2d_backward(np.arange(4.0).reshape(1, 2, 2), np.array([[[3]]]), (1, 1, 1), 2)
        array([[[3.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html (its derivative)
    """
    return _backward(grad_output, indices, input_shape, kernel_size, stride, padding, output_size, 2)


def max_unpool3d_backward(grad_output, indices, input_shape, kernel_size, stride=None, padding=0, output_size=None):
    """The gradient of max_unpool3d with respect to its input: what lies where each index points.

    Args, Returns, Raises: as max_unpool1d_backward.

    Example:
        >>> max_unpool3d_backward(np.arange(8.0).reshape(1, 2, 2, 2), np.array([[[[6]]]]), (1, 1, 1, 1), 2)
        array([[[[6.]]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool3d.html (its derivative)
    """
    return _backward(grad_output, indices, input_shape, kernel_size, stride, padding, output_size, 3)


def _forward(input, indices, kernel_size, stride, padding, output_size, out, dims):
    x = args.floats(input, "input")
    shape = args.unpool(x.shape, kernel_size, stride, padding, output_size, dims)
    at = args.unpool_indices(indices, x.shape)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, at)
    # Where the output holds nothing there is nothing to put, wherever an index points.
    if result.size and not kernels.max_unpool_forward(args.contiguous(x), at, result, prod(shape[:-dims])):
        raise args.plane_indices_error(at, prod(shape[-dims:]))
    return result


def _backward(grad_output, indices, input_shape, kernel_size, stride, padding, output_size, dims):
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (dims + 1, dims + 2))
    shape = args.unpool(sizes, kernel_size, stride, padding, output_size, dims, "input_shape")
    args.same_shape(gy, "grad_output", shape, "the forward's output")
    at = args.plane_indices(indices, sizes, "the forward's input")
    if not gy.size:
        return np.zeros(sizes, gy.dtype)
    grad_input = np.empty(sizes, gy.dtype)
    if not kernels.max_unpool_backward(args.contiguous(gy), at, grad_input, prod(sizes[:-dims])):
        raise args.plane_indices_error(at, prod(shape[-dims:]))
    return grad_input
