"""How parameters are drawn. fan_in and fan_out are the weight's inputs and outputs, each times the kernel's pixels."""

from math import prod, sqrt

import numpy as np


def torch_default(generator, shapes, dtype, fan_shape):
    """PyTorch's default: weight and bias uniform within 1 / sqrt(fan_in)."""
    fan_in, _ = _fans(fan_shape)
    bound = 1 / sqrt(fan_in)
    return {key: _uniform(generator, shape, bound, dtype) for key, shape in shapes.items()}


def xavier(generator, shapes, dtype, fan_shape):
    """Glorot and Bengio (2010): weight uniform within sqrt(6 / (fan_in + fan_out)), bias zero."""
    fan_in, fan_out = _fans(fan_shape)
    arrays = {"weight": _uniform(generator, shapes["weight"], sqrt(6 / (fan_in + fan_out)), dtype)}
    if "bias" in shapes:
        arrays["bias"] = np.zeros(shapes["bias"], dtype)
    return arrays


SCHEMES = {"torch": torch_default, "xavier": xavier}


def _fans(shape):
    pixels = prod(shape[2:])
    return shape[1] * pixels, shape[0] * pixels


def _uniform(generator, shape, bound, dtype):
    values = generator.random(shape, dtype)
    values *= 2 * bound
    values -= bound
    return values
