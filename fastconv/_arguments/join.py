"""Shapes of what is put together."""

from fastconv._arguments.numbers import axis, integer
from fastconv._arguments.sizes import check_bytes


def cat(shapes, dim, name="tensors"):
    """The axis, counted from the front, and the shape of the arrays of `shapes` joined along it."""
    first = shapes[0]
    if not first:
        raise ValueError(f"{name}[0] must have at least one dimension, got shape ()")
    place = axis(dim, "dim", len(first), first)
    total = 0
    for position, shape in enumerate(shapes):
        if len(shape) != len(first) or shape[:place] != first[:place] or shape[place + 1 :] != first[place + 1 :]:
            raise ValueError(
                f"{name}[{position}] has shape {shape}, expected that of {name}[0], {first}, in all axes but {place}"
            )
        total += shape[place]
    whole = (*first[:place], total, *first[place + 1 :])
    check_bytes(whole, "the output")
    return place, whole


def cat_sizes(sizes, shape, dim):
    """The axis, counted from the front, and the parts' lengths along it, which must add up."""
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"sizes must be a tuple of integers, got sizes={sizes!r}")
    lengths = [integer(size, f"sizes[{position}]", 0) for position, size in enumerate(sizes)]
    place = axis(dim, "dim", len(shape), shape)
    if not shape or sum(lengths) != shape[place]:
        raise ValueError(
            f"sizes must add up to the length of axis {place} of grad_output (shape {shape}), got sizes={tuple(sizes)}"
        )
    return place, lengths
