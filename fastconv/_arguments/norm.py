"""Arguments of the normalisations: channels and rows, their parameters, and running statistics."""

from math import prod

from fastconv._arguments.arrays import contiguous, floats
from fastconv._arguments.numbers import integer, number, shape
from fastconv._arguments.sizes import check_bytes


def channels(sizes, name="input"):
    """(N, C, L) of an array of (N, C, ...)."""
    if len(sizes) < 2:
        raise ValueError(f"{name} must have at least 2 dimensions (N, C, ...), got shape {sizes}")
    return sizes[0], sizes[1], prod(sizes[2:]) if len(sizes) > 2 else 1


def batch_statistics(sizes, training, eps):
    """What batch_norm wants of its input's shape and of eps."""
    value = number(eps, "eps")
    N, C, L = channels(sizes)
    if training:
        if N * L == 1:
            raise ValueError(f"input must hold more than 1 value per channel when training, got shape {sizes}")
        if value <= 0:
            raise ValueError(f"eps must be positive when training, got eps={eps}")
    elif value < 0:
        raise ValueError(f"eps must not be negative, got eps={eps}")
    return (N, C, L), value


def vector(value, name, length, like, what="channel"):
    """A contiguous array of one value a channel, or None."""
    if value is None:
        return None
    array = floats(value, name, like)
    if array.shape != (length,):
        raise ValueError(f"{name} must have shape {(length,)}, one value a {what}, got shape {array.shape}")
    return contiguous(array)


def running_statistics(running_mean, running_var, length, like, training):
    """The two arrays as given; in training they are written, so they must be arrays that can be, or both None."""
    if training and (running_mean is None) != (running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"running_mean and running_var must both be arrays or both None, got {missing}=None")
    arrays = []
    for value, name in ((running_mean, "running_mean"), (running_var, "running_var")):
        if value is None:
            if not training:
                raise ValueError(f"{name} must be an array when not training, got {name}=None")
            arrays.append(None)
            continue
        array = floats(value, name, like)
        if array.shape != (length,):
            raise ValueError(f"{name} must have shape {(length,)}, one value a channel, got shape {array.shape}")
        if training and not array.flags.writeable:
            raise ValueError(f"{name} is updated when training, but it is read-only (shape {array.shape})")
        arrays.append(array)
    return arrays


def statistics(mean, rstd, sizes):
    """Statistics that a forward returned: contiguous float64 arrays of these sizes, or both None."""
    if (mean is None) != (rstd is None):
        missing = "mean" if mean is None else "rstd"
        raise ValueError(f"mean and rstd must both be given, as the forward returned them, or neither: {missing}=None")
    arrays = []
    for value, name in ((mean, "mean"), (rstd, "rstd")):
        array = floats(value, name)
        if array.dtype.itemsize != 8:
            raise TypeError(f"{name} must be float64, as the forward returned it, got dtype {array.dtype}")
        if array.shape != sizes:
            raise ValueError(f"{name} has shape {array.shape}, expected {sizes}, that of the forward's statistics")
        arrays.append(contiguous(array))
    return arrays


def rows(sizes, normalized_shape):
    """The shape of the normalised dimensions, that of the others, and how many elements each of them has."""
    inner = shape(normalized_shape, "normalized_shape", None)
    if not inner:
        raise ValueError("normalized_shape must hold at least one dimension, got normalized_shape=()")
    if sizes[-len(inner) :] != inner or len(sizes) < len(inner):
        raise ValueError(f"normalized_shape={inner} must be the last dimensions of input, got shape {sizes}")
    outer = sizes[: len(sizes) - len(inner)]
    return inner, outer, prod(outer), prod(inner)


def elements(value, name, inner, like):
    """A contiguous array of one value an element of a row, or None."""
    if value is None:
        return None
    array = floats(value, name, like)
    if array.shape != inner:
        raise ValueError(f"{name} must have the shape of normalized_shape, {inner}, got shape {array.shape}")
    return contiguous(array)


def channel_groups(sizes, num_groups):
    """(N, C, L) and the number of groups."""
    N, C, L = channels(sizes)
    groups = integer(num_groups, "num_groups", 1)
    if C % groups:
        raise ValueError(
            f"num_groups must divide the number of channels, got num_groups={groups} for {C} channels (shape {sizes})"
        )
    if N * C // groups * L == 1:
        raise ValueError(f"input must hold more than 1 value per group, got shape {sizes} with num_groups={groups}")
    return (N, C, L), groups


def response(sizes, size, alpha, beta, k):
    """(N, C, L), the channels of a window and the three numbers of a local response normalisation."""
    if len(sizes) < 3:
        raise ValueError(f"input must have at least 3 dimensions (N, C, L, ...), got shape {sizes}")
    window = integer(size, "size", 1)
    check_bytes((window,), "size")
    return channels(sizes), window, number(alpha, "alpha"), number(beta, "beta"), number(k, "k")
