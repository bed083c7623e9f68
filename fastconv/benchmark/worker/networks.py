"""The weights and images of a network, the same ones for every library."""

from __future__ import annotations

import math

import numpy as np

from .problem import aligned

CLASSES_SEED, LEARNING_RATE = 2, 0.1


def weights(network: dict, dtype: str) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """(weight, bias) of each layer that has them, None for the others."""
    random, made = np.random.default_rng(0), []
    for kind, *sizes in network["layers"]:
        if kind in ("conv2d", "linear"):
            shape = sizes[0]
            bound = 1 / math.sqrt(math.prod(shape[1:]))
            made.append(tuple(aligned(random.uniform(-bound, bound, size), dtype) for size in (shape, shape[0])))
        else:
            made.append(None)
    return made


def images(network: dict, dtype: str) -> np.ndarray:
    """A batch for inference."""
    return aligned(np.random.default_rng(1).random((network["batch"], *network["input_shape"])), dtype)


def data_set(network: dict) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and classes of as many batches as an epoch has."""
    random = np.random.default_rng(CLASSES_SEED)
    count = network["batch"] * network["steps"]
    images = random.integers(0, 256, (count, *network["input_shape"]), dtype=np.uint8)
    return images, random.integers(0, network["classes"], count)
