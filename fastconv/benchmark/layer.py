"""One layer to measure: its sizes, the notation it is written in, and what it costs.

The notation is ``CxHxW->Cout KHxKW`` followed by letters with numbers, in any order: ``s`` stride, ``p`` padding,
``d`` dilation, ``g`` groups, ``b`` batch. Pooling starts with ``max`` or ``avg`` and has no ``->Cout``; a filter over
one image starts with ``correlate2d`` and keeps the image's size.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass

_PREFIXES = {"max": "max_pool2d", "avg": "avg_pool2d", "correlate2d": "correlate2d"}
_LETTERS = {"s": "stride", "p": "padding", "d": "dilation", "g": "groups", "b": "batch"}
NOTATION = "'64x56x56->128 3x3 s2 p1 d1 g1 b1', 'max 64x112x112 3x3 s2 p1' or 'correlate2d 1000x1000 7x7'"


@dataclass(frozen=True)
class Layer:
    """The sizes of a convolution ("conv2d"), pooling ("max_pool2d", "avg_pool2d") or image filter ("correlate2d")."""

    name: str
    op: str
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    batch: int = 1

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (self.batch, self.in_channels, self.height, self.width)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        pads = tuple(k // 2 for k in self.kernel) if self.op == "correlate2d" else (self.padding, self.padding)
        rows, columns = (
            (size + 2 * pad - self.dilation * (k - 1) - 1) // self.stride + 1
            for size, pad, k in zip((self.height, self.width), pads, self.kernel, strict=True)
        )
        return (self.batch, self.out_channels, rows, columns)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def is_pool(self) -> bool:
        return self.op.endswith("_pool2d")

    @property
    def macs(self) -> int:
        """Multiply-adds of a forward pass (for pooling: comparisons or additions), padding's taps included."""
        taps = self.kernel[0] * self.kernel[1] * (1 if self.is_pool else self.in_channels // self.groups)
        return math.prod(self.output_shape) * taps

    def describe(self) -> str:
        """The layer in the notation that `parse` reads; what is 1 (padding: 0) is left out."""
        shape = f"{self.in_channels}x{self.height}x{self.width}"
        if self.op == "conv2d":
            words = [f"{shape}->{self.out_channels}"]
        elif self.op == "correlate2d":
            words = ["correlate2d", f"{self.height}x{self.width}"]
        else:
            words = [self.op[:3], shape]
        words.append(f"{self.kernel[0]}x{self.kernel[1]}")
        for letter, field in _LETTERS.items():
            value = getattr(self, field)
            if value != (0 if field == "padding" else 1):
                words.append(f"{letter}{value}")
        return " ".join(words)

    def request(self) -> dict:
        """What a worker is told of the layer: plain numbers, lists and strings."""
        return {**asdict(self), "output_shape": self.output_shape, "weight_shape": self.weight_shape}


def parse(notation: str, name: str = "") -> Layer:
    """Read a layer from its notation; ValueError says what was expected.

    >>> parse("3x224x224->64 7x7 s2 p3").output_shape
    (1, 64, 112, 112)
    """
    words = notation.split()
    op = _PREFIXES.get(words[0], "conv2d") if words else ""
    if op != "conv2d":
        words = words[1:]
    shape = re.fullmatch(r"(?:(\d+)x)?(\d+)x(\d+)(?:->(\d+))?", words[0]) if words else None
    kernel = re.fullmatch(r"(\d+)x(\d+)", words[1]) if len(words) > 1 else None
    options = [re.fullmatch(r"([spdgb])(\d+)", word) for word in words[2:]]
    wrong = shape is None or kernel is None or None in options
    if wrong or bool(shape[4]) != (op == "conv2d") or bool(shape[1]) == (op == "correlate2d"):
        raise ValueError(f"layer {notation!r} cannot be read: expected the form {NOTATION}")
    channels, height, width = int(shape[1] or 1), int(shape[2]), int(shape[3])
    layer = Layer(
        name=name or notation,
        op=op,
        in_channels=channels,
        height=height,
        width=width,
        out_channels=int(shape[4] or channels),
        kernel=(int(kernel[1]), int(kernel[2])),
        **{_LETTERS[option[1]]: int(option[2]) for option in options},
    )
    sizes = (channels, height, width, layer.out_channels, *layer.kernel)
    if min(*sizes, layer.stride, layer.dilation, layer.groups, layer.batch) < 1:
        raise ValueError(f"layer {notation!r} has a size of 0: every number but the padding must be at least 1")
    if layer.in_channels % layer.groups or layer.out_channels % layer.groups:
        raise ValueError(f"layer {notation!r}: groups (={layer.groups}) must divide the channels")
    if min(layer.output_shape[2:]) < 1:
        raise ValueError(f"layer {notation!r} has no output: its kernel is larger than the padded input")
    if layer.is_pool and 2 * layer.padding > min(layer.kernel):
        raise ValueError(f"layer {notation!r}: padding (={layer.padding}) is more than half of the pooling kernel")
    return layer
