"""Sums and joins of whole arrays: where the branches of a network meet."""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import join as kernels


def add(input, other, *, out=None):
    """input + other, elementwise, for arrays of one shape: torch.add without broadcasting.

    Args:
        input, other: float32 or float64, of the same shape and dtype.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes.
        ValueError: shapes that differ, or an `out` that does not fit.

    Example:
        >>> add(np.ones(2), np.array([1.0, 2.0]))
        array([2., 3.])

    Source: https://pytorch.org/docs/stable/generated/torch.add.html
    """
    x = args.floats(input, "input")
    y = args.floats(other, "other", x)
    args.same_shape(y, "other", x.shape, "input")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x, y)
    if x.size:
        kernels.add(args.contiguous(x), args.contiguous(y), result)
    return result


def cat(tensors, dim=0, *, out=None):
    """Arrays one behind the other along an axis: torch.cat.

    Args:
        tensors: a tuple or list of at least one array, float32 or float64 and all alike, whose shapes differ along dim
            at most.
        dim: the axis.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        A new array.

    Raises:
        TypeError: no tuple or list, arrays other than float32 or float64, mixed dtypes, a dim that is no integer.
        ValueError: no arrays, shapes that do not fit together, a dim that they do not have, an `out` that does not fit.

    Example:
        >>> cat([np.zeros((1, 2)), np.ones((1, 3))], 1)
        array([[0., 0., 1., 1., 1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.cat.html
    """
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"tensors must be a tuple or list of arrays, got {args.type_name(tensors)}")
    if not tensors:
        raise ValueError("tensors must hold at least one array, got none")
    parts = [args.floats(tensors[0], "tensors[0]")]
    for position, tensor in enumerate(tensors[1:], 1):
        parts.append(args.floats(tensor, f"tensors[{position}]", parts[0], "tensors[0]"))
    axis, shape = args.cat([part.shape for part in parts], dim)
    result = np.empty(shape, parts[0].dtype) if out is None else args.output(out, shape, parts[0].dtype, *parts)
    at, rows = 0, prod(shape[:axis])
    for part in parts:
        if part.size:
            kernels.copy_columns(args.contiguous(part), 0, result, at, rows)
        at += prod(part.shape[axis:])
    return result


def cat_backward(grad_output, sizes, dim=0):
    """The gradients of cat with respect to each of its arrays: grad_output, cut up again.

    Args:
        grad_output: float32 or float64, of the output's shape.
        sizes: the lengths of the arrays along dim, in order.
        dim: as given to cat.

    Returns:
        A tuple of new arrays.

    Raises:
        TypeError: an array other than float32 or float64, sizes that are not integers.
        ValueError: sizes that do not add up to grad_output's length along dim, a dim that it does not have.

    Example:
        >>> cat_backward(np.array([[1.0, 2.0, 3.0]]), (1, 2), 1)
        (array([[1.]]), array([[2., 3.]]))

    Source: https://pytorch.org/docs/stable/generated/torch.cat.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    axis, lengths = args.cat_sizes(sizes, gy.shape, dim)
    whole = args.contiguous(gy)
    at, rows, parts = 0, prod(gy.shape[:axis]), []
    for length in lengths:
        part = np.empty((*gy.shape[:axis], length, *gy.shape[axis + 1 :]), gy.dtype)
        if part.size:
            kernels.copy_columns(whole, at, part, 0, rows)
        at += prod(part.shape[axis:])
        parts.append(part)
    return tuple(parts)
