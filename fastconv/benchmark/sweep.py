"""Random layers that a network might hold: the same ones for the same seed, on every machine."""

from __future__ import annotations

import math
from random import Random

from .layer import Layer, parse
from .modes import work

LEAST_FLOPS, MOST_FLOPS = 1_000_000, 4_000_000_000
MOST_BYTES = 256 << 20
_KERNELS = (1, 1, 1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7, 9, 11)
_STRIDES = (1, 1, 1, 1, 1, 2, 2, 3, 4)


def sample(number: int, seed: int) -> list[Layer]:
    """`number` layers drawn with `seed`: channels 1-1024, maps 5-256, kernels 1-11, strides 1-4, groups, batch 1-64,
    between a million and four billion operations and at most 256 MB of arrays.

    >>> sample(1, seed=3) == sample(1, seed=3)
    True
    """
    random = Random(seed)
    layers: list[Layer] = []
    while len(layers) < number:
        layer = _draw(random, f"sweep-{seed}-{len(layers)}")
        if layer is not None:
            layers.append(layer)
    return layers


def _draw(random: Random, name: str) -> Layer | None:
    """One layer, or None where what was drawn has no output or is out of bounds."""
    height = _spread(random, 5, 256)
    width = height if random.random() < 0.8 else _spread(random, 5, 256)
    kernel = random.choice(_KERNELS)
    other = kernel if random.random() < 0.9 else random.choice(_KERNELS)
    stride = random.choice(_STRIDES) if kernel > 1 else random.choice((1, 1, 1, 2))
    padding = random.choice((0, kernel // 2, kernel // 2))
    channels = (1, 3, _round(random, 1, 1024), _round(random, 1, 1024), _round(random, 1, 1024))
    inputs, outputs, groups = random.choice(channels), _round(random, 1, 1024), 1
    kind = random.random()
    if kind < 0.12:  # depthwise, sometimes with several outputs a channel
        groups, outputs = inputs, inputs * random.choice((1, 1, 1, 2))
    elif kind < 0.24:
        groups = random.choice([g for g in range(1, 65) if math.gcd(inputs, outputs) % g == 0])
    batch = random.choice((1, 1, 1, _spread(random, 1, 64)))
    notation = f"{inputs}x{height}x{width}->{outputs} {kernel}x{other} s{stride} p{padding} g{groups} b{batch}"
    try:
        layer = parse(notation, name)
    except ValueError:
        return None
    flops, traffic = work(layer, "plain")
    fits = LEAST_FLOPS <= flops <= MOST_FLOPS and traffic <= MOST_BYTES and outputs <= 1024
    return layer if fits else None


def _spread(random: Random, low: int, high: int) -> int:
    """An integer, evenly spread on a logarithmic scale."""
    return min(high, round(math.exp(random.uniform(math.log(low), math.log(high + 1)))))


def _round(random: Random, low: int, high: int) -> int:
    """Channels: mostly multiples of 8 as networks have them, sometimes anything."""
    value = _spread(random, low, high)
    return value if value < 8 or random.random() < 0.3 else value // 8 * 8
