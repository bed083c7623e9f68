"""Arguments of pad: sides, modes and the value."""

from fastconv._arguments.numbers import INT64_MAX, integer, number, type_name
from fastconv._arguments.sizes import check_bytes

# As the kernels number them.
_MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}


def pad(sizes, sides, mode, value, name="input"):
    """The padded shape, the sides as a tuple of ints (the last dimension first), the mode's number, and the filler."""
    pads = _sides(sides)
    kind = _MODES.get(mode) if isinstance(mode, str) else None
    if kind is None:
        known = ", ".join(map(repr, _MODES))
        raise (ValueError if isinstance(mode, str) else TypeError)(f"mode must be one of {known}, got mode={mode!r}")
    filler = 0.0 if value is None else number(value, "value")
    if kind and filler != 0:
        raise ValueError(f"value must be None with mode={mode!r}, as nothing is filled in, got value={value}")
    padded = len(pads) // 2
    if kind == 0:
        if padded > len(sizes):
            raise ValueError(f"pad={pads} names {padded} dimensions, but {name} has {len(sizes)} (shape {sizes})")
    elif not (1 <= padded <= 3 and padded + 1 <= len(sizes) <= padded + 2):
        raise ValueError(
            f"pad={pads} with mode={mode!r} must hold 2, 4 or 6 numbers for the last 1, 2 or 3 dimensions of {name} "
            f"behind one for the channels and perhaps one for the batch, got shape {sizes}"
        )
    elif kind != 3 and 0 in sizes[len(sizes) - padded - 1 :]:
        raise ValueError(f"{name} must have at least one channel and one pixel with mode={mode!r}, got shape {sizes}")
    result = list(sizes)
    for place in range(padded):
        axis = len(sizes) - 1 - place
        result[axis] = _padded(sizes, axis, pads[2 * place], pads[2 * place + 1], mode, name)
    check_bytes(result, "the output")
    return tuple(result), pads, kind, filler


def _sides(value):
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"pad must be a tuple of integers, got pad={value!r} ({type_name(value)})")
    if len(value) % 2:
        raise ValueError(f"pad must hold two numbers a dimension, got pad={value}")
    return tuple([integer(each, "pad", -INT64_MAX) for each in value])


def _padded(sizes, axis, low, high, mode, name):
    """The padded size of one dimension."""
    size = sizes[axis]
    result = size + low + high
    left = size + min(low, 0) + min(high, 0)  # what cropping leaves
    said = f"(low, high)=({low}, {high}) of pad at dimension {axis} of {name} (shape {sizes})"
    if mode == "constant":
        if left < 0:
            raise ValueError(f"{said} crops more than the {size} elements that there are")
    elif mode == "circular":
        if result < 0 or left < 0:
            raise ValueError(f"{said} crops more than the {size} elements that there are")
        if low > left or high > left:
            raise ValueError(f"{said} goes around more than once: mode='circular' repeats at most {left} a side")
    else:
        if mode == "reflect" and (low >= size or high >= size):
            raise ValueError(f"{said} must be less than {size} on each side: mode='reflect' does not repeat the border")
        if result < 1:
            raise ValueError(f"{said} leaves {result} elements, expected at least 1")
    return result
