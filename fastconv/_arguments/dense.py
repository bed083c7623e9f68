"""Shapes of the dense layer, and of the flattening before it."""

from math import prod

import numpy as np

from fastconv._arguments.arrays import bias, floats
from fastconv._arguments.numbers import axis
from fastconv._arguments.sizes import check_bytes


def linear(sizes, weight_sizes):
    """The output's shape, and (M, N, K) of the product behind it. A 1-D weight is one output without its axis."""
    if not 1 <= len(weight_sizes) <= 2:
        raise ValueError(f"weight must have 2 dimensions (out_features, in_features) or 1, got shape {weight_sizes}")
    if not sizes:
        raise ValueError("input must have at least 1 dimension (..., in_features), got shape ()")
    if sizes[-1] != weight_sizes[-1]:
        raise ValueError(
            f"input has {sizes[-1]} features (shape {sizes}), expected {weight_sizes[-1]}, the last dimension of "
            f"weight (shape {weight_sizes})"
        )
    M = sizes[0] if len(sizes) == 2 else prod(sizes[:-1])
    result = (*sizes[:-1], *weight_sizes[:-1])
    if M > 0x7FFF or weight_sizes[0] > 0x7FFF:
        check_bytes(result, "the output")
    return result, (M, weight_sizes[0] if len(weight_sizes) == 2 else 1, weight_sizes[-1])


def linear_bias(value, weight_sizes, like):
    """A bias of one value an output feature; one value alone, () or (1,), is that of all of them."""
    if len(weight_sizes) == 2:
        array = floats(value, "bias", like)
        if array.shape in ((), (1,)) and weight_sizes[0] != 1:
            return np.full(weight_sizes[0], array.reshape(()))
        return bias(array if array.ndim else array.reshape(1), weight_sizes[0], like)
    array = floats(value, "bias", like)
    if array.shape:
        raise ValueError(f"bias must have shape () where weight has 1 dimension, got shape {array.shape}")
    return array.reshape(1)


def flatten(sizes, start_dim, end_dim):
    """The shape with the axes start_dim to end_dim made one."""
    start = axis(start_dim, "start_dim", len(sizes), sizes)
    end = axis(end_dim, "end_dim", len(sizes), sizes)
    if start > end:
        raise ValueError(
            f"start_dim must not come after end_dim, got start_dim={start_dim}, end_dim={end_dim} for shape {sizes}"
        )
    return (*sizes[:start], prod(sizes[start : end + 1]), *sizes[end + 1 :])


def flatten_without_batch(sizes, start_dim, end_dim):
    """The same for a shape without its batch, which stays as it is."""
    whole = (1, *sizes)
    if axis(start_dim, "start_dim", len(whole), whole) == 0 and axis(end_dim, "end_dim", len(whole), whole) != 0:
        raise ValueError(f"start_dim must come after the batch, axis 0, got start_dim={start_dim} for shape {whole}")
    return flatten(whole, start_dim, end_dim)[1:]
