"""Pooling to a given size in one, two and three dimensions, forward and backward.

Output i of a size n along an axis of m elements sees the elements from floor(i * m / n) to ceil((i + 1) * m / n); such
windows may differ in size and share elements. n may be larger than m.
"""

import numpy as np

from fastconv import _arguments as args
from fastconv.functional._repeated import once
from fastconv.functional.max_pool import max_backward
from fastconv.kernels import adaptive_pool as kernels


def adaptive_max_pool1d(input, output_size, return_indices=False, *, out=None):
    """The maximum of each of output_size windows: torch.nn.functional.adaptive_max_pool1d on arrays.

    Args:
        input: (N, C, L) or (C, L), float32 or float64. NaN counts as the largest value.
        output_size: an integer of at least 0, or a tuple of one.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, output_size) or (C, output_size); with return_indices the pair (maxima, indices), the indices
        int64.

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers, a flag that is not a boolean.
        ValueError: no channels or elements, a negative output_size.

    Example:
        >>> adaptive_max_pool1d(np.array([[3.0, 1.0, 4.0, 1.0, 5.0]]), 2)
        array([[4., 5.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html
    """
    return _max_forward(input, output_size, return_indices, out, 1)


def adaptive_max_pool2d(input, output_size, return_indices=False, *, out=None):
    """The maximum of each of output_size windows: torch.nn.functional.adaptive_max_pool2d on arrays.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64. NaN counts as the largest value.
        output_size: an integer of at least 0, or a pair of them or None, which stands for the input's size.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, OH, OW) or (C, OH, OW); with return_indices the pair (maxima, indices), the indices int64 and
        flat in the plane: row * W + column.

    Raises:
        TypeError, ValueError: as adaptive_max_pool1d.

    Example:
        >>> adaptive_max_pool2d(np.arange(9.0).reshape(1, 3, 3), (1, 2))
        array([[[7., 8.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html
    """
    return _max_forward(input, output_size, return_indices, out, 2)


def adaptive_max_pool3d(input, output_size, return_indices=False, *, out=None):
    """The maximum of each of output_size windows: torch.nn.functional.adaptive_max_pool3d on arrays.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), float32 or float64. NaN counts as the largest value.
        output_size: an integer of at least 0, or three of them or None, which stands for the input's size.
        return_indices: also return where each maximum stands.
        out: a C-contiguous array for the maxima, which must not overlap the input.

    Returns:
        The maxima, (N, C, OD, OH, OW) or (C, OD, OH, OW); with return_indices the pair (maxima, indices), the indices
        int64 and flat in the volume: (plane * H + row) * W + column.

    Raises:
        TypeError, ValueError: as adaptive_max_pool1d.

    Example:
        >>> adaptive_max_pool3d(np.arange(27.0).reshape(1, 3, 3, 3), (2, 1, 1)).ravel()
        array([17., 26.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html
    """
    return _max_forward(input, output_size, return_indices, out, 3)


def adaptive_max_pool1d_backward(grad_output, indices, input_shape):
    """The gradient of adaptive_max_pool1d with respect to its input: each goes to where the maximum stood.

    Args:
        grad_output: the gradient of the maxima, of their shape.
        indices: as adaptive_max_pool1d returned them (any integer dtype).
        input_shape: the shape of adaptive_max_pool1d's input.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as adaptive_max_pool1d, and for shapes that do not fit together or an index outside of
            the input.

    Example:
        >>> y, i = adaptive_max_pool1d(np.array([[3.0, 1.0, 4.0, 1.0, 5.0]]), 2, True)
        >>> adaptive_max_pool1d_backward(np.ones_like(y), i, (1, 5))
        array([[0., 0., 1., 0., 1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html (its derivative)
    """
    return _max_backward(grad_output, indices, input_shape, 1)


def adaptive_max_pool2d_backward(grad_output, indices, input_shape):
    """The gradient of adaptive_max_pool2d with respect to its input: each goes to where the maximum stood.

    Args, Returns, Raises: as adaptive_max_pool1d_backward.

    Example:
        >>> y, i = adaptive_max_pool2d(np.arange(9.0).reshape(1, 3, 3), (1, 2), True)
        >>> adaptive_max_pool2d_backward(np.ones_like(y), i, (1, 3, 3))[0, 2]
        array([0., 1., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html (its derivative)
    """
    return _max_backward(grad_output, indices, input_shape, 2)


def adaptive_max_pool3d_backward(grad_output, indices, input_shape):
    """The gradient of adaptive_max_pool3d with respect to its input: each goes to where the maximum stood.

    Args, Returns, Raises: as adaptive_max_pool1d_backward.

    Example:
        >>> y, i = adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1, True)
        >>> adaptive_max_pool3d_backward(np.ones_like(y), i, (1, 2, 2, 2)).ravel()
        array([0., 0., 0., 0., 0., 0., 0., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html (its derivative)
    """
    return _max_backward(grad_output, indices, input_shape, 3)


def adaptive_avg_pool1d(input, output_size, *, out=None):
    """The mean of each of output_size windows: torch.nn.functional.adaptive_avg_pool1d on arrays.

    Args:
        input: (N, C, L) or (C, L), float32 or float64.
        output_size: an integer of at least 0, or a tuple of one.
        out: a C-contiguous array for the means, which must not overlap the input.

    Returns:
        The means, (N, C, output_size) or (C, output_size).

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers.
        ValueError: an input without elements, a negative output_size.

    Example:
        >>> adaptive_avg_pool1d(np.array([[3.0, 1.0, 5.0, 1.0, 6.0]]), 2)
        array([[3., 4.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html
    """
    return _mean_forward(input, output_size, out, 1)


def adaptive_avg_pool2d(input, output_size, *, out=None):
    """The mean of each of output_size windows: torch.nn.functional.adaptive_avg_pool2d on arrays.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        output_size: an integer of at least 0, or a pair of them or None, which stands for the input's size.
        out: a C-contiguous array for the means, which must not overlap the input.

    Returns:
        The means, (N, C, OH, OW) or (C, OH, OW).

    Raises:
        TypeError, ValueError: as adaptive_avg_pool1d.

    Example:
        >>> adaptive_avg_pool2d(np.arange(9.0).reshape(1, 3, 3), (1, 2))
        array([[[3.5, 4.5]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html
    """
    return _mean_forward(input, output_size, out, 2)


def adaptive_avg_pool3d(input, output_size, *, out=None):
    """The mean of each of output_size windows: torch.nn.functional.adaptive_avg_pool3d on arrays.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), float32 or float64.
        output_size: an integer of at least 0, or three of them or None, which stands for the input's size.
        out: a C-contiguous array for the means, which must not overlap the input.

    Returns:
        The means, (N, C, OD, OH, OW) or (C, OD, OH, OW).

    Raises:
        TypeError, ValueError: as adaptive_avg_pool1d, and ValueError for no channels behind a batch.

    Example:
        >>> adaptive_avg_pool3d(np.arange(27.0).reshape(1, 3, 3, 3), (2, 1, 1)).ravel()
        array([ 8.5, 17.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html
    """
    return _mean_forward(input, output_size, out, 3)


def adaptive_avg_pool1d_backward(grad_output, input_shape):
    """The gradient of adaptive_avg_pool1d with respect to its input.

    Args:
        grad_output: the gradient of the means, of their shape.
        input_shape: the shape of adaptive_avg_pool1d's input.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as adaptive_avg_pool1d, and for shapes that do not fit together.

    Example:
        >>> adaptive_avg_pool1d_backward(np.array([[3.0, 6.0]]), (1, 5))
        array([[1., 1., 3., 2., 2.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html (its derivative)
    """
    return _mean_backward(grad_output, input_shape, 1)


def adaptive_avg_pool2d_backward(grad_output, input_shape):
    """The gradient of adaptive_avg_pool2d with respect to its input.

    Args, Returns, Raises: as adaptive_avg_pool1d_backward.

    Example:
        >>> adaptive_avg_pool2d_backward(np.array([[[4.0, 8.0]]]), (1, 2, 3))
        array([[[1., 3., 2.],
                [1., 3., 2.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html (its derivative)
    """
    return _mean_backward(grad_output, input_shape, 2)


def adaptive_avg_pool3d_backward(grad_output, input_shape):
    """The gradient of adaptive_avg_pool3d with respect to its input.

    Args, Returns, Raises: as adaptive_avg_pool1d_backward.

    Example:
        >>> adaptive_avg_pool3d_backward(np.full((1, 1, 1, 1), 8.0), (1, 2, 2, 2)).ravel()
        array([1., 1., 1., 1., 1., 1., 1., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html (its derivative)
    """
    return _mean_backward(grad_output, input_shape, 3)


def _max_forward(input, output_size, return_indices, out, dims):
    x = args.floats(input, "input")
    shape = args.adaptive(x.shape, output_size, dims)
    if return_indices is not False:
        return_indices = args.flag(return_indices, "return_indices")
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    indices = np.empty(shape, args.INT64) if return_indices else None
    if args.repeats(x):
        once(kernels.adaptive_max_forward, x, (result, indices), dims)
    elif result.size:
        kernels.adaptive_max_forward(args.contiguous(x), result, indices, dims)
    return (result, indices) if return_indices else result


def _max_backward(grad_output, indices, input_shape, dims):
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (dims + 1, dims + 2))
    args.adaptive_gradient(sizes, gy.shape, dims)
    return max_backward(gy, indices, sizes, dims)


def _mean_forward(input, output_size, out, dims):
    x = args.floats(input, "input")
    shape = args.adaptive(x.shape, output_size, dims, no_channels=dims < 3)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    if args.repeats(x):
        once(kernels.adaptive_avg_forward, x, (result,), dims)
    elif result.size:
        kernels.adaptive_avg_forward(args.contiguous(x), result, dims)
    return result


def _mean_backward(grad_output, input_shape, dims):
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (dims + 1, dims + 2))
    args.adaptive_gradient(sizes, gy.shape, dims, no_channels=dims < 3)
    if not gy.size:
        return np.zeros(sizes, gy.dtype)
    grad_input = np.empty(sizes, gy.dtype)
    kernels.adaptive_avg_backward(args.contiguous(gy), grad_input, dims)
    return grad_input
