"""A call of each operator, of a size that networks have, to be timed beside PyTorch's operator of the same name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """An operator of fastconv.functional, the shapes of its arrays by name, and its options by name.

    A shape is drawn from the normal distribution; a pair (shape, number) holds classes below that number, (shape,
    "positive") positive numbers.
    """

    name: str
    operator: str
    arrays: dict[str, tuple]
    options: dict = field(default_factory=dict)
    op: str = "operator"  # as a Layer says which kind it is

    def describe(self) -> str:
        shapes = [_shape(spec) for spec in self.arrays.values()]
        options = [f"{name}={value}".replace(" ", "") for name, value in self.options.items()]
        return " ".join([self.operator, *shapes, *options])

    def request(self) -> dict:
        """What a worker is told of the call: plain numbers, lists and strings."""
        return {"operator": self.operator, "arrays": self.arrays, "options": self.options}

    def work(self, mode: str, itemsize: int) -> tuple[int, int]:
        """(operations, bytes) of one call: a product, or an element moved, is one; each array once, the output as the
        input."""
        sizes = {name: math.prod(_plain(spec)) for name, spec in self.arrays.items()}
        moved = sum(sizes.values()) + sizes["input"]
        operations = moved
        if "weight" in sizes and len(self.arrays["weight"]) > 1 and isinstance(self.arrays["weight"][0], int):
            outputs = self.arrays["weight"][1 if "transpose" in self.operator else 0]
            operations = 2 * sizes["input"] * sizes["weight"] // self.arrays["input"][1] // max(outputs, 1) * outputs
        times = 3 if mode.endswith("backward") else 1
        return operations * (2 if times == 3 else 1), moved * itemsize * times


def _plain(spec) -> tuple[int, ...]:
    return tuple(spec[0]) if spec and isinstance(spec[0], (tuple, list)) else tuple(spec)


def _shape(spec) -> str:
    return "x".join(map(str, _plain(spec)))


_IMAGES = (16, 64, 56, 56)
_VOLUME = (2, 32, 16, 28, 28)
_SIGNAL = (16, 64, 1000)
_ROWS = (256, 1000)

_POINTWISE = ("relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "sigmoid", "tanh")

_NAMED: dict[str, tuple] = {
    "conv1d": (dict(input=_SIGNAL, weight=(64, 64, 3), bias=(64,)), dict(padding=1)),
    "conv2d": (dict(input=(4, *_IMAGES[1:]), weight=(64, 64, 3, 3), bias=(64,)), dict(padding=1)),
    "conv3d": (dict(input=_VOLUME, weight=(32, 32, 3, 3, 3), bias=(32,)), dict(padding=1)),
    "conv_transpose1d": (dict(input=_SIGNAL, weight=(64, 32, 4), bias=(32,)), dict(stride=2, padding=1)),
    "conv_transpose2d": (dict(input=(4, 64, 28, 28), weight=(64, 32, 4, 4), bias=(32,)), dict(stride=2, padding=1)),
    "conv_transpose3d": (
        dict(input=(1, 32, 8, 14, 14), weight=(32, 16, 4, 4, 4), bias=(16,)),
        dict(stride=2, padding=1),
    ),
    "max_pool1d": (dict(input=_SIGNAL), dict(kernel_size=2)),
    "max_pool2d": (dict(input=_IMAGES), dict(kernel_size=3, stride=2, padding=1)),
    "max_pool3d": (dict(input=_VOLUME), dict(kernel_size=2)),
    "avg_pool1d": (dict(input=_SIGNAL), dict(kernel_size=2)),
    "avg_pool2d": (dict(input=_IMAGES), dict(kernel_size=3, stride=2, padding=1)),
    "avg_pool3d": (dict(input=_VOLUME), dict(kernel_size=2)),
    "adaptive_max_pool1d": (dict(input=_SIGNAL), dict(output_size=10)),
    "adaptive_max_pool2d": (dict(input=_IMAGES), dict(output_size=[6, 6])),
    "adaptive_max_pool3d": (dict(input=_VOLUME), dict(output_size=[4, 5, 5])),
    "adaptive_avg_pool1d": (dict(input=_SIGNAL), dict(output_size=10)),
    "adaptive_avg_pool2d": (dict(input=_IMAGES), dict(output_size=[6, 6])),
    "adaptive_avg_pool3d": (dict(input=_VOLUME), dict(output_size=[4, 5, 5])),
    "unfold": (dict(input=(4, 64, 28, 28)), dict(kernel_size=3, padding=1)),
    "fold": (dict(input=(4, 576, 784)), dict(output_size=[28, 28], kernel_size=3, padding=1)),
    "pad, constant": (dict(input=_IMAGES), dict(pad=[1, 1, 1, 1])),
    "pad, reflect": (dict(input=_IMAGES), dict(pad=[3, 3, 3, 3], mode="reflect")),
    "pad, replicate": (dict(input=_IMAGES), dict(pad=[3, 3, 3, 3], mode="replicate")),
    "linear": (dict(input=(256, 1024), weight=(1024, 1024), bias=(1024,)), {}),
    **{name: (dict(input=_IMAGES), {}) for name in _POINTWISE},
    "gelu, tanh": (dict(input=_IMAGES), dict(approximate="tanh")),
    "prelu": (dict(input=_IMAGES, weight=(64,)), {}),
    "softmax": (dict(input=_ROWS), dict(dim=1)),
    "softmax, channels": (dict(input=_IMAGES), dict(dim=1)),
    "log_softmax": (dict(input=_ROWS), dict(dim=1)),
    "batch_norm": (
        dict(input=_IMAGES, running_mean=(64,), running_var=((64,), "positive"), weight=(64,), bias=(64,)),
        dict(training=True),
    ),
    "layer_norm": (dict(input=(256, 64, 64), weight=(64, 64), bias=(64, 64)), dict(normalized_shape=[64, 64])),
    "group_norm": (dict(input=_IMAGES, weight=(64,), bias=(64,)), dict(num_groups=8)),
    "local_response_norm": (dict(input=_IMAGES), dict(size=5)),
    "dropout": (dict(input=_IMAGES), dict(p=0.5)),
    "cross_entropy": (dict(input=_ROWS, target=((256,), 1000)), {}),
    "nll_loss": (dict(input=_ROWS, target=((256,), 1000)), {}),
    "mse_loss": (dict(input=_ROWS, target=_ROWS), {}),
}

CALLS: tuple[Call, ...] = tuple(
    Call(name, name.partition(",")[0], arrays, options) for name, (arrays, options) in _NAMED.items()
)
