"""What layers check before their operators do: numbers of axes, channels, sides and sizes."""

from math import prod

from fastconv._arguments.numbers import INT64_MAX, axis, extents, integer, shape


def ranks(sizes, name, allowed):
    """Refuses another number of axes than the `allowed` ones."""
    if len(sizes) not in allowed:
        expected = " or ".join(map(str, allowed))
        raise ValueError(f"{name} must have {expected} dimensions, got shape {tuple(sizes)}")


def channels_of(sizes, place, expected, name, of):
    """Refuses another number of channels, at `place` of the shape, than the layer was made for."""
    if len(sizes) <= place:
        raise ValueError(f"{name} must have at least {place + 1} dimensions, got shape {tuple(sizes)}")
    if sizes[place] != expected:
        raise ValueError(
            f"{name} has {sizes[place]} channels (shape {tuple(sizes)}), expected {expected}, the layer's {of}"
        )


def pad_sides(value, rank):
    """A padding layer's sides: an integer for all, or (low, high) for each of `rank` axes, the last axis first."""
    if not isinstance(value, (tuple, list)):
        return (integer(value, "padding", -INT64_MAX),) * (2 * rank)
    if len(value) != 2 * rank:
        raise ValueError(f"padding must be an integer or a tuple of {2 * rank} integers, got padding={value!r}")
    return tuple(integer(number, f"padding[{place}]", -INT64_MAX) for place, number in enumerate(value))


def conv_sides(padding, kernel_size, dilation):
    """A convolution's padding as functional.pad takes it, for padding that is not zeros."""
    if padding == "valid":
        return (0,) * (2 * len(kernel_size))
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    else:
        pairs = [(p, p) for p in padding]
    return tuple(side for pair in reversed(pairs) for side in pair)


def transposed_padding(output_size, sizes, kernel_size, stride, padding, dilation):
    """The output_padding with which a transposed convolution of an input of `sizes` gives output_size: that of the
    pixels, or a whole shape."""
    rank = len(kernel_size)
    ranks(sizes, "input", (rank + 1, rank + 2))
    wanted = shape(output_size, "output_size", (rank, len(sizes)))[-rank:]
    least = [
        (size - 1) * s - 2 * p + d * (k - 1) + 1
        for size, s, p, d, k in zip(sizes[-rank:], stride, padding, dilation, kernel_size, strict=True)
    ]
    extra = tuple(size - low for size, low in zip(wanted, least, strict=True))
    for more, s in zip(extra, stride, strict=True):
        if not 0 <= more < s:
            most = tuple(low + step - 1 for low, step in zip(least, stride, strict=True))
            raise ValueError(
                f"output_size must lie between {tuple(least)} and {most} for input of shape {tuple(sizes)}, got "
                f"output_size={tuple(output_size)}"
            )
    return extra


def unflattened(sizes, dim, unflattened_size):
    """The shape with the axis `dim` made several; one entry may be -1, for what is left."""
    place = axis(dim, "dim", len(sizes), sizes)
    parts = list(shape(unflattened_size, "unflattened_size", None, -1))
    known = prod(part for part in parts if part != -1)
    if parts.count(-1) == 1 and known and sizes[place] % known == 0:
        parts[parts.index(-1)] = sizes[place] // known
    if not parts or -1 in parts or prod(parts) != sizes[place]:
        raise ValueError(
            f"unflattened_size must multiply to {sizes[place]}, axis {place} of shape {tuple(sizes)}, got "
            f"unflattened_size={tuple(unflattened_size)}"
        )
    return (*sizes[:place], *parts, *sizes[place + 1 :])


def adaptive_size(value, rank):
    """An adaptive pooling layer's output_size, as it was given: integers, or None for the input's size."""
    entries = value if isinstance(value, (tuple, list)) else (value,)
    if isinstance(value, (tuple, list)) and len(value) != rank:
        raise ValueError(f"output_size must be an integer or a tuple of {rank}, got output_size={value!r}")
    for entry in entries:
        if entry is not None or rank == 1:
            integer(entry, "output_size", 0)
    return tuple(value) if isinstance(value, list) else value


def window(value, name, low):
    """An option of unfold and fold, as it was given: an integer or a pair; torch takes no tuple of one here."""
    if isinstance(value, (tuple, list)) and len(value) != 2:
        raise ValueError(f"{name} must be an integer or a pair of integers, got {name}={value!r}")
    extents(value, name, 2, low)
    return tuple(value) if isinstance(value, list) else value
