"""Whole networks as a benchmark times them: a plain description that every library can build from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from fastconv import nn
from fastconv.plan.compile import leaves

STEPS = 20  # batches of an epoch that is timed


@dataclass(frozen=True)
class Network:
    """A chain of layers, each a kind and its sizes: ("conv2d", (out, in, KH, KW), stride, padding, dilation, groups),
    ("linear", (out, in)), ("max_pool2d" or "avg_pool2d", kernel, stride, padding), ("dropout", p), ("relu",),
    ("sigmoid",), ("tanh",), ("flatten",)."""

    name: str
    layers: tuple[tuple, ...]
    input_shape: tuple[int, ...]
    batch: int
    macs: int
    parameters: int
    classes: int  # of its outputs, the first size
    op: str = "network"  # as a Layer says which kind it is

    def describe(self) -> str:
        return f"{'x'.join(map(str, self.input_shape))} b{self.batch}"

    def request(self) -> dict:
        """What a worker is told of the network: plain numbers, lists and strings."""
        return {**asdict(self), "steps": STEPS}

    def work(self, mode: str, itemsize: int) -> tuple[int, int]:
        """(operations, bytes) of a call; training is an epoch of STEPS batches, three times the forward's work."""
        images, times = (self.batch, 1) if mode == "inference" else (self.batch * STEPS, 3)
        traffic = images * math.prod(self.input_shape) + (images // self.batch) * self.parameters
        return 2 * self.macs * images * times, traffic * itemsize * times


def describe(net: nn.Layer, input_shape: tuple[int, ...], batch: int, name: str) -> Network:
    """Describe an nn.Sequential of plain layers.

    Raises:
        ValueError: it holds a layer that has no description for other libraries.
    """
    from fastconv import counting

    layers = tuple(described for _, layer in leaves(net) if (described := _describe(layer)) is not None)
    classes = net.output_shape(tuple(input_shape))[0]
    total = counting.count(net, input_shape).total
    return Network(f"{name}-b{batch}", layers, tuple(input_shape), batch, total.macs, total.parameters, classes)


def from_request(told: dict) -> Network:
    """The Network whose `request` this was."""
    fields = {key: told[key] for key in ("name", "layers", "input_shape", "batch", "macs", "parameters", "classes")}
    return Network(**fields | {"layers": _tuples(fields["layers"]), "input_shape": tuple(fields["input_shape"])})


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _describe(layer):
    kind = type(layer)
    shapes = layer.parameter_shapes()  # nothing is drawn to be described
    if kind in (nn.Conv2d, nn.Linear) and "bias" not in shapes:
        raise ValueError(f"{layer!r} has no bias: other libraries are told of layers with one")
    if kind is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return ("conv2d", shapes["weight"], layer.stride, layer.padding, layer.dilation, layer.groups)
    if kind is nn.Linear:
        return ("linear", shapes["weight"])
    if kind is nn.MaxPool2d and not layer.ceil_mode and not layer.return_indices and set(layer.dilation) == {1}:
        return ("max_pool2d", layer.kernel_size, layer.stride, layer.padding)
    if kind is nn.AvgPool2d and not layer.ceil_mode and layer.divisor_override is None and layer.count_include_pad:
        return ("avg_pool2d", layer.kernel_size, layer.stride, layer.padding)
    if kind is nn.Dropout:
        return ("dropout", layer.p)
    if kind in _WORDS:
        return (_WORDS[kind],)
    if kind is nn.Identity:
        return None
    raise ValueError(f"{layer!r} has no description for other libraries; expected plain layers as LeNet has them")


_WORDS = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.Flatten: "flatten"}
