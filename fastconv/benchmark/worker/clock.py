"""How long a call takes: the median of many, each reading long enough for the clock."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable
from time import perf_counter

_READING = 100e-6  # seconds a reading takes at least: shorter calls are timed several at once
_LEAST_READINGS = 5


def warm_up(call: Callable[[], object], seconds: float = 0.1) -> None:
    """Call until `seconds` have passed, and at least three times: caches, lazily made primitives, clock rates."""
    end, calls = perf_counter() + seconds, 0
    while calls < 3 or perf_counter() < end:
        call()
        calls += 1


def median(call: Callable[[], object], seconds: float) -> float:
    """Seconds a call takes: the median of readings that fill at least `seconds`."""
    start = perf_counter()
    call()
    batch = max(1, math.ceil(_READING / max(perf_counter() - start, 1e-7)))
    readings: list[float] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = perf_counter() + seconds
        while len(readings) < _LEAST_READINGS or perf_counter() < end:
            start = perf_counter()
            for _ in range(batch):
                call()
            readings.append((perf_counter() - start) / batch)
    finally:
        if collecting:
            gc.enable()
    return statistics.median(readings)
