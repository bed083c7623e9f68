"""scipy.signal on one image."""

from __future__ import annotations

import scipy
from scipy import signal


def start(threads: int) -> str:
    return scipy.__version__


def forms(layer: dict, mode: str, data: dict) -> dict:
    image, kernel = data["input"][0, 0], data["weight"][0, 0]

    def call():
        return signal.correlate2d(image, kernel, mode="same")

    return {"correlate2d": (call, lambda y: {"output": y[None, None]})}
