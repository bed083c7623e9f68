"""What is timed against whom: the modes of the benchmark, and the arithmetic and memory traffic that each implies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .layer import Layer
from .networks import Network
from .operators import Call


@dataclass(frozen=True)
class Mode:
    """A comparison: `ops` it measures, the libraries that take part (fastconv is the first), a line about it."""

    name: str
    ops: tuple[str, ...]
    peers: tuple[str, ...]
    about: str

    def takes(self, layer: Layer | Call) -> bool:
        if self.name == "scaling":
            flops, traffic = work(layer, self.name)
            return layer.op == "conv2d" and flops > 100e6 and flops > 20 * traffic
        return layer.op in self.ops


_POOLS = ("max_pool2d", "avg_pool2d")
_ALL = ("torch", "onnxruntime", "openvino")
MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("compiled", ("conv2d",), _ALL, "prepared: fastconv.compile, ONNX Runtime, OpenVINO; PyTorch eager"),
        Mode("plain", ("conv2d",), ("torch",), "the plain function: fastconv.conv2d, PyTorch eager"),
        Mode("backward", ("conv2d",), ("torch",), "forward and all three gradients: fastconv, PyTorch eager"),
        Mode("pool", _POOLS, _ALL, "pooling, forward"),
        Mode("pool-backward", _POOLS, ("torch",), "pooling, backward alone"),
        Mode("signal", ("correlate2d",), ("scipy",), "one image, one filter: fastconv.signal, scipy.signal"),
        Mode("operators", ("operator",), ("torch",), "a call of each operator: fastconv.functional, PyTorch eager"),
        Mode("operators-backward", ("operator",), ("torch",), "their gradients alone: <operator>_backward, autograd"),
        Mode(
            "inference",
            ("network",),
            _ALL,
            "a batch through a network: fastconv.compile and its peers",
        ),
        Mode(
            "training",
            ("network",),
            ("torch", "torch_compile"),
            "an epoch of 20 batches: fastconv.training.fit, PyTorch eager and compiled",
        ),
        Mode("scaling", ("conv2d",), ("fastconv-1-thread",), "fastconv's threads against one of them, on large layers"),
    )
}
_ASKED_FOR = ("scaling", "inference", "training", "operators", "operators-backward")
DEFAULT_MODES = tuple(name for name in MODES if name not in _ASKED_FOR)


def parse_modes(text: str) -> list[Mode]:
    """Modes from a comma-separated list; ValueError names the one that does not exist."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in MODES:
            raise ValueError(f"modes: {name!r} is none of {', '.join(MODES)}")
    return [MODES[name] for name in dict.fromkeys(names)]


def work(layer: Layer | Call | Network, mode: str, itemsize: int = 4) -> tuple[int, int]:
    """(operations, bytes) of one call: a direct algorithm's arithmetic, and each array of a function moved once.

    Winograd does less arithmetic than this counts, and arrays that stay in a cache cost less than the bytes say:
    both may lift a layer above the roofline.
    """
    if isinstance(layer, Call | Network):
        return layer.work(mode, itemsize)
    x, y = math.prod(layer.input_shape), math.prod(layer.output_shape)
    w = 0 if layer.is_pool else math.prod(layer.weight_shape)
    if mode == "pool-backward":
        # the maximum's indices are 8 bytes each
        return (y if layer.op == "max_pool2d" else layer.macs), itemsize * (x + y) + (8 * y if "max" in layer.op else 0)
    if layer.is_pool:
        return layer.macs, itemsize * (x + y)
    if mode == "backward":
        return 6 * layer.macs, itemsize * (3 * x + 3 * w + 2 * y)
    return 2 * layer.macs, itemsize * (x + w + y)
