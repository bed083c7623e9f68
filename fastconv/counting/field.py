"""What an output sees of the image: its receptive field, and how far the fields of two neighbours are apart."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import singledispatch
from math import gcd

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


def _windows(layer, field: Field, input_shape, output_shape) -> Field:
    before = _padding_before(layer)
    dilation = getattr(layer, "dilation", (1,) * len(field))  # means have none
    return tuple(
        axis.window(size, *window)
        for axis, size, *window in zip(
            field, output_shape[1:], layer.kernel_size, layer.stride, before, dilation, strict=True
        )
    )


def _transposed(layer, field: Field, input_shape, output_shape) -> Field:
    # An output o is reached from the inputs i with o = i * stride - padding + tap * dilation: of neighbours not always
    # by as many; here stands the most.
    result = []
    for axis, size, kernel, stride, pad, dilation in zip(
        field, output_shape[1:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True
    ):
        step = axis.stride or 0
        every = stride // gcd(stride, dilation)  # taps that reach the same outputs
        inputs = (kernel - 1) // every * every * dilation // stride
        start = axis.start - (dilation * (kernel - 1) - pad) // stride * step
        apart = None if axis.stride is None else Fraction(step) / stride
        result.append(Axis(size, axis.field + inputs * step, apart, start, axis.image))
    return tuple(result)


def _adaptive(layer, field: Field, input_shape, output_shape) -> Field:
    result = []
    for axis, given, made in zip(field, input_shape[1:], output_shape[1:], strict=True):
        widest = max(-(-(i + 1) * given // made) - i * given // made for i in range(min(made, _MOST_WINDOWS)))
        result.append(axis.window(made, widest, Fraction(given, made), 0))
    return tuple(result)


def _padded(layer, field: Field, input_shape, output_shape) -> Field:
    before = layer.padding[::2][::-1]  # pairs, the last axis first
    return tuple(axis.window(size, 1, 1, pad) for axis, size, pad in zip(field, output_shape[1:], before, strict=True))


def _normalised(layer, field: Field, input_shape, output_shape) -> Field:
    return tuple(replace(axis.whole(), size=axis.size) for axis in field)  # statistics of the whole image


_MOST_WINDOWS = 1000  # of an adaptive pooling that are looked at for the widest

for _rule, _kinds in {
    _windows: (
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.LocallyConnected1d, nn.LocallyConnected2d),
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    ),
    _transposed: (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    _adaptive: (
        *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    ),
    _padded: (
        *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
        *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
        *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
        *(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    ),
    _normalised: (nn.GroupNorm, nn.LayerNorm),
}.items():
    for _kind in _kinds:
        through.register(_kind, _rule)


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
