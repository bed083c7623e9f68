"""The arrays of an operator's call, the same ones for every library, and what is known of its result."""

from __future__ import annotations

import zlib

import numpy as np

from .problem import aligned


def arrays(call: dict, dtype: str) -> dict[str, np.ndarray]:
    """By name; classes are int64."""
    made = {}
    random = np.random.default_rng(zlib.crc32(repr(call["operator"]).encode()))
    for name, spec in call["arrays"].items():
        if not isinstance(spec[0], (list, tuple)):
            made[name] = aligned(random.standard_normal(spec), dtype)
        elif spec[1] == "positive":
            made[name] = aligned(random.random(spec[0]) + 0.5, dtype)
        else:
            made[name] = random.integers(0, spec[1], spec[0])
    return made


def gradient(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """grad_output of this shape."""
    return aligned(np.random.default_rng(1).standard_normal(shape), dtype)


def digest(call: dict, results: list[np.ndarray]) -> list[list[float]] | None:
    """(sum, sum of magnitudes) of each result, by which libraries are compared; None where the result is drawn.

    ValueError if a result is not finite.
    """
    if not all(np.isfinite(result).all() for result in results):
        raise ValueError("the result is not finite")
    if call["operator"] == "dropout":
        return None
    return [[float(result.sum(dtype=np.float64)), float(np.abs(result).sum(dtype=np.float64))] for result in results]
