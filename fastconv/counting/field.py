"""What an output sees of the image: its receptive field, and how far the fields of two neighbours are apart."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import singledispatch

from fastconv import nn


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a map, in pixels of the image.

    size: the map's outputs along it
    field: pixels that an output sees, those in the padding among them
    stride: from an output's first pixel to its neighbour's; a fraction behind a transposed convolution; None where all
        outputs see the same
    start: where the first output's field begins; negative in the padding
    image: the image's pixels along it
    """

    size: int
    field: int | Fraction
    stride: int | Fraction | None
    start: int | Fraction
    image: int

    def whole(self) -> "Axis":
        """The axis of an output that sees all outputs there are, without the padding."""
        stop = self.start + (self.size - 1) * (self.stride or 0) + self.field
        start = max(0, self.start)
        return Axis(1, min(self.image, stop) - start, None, start, self.image)

    def window(self, size: int, kernel: int, stride, padding: int, dilation: int = 1) -> "Axis":
        """The axis behind windows over this one."""
        step = self.stride or 0
        return Axis(
            size,
            self.field + dilation * (kernel - 1) * step,
            None if self.stride is None else step * stride,
            self.start - padding * step,
            self.image,
        )


Field = tuple[Axis, ...]


def of_image(shape: tuple[int, ...]) -> Field:
    """The image itself; axes behind the channels. A row of features has none."""
    return tuple(Axis(size, 1, 1, 0, size) for size in shape[1:])


@singledispatch
def through(layer, field: Field, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> Field | None:
    """The field behind a layer. By default each output sees the input at its own place, if the shape stays what it is;
    of layers that change it and have no rule, nothing is known (None)."""
    return field if input_shape == output_shape else None


@through.register(nn.Conv2d)
@through.register(nn.MaxPool2d)
def _windows(layer, field: Field, input_shape, output_shape) -> Field:
    before = _padding_before(layer)
    return tuple(
        axis.window(size, kernel, stride, pad, dilation)
        for axis, size, kernel, stride, pad, dilation in zip(
            field, output_shape[1:], layer.kernel_size, layer.stride, before, layer.dilation, strict=True
        )
    )


@through.register(nn.AvgPool2d)
def _means(layer, field: Field, input_shape, output_shape) -> Field:
    return tuple(
        axis.window(size, kernel, stride, pad)
        for axis, size, kernel, stride, pad in zip(
            field, output_shape[1:], layer.kernel_size, layer.stride, layer.padding, strict=True
        )
    )


@through.register(nn.Flatten)
def _flatten(layer, field: Field, input_shape, output_shape) -> Field:
    return field  # each feature still sees what it saw


@through.register(nn.Linear)
def _linear(layer, field: Field, input_shape, output_shape) -> Field:
    if len(output_shape) > 1 and len(output_shape) == len(field) + 1:  # along the last axis of a map only
        return (*field[:-1], replace(field[-1].whole(), size=output_shape[-1]))
    return tuple(axis.whole() for axis in field)


def joined(fields: list[Field | None]) -> Field | None:
    """Of branches that are added or stand one behind the other: what all of them see together."""
    if any(field is None or len(field) != len(fields[0]) for field in fields):
        return None
    result = []
    for axes in zip(*fields, strict=True):
        start = min(axis.start for axis in axes)
        stop = max(axis.start + axis.field for axis in axes)
        result.append(replace(axes[0], start=start, field=stop - start))
    return tuple(result)


def number(value):
    """Whole numbers as int, others as float."""
    return int(value) if value == int(value) else float(value)


def sizes(field: Field | None) -> tuple | None:
    """The receptive field, as numbers."""
    return tuple(number(axis.field) for axis in field) if field else None


def strides(field: Field | None) -> tuple | None:
    """The effective stride, as numbers; None where outputs have no places."""
    if not field or any(axis.stride is None for axis in field):
        return None
    return tuple(number(axis.stride) for axis in field)


def _padding_before(layer) -> tuple[int, ...]:
    padding = layer.padding
    if padding == "valid":
        return (0,) * len(layer.kernel_size)
    if padding == "same":
        return tuple(
            dilation * (kernel - 1) // 2 for kernel, dilation in zip(layer.kernel_size, layer.dilation, strict=True)
        )
    return padding
