"""Shapes of locally connected layers."""

from fastconv._arguments.arrays import floats
from fastconv._arguments.conv import conv1d, conv2d

_AXES = {1: "(C_out, C_in / groups, K, OL)", 2: "(C_out, C_in / groups, KH, KW, OH, OW)"}


def local(rank, sizes, weight_sizes, stride, padding, dilation, groups):
    """The output's shape (of the input's rank), and the numbers that the kernels take, as conv2d has them."""
    if len(weight_sizes) != 2 + 2 * rank:
        raise ValueError(f"weight must have {2 + 2 * rank} dimensions {_AXES[rank]}, got shape {weight_sizes}")
    shapes = conv1d if rank == 1 else conv2d
    result, geometry = shapes(sizes, weight_sizes[: 2 + rank], stride, padding, dilation, groups)
    if result[-rank:] != weight_sizes[-rank:]:
        raise ValueError(
            f"weight ends with {weight_sizes[-rank:]} (shape {weight_sizes}), expected {result[-rank:]}, the pixels of "
            f"the output for input of shape {sizes}"
        )
    return result, geometry


def local_bias(value, expected, like):
    """A bias of one value an output element, or None."""
    if value is None:
        return None
    array = floats(value, "bias", like)
    if array.shape != expected:
        raise ValueError(f"bias must have shape {expected}, one value an output element, got shape {array.shape}")
    return array
