"""Normalisation within each image: of whole rows and of groups of channels, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import group_norm as group_kernels
from fastconv.kernels import row_norm as kernels


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, *, out=None, return_statistics=False):
    """(input - mean) / sqrt(variance + eps) * weight + bias over the last dimensions: torch.nn.functional.layer_norm.

    Args:
        input: float32 or float64, at least as many dimensions as normalized_shape.
        normalized_shape: a tuple or list, the sizes of input's last dimensions, over which mean and variance are taken.
        weight, bias: of normalized_shape, or None.
        eps: what is added to the variance.
        out: a C-contiguous array for the result, which must not overlap another argument.
        return_statistics: also return the mean and 1 / sqrt(variance + eps) of each row, for the backward.

    Returns:
        An array of input's shape and dtype; with return_statistics (output, mean, rstd), the latter two float64 and of
        the shape of input's other dimensions.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, a normalized_shape that is no tuple of integers.
        ValueError: shapes that do not fit together.

    Example:
        >>> layer_norm(np.array([[1.0, 3.0]]), (2,), eps=0.0)
        array([[-1.,  1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
    """
    x = args.floats(input, "input")
    inner, outer, rows, length = args.rows(x.shape, normalized_shape)
    w, b = args.elements(weight, "weight", inner, x), args.elements(bias, "bias", inner, x)
    eps = args.number(eps, "eps")
    if return_statistics is not False:
        return_statistics = args.flag(return_statistics, "return_statistics")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x, w, b)
    mean, rstd = np.empty((2, rows))
    if x.size:
        kernels.row_norm_forward(args.contiguous(x).reshape(rows, length), w, b, 1, eps, result, mean, rstd)
    elif return_statistics:
        mean[...] = rstd[...] = np.nan
    return (result, mean.reshape(outer), rstd.reshape(outer)) if return_statistics else result


def layer_norm_backward(
    grad_output,
    input,
    normalized_shape,
    weight=None,
    eps=1e-5,
    output_mask=(True, True, True),
    *,
    mean=None,
    rstd=None,
):
    """The gradients of layer_norm with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, normalized_shape, weight, eps: as given to layer_norm.
        output_mask: three booleans; a False puts None in its place and saves the work.
        mean, rstd: as layer_norm returned them with return_statistics. Without them they are computed again, with the
            same result.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, normalized_shape and normalized_shape, whether or
        not there was a weight. Without rows the gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as layer_norm, and where grad_output's shape is not the output's.

    Example:
        >>> gx, gw, gb = layer_norm_backward(np.array([[2.0, 1.0]]), np.array([[1.0, 3.0]]), (2,), eps=0.0)
        >>> gw, gb
        (array([-2.,  1.]), array([2., 1.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html (its derivative)
    """
    x = args.floats(input, "input")
    inner, outer, rows, length = args.rows(x.shape, normalized_shape)
    gy = args.gradient(grad_output, x.shape, x)
    w, eps = args.elements(weight, "weight", inner, x), args.number(eps, "eps")
    wants = args.mask(output_mask, "output_mask", 3)
    if mean is not None or rstd is not None:
        mean, rstd = args.statistics(mean, rstd, outer)
    shapes = (x.shape, inner, inner)
    grads = [np.empty(sizes, x.dtype) if want else None for want, sizes in zip(wants, shapes, strict=True)]
    if not x.size:
        return tuple(None if grad is None else np.zeros_like(grad) for grad in grads)
    _rows_backward(gy, x, (rows, length), w, 1, eps, mean, rstd, grads)
    return tuple(grads)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, *, out=None, return_statistics=False):
    """(input - mean) / sqrt(variance + eps) of groups of channels, times weight plus bias of each channel:
    torch.nn.functional.group_norm on arrays.

    Args:
        input: (N, C, ...), float32 or float64.
        num_groups: a divisor of C. Mean and variance are taken over the C / num_groups channels of a group and all
            their pixels, for each image by itself.
        weight, bias: (C,) or None.
        eps: what is added to the variance.
        out: a C-contiguous array for the result, which must not overlap another argument.
        return_statistics: also return the mean and 1 / sqrt(variance + eps) of each group, for the backward.

    Returns:
        An array of input's shape and dtype; with return_statistics (output, mean, rstd), the latter two float64
        (N, num_groups).

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, a num_groups that is no integer.
        ValueError: shapes that do not fit together, a num_groups that does not divide C, a single value in all.

    Example:
        >>> group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
        array([[-1.,  1., -1.,  1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html
    """
    x = args.floats(input, "input")
    (N, C, L), groups = args.channel_groups(x.shape, num_groups)
    w, b = args.vector(weight, "weight", C, x), args.vector(bias, "bias", C, x)
    eps = args.number(eps, "eps")
    if return_statistics is not False:
        return_statistics = args.flag(return_statistics, "return_statistics")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x, w, b)
    mean, rstd = np.empty((2, N * groups))
    if not x.size:
        mean[...] = rstd[...] = np.nan
    elif L == 1 or (w is None and b is None):  # a row's elements each have a weight of their own, or none has
        rows = args.contiguous(x).reshape(N * groups, C // groups * L)
        kernels.row_norm_forward(rows, w, b, groups, eps, result, mean, rstd)
    else:
        group_kernels.group_norm_forward(args.contiguous(x).reshape(N, C, L), w, b, groups, eps, result, mean, rstd)
    return (result, mean.reshape(N, groups), rstd.reshape(N, groups)) if return_statistics else result


def group_norm_backward(
    grad_output, input, num_groups, weight=None, eps=1e-5, output_mask=(True, True, True), *, mean=None, rstd=None
):
    """The gradients of group_norm with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, num_groups, weight, eps: as given to group_norm.
        output_mask: three booleans; a False puts None in its place and saves the work.
        mean, rstd: as group_norm returned them with return_statistics. Without them they are computed again, with the
            same result.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, (C,) and (C,), whether or not there was a weight.
        With an empty batch the gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as group_norm, and where grad_output's shape is not the output's.

    Example:
        >>> gx, gw, gb = group_norm_backward(np.array([[2.0, 1.0]]), np.array([[1.0, 3.0]]), 1, eps=0.0)
        >>> gw, gb
        (array([-2.,  1.]), array([2., 1.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html (its derivative)
    """
    x = args.floats(input, "input")
    (N, C, L), groups = args.channel_groups(x.shape, num_groups)
    gy = args.gradient(grad_output, x.shape, x)
    w, eps = args.vector(weight, "weight", C, x), args.number(eps, "eps")
    wants = args.mask(output_mask, "output_mask", 3)
    if mean is not None or rstd is not None:
        mean, rstd = args.statistics(mean, rstd, (N, groups))
    grads = [np.empty(sizes, x.dtype) if want else None for want, sizes in zip(wants, (x.shape, C, C), strict=True)]
    if not x.size:
        return tuple(None if grad is None else np.zeros_like(grad) for grad in grads)
    if L == 1:
        _rows_backward(gy, x, (N * groups, C // groups), w, groups, eps, mean, rstd, grads)
        return tuple(grads)
    x3 = args.contiguous(x).reshape(N, C, L)
    if mean is None:
        mean, rstd = _row_statistics(x3.reshape(N * groups, C // groups * L), eps)
    group_kernels.group_norm_backward(args.contiguous(gy), x3, w, groups, mean, rstd, *grads)
    return tuple(grads)


def _row_statistics(rows, eps):
    mean, rstd = np.empty((2, len(rows)))
    kernels.row_norm_forward(rows, None, None, 1, eps, None, mean, rstd)
    return mean, rstd


def _rows_backward(gy, x, sizes, weight, groups, eps, mean, rstd, grads):
    x2 = args.contiguous(x).reshape(sizes)
    if mean is None:
        mean, rstd = _row_statistics(x2, eps)
    kernels.row_norm_backward(args.contiguous(gy), x2, weight, groups, mean, rstd, *grads)
