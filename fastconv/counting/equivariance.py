"""Does what moves in the image move in the output? Measured on an image, away from its borders."""

from dataclasses import dataclass
from math import floor

import numpy as np

from fastconv import _arguments as args
from fastconv import nn
from fastconv.counting.count import seen


@dataclass(frozen=True, slots=True)
class Equivariance:
    """How far the output of the shifted image is from the shifted output: largest differences, as parts of the largest
    output.

    error: away from the borders; 0, but for rounding, is equivariance
    border_error: the borders included, where a shift brings zeros in and takes pixels out
    change: from the output that was not shifted, away from the borders; 0 is invariance
    shift: of the image, in pixels: rows down, columns to the right
    output_shift: of the output: the shift over the effective stride, rounded where that is no whole number
    compared: the outputs that were compared away from the borders
    """

    error: float
    border_error: float
    change: float
    shift: tuple[int, int]
    output_shift: tuple[int, int]
    compared: int

    def __float__(self) -> float:
        return self.error


def equivariance(layer, image, shift, output_shape=None) -> Equivariance:
    """Shift an image, and compare what a layer makes of it with its shifted output.

    A convolution of stride 1 commutes with shifts: its error is 0 (to rounding). One of stride s does so for shifts
    that s divides, and so does pooling; locally connected and dense layers do not. Pooling is nearly invariant besides:
    its change is small.

    Args:
        layer: a layer or container; it is called in eval mode, on two images.
        image: (C, H, W), float32 or float64.
        shift: pixels (down, right), or an integer for both; negative numbers go up and left.
        output_shape: (C, H, W) as which to read the outputs of a dense layer, which is given the flattened image; None:
            the image's size, if the number of features allows that.

    Returns:
        An Equivariance.

    Raises:
        TypeError: arguments of another kind.
        ValueError: outputs that are no maps, or none away from the borders.

    Example:
        >>> import numpy as np
        >>> import fastconv as fc
        >>> image = np.random.default_rng(0).random((1, 16, 16))
        >>> conv = fc.nn.Conv2d(1, 4, 3, padding=1, dtype=np.float64, seed=0)
        >>> equivariance(conv, image, (2, -3)).error < 1e-15
        True

    Source: "Dive into Deep Learning", section 7.1.1 (translation invariance)
    """
    if not isinstance(layer, nn.Layer):
        raise TypeError(f"layer must be a layer of fastconv.nn, got {type(layer).__name__}")
    image = args.floats(image, "image")
    if image.ndim != 3:
        raise ValueError(f"image must have 3 dimensions (C, H, W), got shape {image.shape}")
    shift = _shift(shift)
    moved = _moved(image, shift)
    axes, maps = _outputs(layer, np.stack([image, moved]), output_shape)
    whole, shifted = maps
    steps = [stride for _, stride, _ in axes]
    by = tuple(floor(pixels / step + 0.5) for pixels, step in zip(shift, steps, strict=True))
    inside = [_inside(axis, pixels, step) for axis, pixels, step in zip(axes, shift, by, strict=True)]
    anywhere = [_partnered(size, step) for size, step in zip(whole.shape[1:], by, strict=True)]
    if not all(map(len, inside)):
        raise ValueError(
            f"no output of {layer} lies away from the borders: image has shape {image.shape}, shift={shift}, output "
            f"shape {whole.shape}"
        )
    scale = float(np.abs(whole).max()) or 1.0
    return Equivariance(
        error=_difference(shifted, whole, inside, by) / scale,
        border_error=_difference(shifted, whole, anywhere, by) / scale,
        change=_difference(shifted, whole, inside, (0, 0)) / scale,
        shift=shift,
        output_shift=by,
        compared=whole.shape[0] * len(inside[0]) * len(inside[1]),
    )


def _shift(shift) -> tuple[int, int]:
    entries = shift if isinstance(shift, (tuple, list)) else (shift, shift)
    if len(entries) != 2:
        raise ValueError(f"shift must be an integer or a pair of integers, got shift={shift!r}")
    return tuple(args.integer(entry, "shift") for entry in entries)


def _moved(image, shift):
    """The image moved down and to the right; zeros come in."""
    result = np.zeros_like(image)
    H, W = image.shape[1:]
    down, right = shift
    if abs(down) < H and abs(right) < W:
        to = np.s_[:, max(down, 0) : H + min(down, 0), max(right, 0) : W + min(right, 0)]
        of = np.s_[:, max(-down, 0) : H + min(-down, 0), max(-right, 0) : W + min(-right, 0)]
        result[to] = image[of]
    return result


def _outputs(layer, images, output_shape):
    """((axis, stride, outputs) of rows and columns, the two maps); axis None: every output sees everything."""
    shape = images.shape[1:]
    was_training = layer.training
    layer.eval()
    try:
        if isinstance(layer, nn.Linear):
            made = layer(images.reshape(2, -1))
            wanted = _wanted(made.shape[1], shape, output_shape)
            return _everywhere(shape, wanted), made.reshape(2, *wanted)
        made = layer(images)
    finally:
        layer.train(was_training)
    if made.ndim != 4:
        raise ValueError(f"layer must give maps (C, H, W) of an image, got shape {made.shape[1:]} of {layer}")
    _, field = seen(layer, shape)
    if field is None or any(axis.stride is None for axis in field):
        return _everywhere(shape, made.shape[1:]), made
    return [(axis, float(axis.stride), axis.size) for axis in field], made


def _everywhere(shape, output_shape):
    """The axes of outputs that all see everything: they have no border."""
    return [(None, size / out, out) for size, out in zip(shape[1:], output_shape[1:], strict=True)]


def _wanted(features, shape, output_shape):
    if output_shape is None:
        pixels = shape[1] * shape[2]
        if features % pixels:
            raise ValueError(
                f"output_shape must say as which maps {features} outputs are to be read: images have {pixels} pixels"
            )
        return features // pixels, *shape[1:]
    wanted = args.shape(tuple(output_shape), "output_shape", (3,), 1)
    if wanted[0] * wanted[1] * wanted[2] != features:
        raise ValueError(f"output_shape (={wanted}) must have as many entries as there are outputs, {features}")
    return wanted


def _inside(axis, pixels, step):
    """The outputs of the shifted image that lie on nothing but its pixels, and so do their partners."""
    field, stride, size = axis
    places = _partnered(size, step)
    if field is None:
        return places
    # where the windows begin: on the shifted image, on what was there before, and the partner's
    starts = (field.start + at * stride for at in (places, places - pixels / stride, places - step))
    on_image = [(start >= 0) & (start + field.field <= field.image) for start in starts]
    return places[np.logical_and.reduce(on_image)]


def _partnered(size, step):
    """The places whose partner, `step` before them, is a place too."""
    return np.arange(max(step, 0), size + min(step, 0))


def _difference(shifted, whole, places, by):
    rows, columns = places
    if not (len(rows) and len(columns)):
        return 0.0
    here = shifted[:, rows[:, None], columns]
    there = whole[:, rows[:, None] - by[0], columns - by[1]]
    return float(np.abs(here - there).max())
