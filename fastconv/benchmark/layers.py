"""The named layers of real networks that every figure about speed speaks of: one list, one place."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from .layer import Layer, parse
from .operators import Call

_NAMED = {
    # convolutions
    "lenet-conv1-b1": "1x28x28->6 5x5 p2",
    "lenet-conv2-b1": "6x14x14->16 5x5",
    "lenet-conv1-b256": "1x28x28->6 5x5 p2 b256",
    "lenet-conv2-b256": "6x14x14->16 5x5 b256",
    "alexnet-11x11s4": "3x224x224->96 11x11 s4 p1",
    "alexnet-5x5@26": "96x26x26->256 5x5 p2",
    "alexnet-3x3@12": "256x12x12->384 3x3 p1",
    "vgg-64@224": "64x224x224->64 3x3 p1",
    "vgg-128@112": "128x112x112->128 3x3 p1",
    "vgg-256@56": "256x56x56->256 3x3 p1",
    "vgg-512@28": "512x28x28->512 3x3 p1",
    "vgg-512@14": "512x14x14->512 3x3 p1",
    "resnet-7x7s2": "3x224x224->64 7x7 s2 p3",
    "resnet-64@56": "64x56x56->64 3x3 p1",
    "resnet-64@56-b16": "64x56x56->64 3x3 p1 b16",
    "resnet-128@28": "128x28x28->128 3x3 p1",
    "resnet-256@14": "256x14x14->256 3x3 p1",
    "resnet-512@7": "512x7x7->512 3x3 p1",
    "resnet-1x1-256-64@56": "256x56x56->64 1x1",
    "resnet-1x1-64-256@56": "64x56x56->256 1x1",
    "resnet-1x1-1024-256@14": "1024x14x14->256 1x1",
    "resnet-1x1s2-256-512@56": "256x56x56->512 1x1 s2",
    "mobilenet-dw-32@112": "32x112x112->32 3x3 p1 g32",
    "mobilenet-dw-512@14": "512x14x14->512 3x3 p1 g512",
    "mobilenet-dw-64@112s2": "64x112x112->64 3x3 s2 p1 g64",
    "resnext-128@56-g32": "128x56x56->128 3x3 p1 g32",
    "tdnn-512-k5": "40x1x500->512 1x5",
    # pooling, each maximum and average
    "max-64@112-3x3s2": "max 64x112x112 3x3 s2 p1",
    "avg-64@112-3x3s2": "avg 64x112x112 3x3 s2 p1",
    "max-64@56-2x2-b32": "max 64x56x56 2x2 s2 b32",
    "avg-64@56-2x2-b32": "avg 64x56x56 2x2 s2 b32",
    "max-lenet-b256": "max 6x28x28 2x2 s2 b256",
    "avg-lenet-b256": "avg 6x28x28 2x2 s2 b256",
    "max-lenet-b1": "max 6x28x28 2x2 s2",
    "avg-lenet-b1": "avg 6x28x28 2x2 s2",
    "max-192@28-3x3-b8": "max 192x28x28 3x3 p1 b8",
    "avg-192@28-3x3-b8": "avg 192x28x28 3x3 p1 b8",
    # one image, one filter
    "image-1000-3x3": "correlate2d 1000x1000 3x3",
    "image-1000-7x7": "correlate2d 1000x1000 7x7",
    "image-1000-15x15": "correlate2d 1000x1000 15x15",
}

LAYERS: tuple[Layer, ...] = tuple(parse(notation, name) for name, notation in _NAMED.items())


def select(globs: str = "*", among: Iterable[Layer | Call] | None = None) -> list[Layer | Call]:
    """The named layers (or those `among`) that one of the comma-separated shell patterns matches; ValueError if one
    matches none.

    >>> [layer.name for layer in select("vgg-512*,resnet-7x7s2")]
    ['vgg-512@28', 'vgg-512@14', 'resnet-7x7s2']
    """
    patterns = [pattern.strip() for pattern in globs.split(",")]
    among = LAYERS if among is None else tuple(among)
    for pattern in patterns:
        if not any(fnmatchcase(layer.name, pattern) for layer in among):
            raise ValueError(f"layers: nothing is named {pattern!r}; names are like {LAYERS[0].name!r}, {'vgg-*'!r}")
    return [layer for layer in among if any(fnmatchcase(layer.name, pattern) for pattern in patterns)]
