"""The arrays of a layer, the same ones for every library, and a check of what came out.

The check computes some outputs directly in float64, each from its own definition; it shares nothing with any library.
`layer` is a mapping with the fields of benchmark.layer.Layer, its `output_shape` and its `weight_shape`.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

SAMPLES = 12  # outputs checked of each array
_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}  # times the sum of the absolute products


def arrays(layer: dict, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Random input, weight, bias and grad_output; drawn by the layer's sizes, aligned to a cache line."""
    random = np.random.default_rng(zlib.crc32(repr((layer["op"], layer["output_shape"])).encode()))
    shape = (layer["batch"], layer["in_channels"], layer["height"], layer["width"])
    made = {"input": random.standard_normal(shape), "grad_output": random.standard_normal(layer["output_shape"])}
    if not layer["op"].endswith("_pool2d"):
        weight = random.standard_normal(layer["weight_shape"])
        made["weight"] = weight / math.sqrt(math.prod(layer["weight_shape"][1:]))
        made["bias"] = random.standard_normal(layer["out_channels"])
    return {name: aligned(array, dtype) for name, array in made.items()}


def aligned(array: np.ndarray, dtype: str) -> np.ndarray:
    """A copy in this dtype that begins on a cache line."""
    room = np.empty(array.size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -room.ctypes.data % 64
    result = room[start : start + room.size - 64].view(dtype).reshape(array.shape)
    result[...] = array
    return result


def check(layer: dict, data: dict[str, np.ndarray], results: dict[str, np.ndarray]) -> None:
    """ValueError if one of `results` (by name: output, grad_input, ...) has a wrong shape, dtype or sampled value."""
    random = np.random.default_rng(0)
    shapes = {"output": tuple(layer["output_shape"]), "grad_input": data["input"].shape}
    for name, result in results.items():
        shape = shapes.get(name) or data[name.removeprefix("grad_")].shape
        if result.shape != shape or result.dtype != data["input"].dtype:
            raise ValueError(f"{name} is {result.shape} {result.dtype}, expected {shape} {data['input'].dtype}")
        sizes = np.array(shape) - 1
        corners = [tuple(sizes * 0), tuple(sizes)]
        for place in corners + [tuple(random.integers(0, sizes + 1)) for _ in range(SAMPLES)]:
            products = _PRODUCTS[layer["op"], name](layer, data, tuple(int(i) for i in place))
            expected, slack = products.sum(), np.abs(products).sum() * _TOLERANCE[str(result.dtype)]
            if not abs(float(result[place]) - expected) <= slack:
                raise ValueError(f"{name}[{place}] is {result[place]!r}, expected {expected!r} within {slack:.1e}")


def _window(layer, place, size, axis):
    """The taps of output `place` along one axis: their indices in the kernel and in the input, padding left out."""
    pad = layer["kernel"][axis] // 2 if layer["op"] == "correlate2d" else layer["padding"]
    taps = np.arange(layer["kernel"][axis])
    at = place * layer["stride"] - pad + taps * layer["dilation"]
    inside = (at >= 0) & (at < size)
    return taps[inside], at[inside]


def _patch(layer, data, place):
    """(taps_h, taps_w, patch (Cin, taps_h, taps_w)) that output `place` reads."""
    x = data["input"]
    taps_h, rows = _window(layer, place[2], x.shape[2], 0)
    taps_w, columns = _window(layer, place[3], x.shape[3], 1)
    return taps_h, taps_w, x[place[0]][:, rows[:, None], columns].astype(np.float64)


def _conv2d(layer, data, place):
    taps_h, taps_w, patch = _patch(layer, data, place)
    depth = layer["in_channels"] // layer["groups"]
    first = place[1] // (layer["out_channels"] // layer["groups"]) * depth
    weight = data["weight"][place[1]][:, taps_h[:, None], taps_w].astype(np.float64)
    products = patch[first : first + depth] * weight
    bias = [] if layer["op"] == "correlate2d" else [float(data["bias"][place[1]])]
    return np.append(products.ravel(), bias)


def _readers(layer, place, axis):
    """The outputs that read input `place` along one axis, and the tap each reads it with."""
    taps = np.arange(layer["kernel"][axis])
    steps = place + layer["padding"] - taps * layer["dilation"]
    outputs = steps // layer["stride"]
    fine = (steps % layer["stride"] == 0) & (outputs >= 0) & (outputs < layer["output_shape"][2 + axis])
    return taps[fine], outputs[fine]


def _conv2d_grad_input(layer, data, place):
    taps_h, rows = _readers(layer, place[2], 0)
    taps_w, columns = _readers(layer, place[3], 1)
    depth, width = layer["in_channels"] // layer["groups"], layer["out_channels"] // layer["groups"]
    group = slice(place[1] // depth * width, (place[1] // depth + 1) * width)
    grad = data["grad_output"][place[0], group][:, rows[:, None], columns].astype(np.float64)
    return grad * data["weight"][group, place[1] % depth][:, taps_h[:, None], taps_w]


def _conv2d_grad_weight(layer, data, place):
    x, grad = data["input"], data["grad_output"][:, place[0]].astype(np.float64)
    depth = layer["in_channels"] // layer["groups"]
    channel = place[0] // (layer["out_channels"] // layer["groups"]) * depth + place[1]
    at = [
        np.arange(grad.shape[1 + axis]) * layer["stride"] - layer["padding"] + place[2 + axis] * layer["dilation"]
        for axis in (0, 1)
    ]
    inside = [(index >= 0) & (index < x.shape[2 + axis]) for axis, index in enumerate(at)]
    rows, columns = (index[mask] for index, mask in zip(at, inside, strict=True))
    return grad[:, inside[0]][:, :, inside[1]] * x[:, channel][:, rows[:, None], columns]


def _grad_bias(layer, data, place):
    return data["grad_output"][:, place[0]].astype(np.float64)


def _max_pool2d(layer, data, place):
    return _patch(layer, data, place)[2][place[1]].max()


def _avg_pool2d(layer, data, place):  # padding counts, as is torch's default
    return _patch(layer, data, place)[2][place[1]] / math.prod(layer["kernel"])


def _max_pool2d_grad_input(layer, data, place):
    image, channel, row, column = place
    here = data["input"][place]
    reads = [(i, j) for i in _readers(layer, row, 0)[1] for j in _readers(layer, column, 1)[1]]
    wins = [data["grad_output"][image, channel, i, j]
            for i, j in reads if _max_pool2d(layer, data, (image, channel, i, j)) == here]  # fmt: skip
    return np.array(wins or [0.0], np.float64)


def _avg_pool2d_grad_input(layer, data, place):
    rows, columns = _readers(layer, place[2], 0)[1], _readers(layer, place[3], 1)[1]
    grad = data["grad_output"][place[0], place[1]][rows[:, None], columns].astype(np.float64)
    return grad / math.prod(layer["kernel"])


_PRODUCTS = {
    ("conv2d", "output"): _conv2d,
    ("conv2d", "grad_input"): _conv2d_grad_input,
    ("conv2d", "grad_weight"): _conv2d_grad_weight,
    ("conv2d", "grad_bias"): _grad_bias,
    ("max_pool2d", "output"): _max_pool2d,
    ("max_pool2d", "grad_input"): _max_pool2d_grad_input,
    ("avg_pool2d", "output"): _avg_pool2d,
    ("avg_pool2d", "grad_input"): _avg_pool2d_grad_input,
    ("correlate2d", "output"): _conv2d,
}
