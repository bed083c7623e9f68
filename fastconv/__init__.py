"""fastconv: fast convolutional networks on the CPU, on plain NumPy arrays.

    import fastconv as fc

    y = fc.conv2d(x, w, padding="same")            # torch.nn.functional's names and semantics, on arrays
    net = fc.models.lenet()                        # layers with forward and backward
    fc.count(net, (1, 28, 28))                     # what it costs, layer by layer

The operators and settings are here; nn, models, training, counting and benchmark are imported when first used.
"""

from fastconv import functional
from fastconv._version import __version__
from fastconv.functional import (
    avg_pool2d,
    col2im,
    conv2d,
    cross_entropy,
    fold,
    im2col,
    linear,
    log_softmax,
    max_pool2d,
    mse_loss,
    relu,
    sigmoid,
    softmax,
    tanh,
    unfold,
)
from fastconv.settings import get_num_threads, set_num_threads, show_config

_LAZY_MODULES = ("benchmark", "counting", "models", "nn", "training")

__all__ = [
    "__version__",
    "avg_pool2d",
    "col2im",
    "conv2d",
    "cross_entropy",
    "fold",
    "functional",
    "get_num_threads",
    "im2col",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softmax",
    "tanh",
    "unfold",
]


def __getattr__(name):
    if name in _LAZY_MODULES:
        from importlib import import_module

        return import_module(f"fastconv.{name}")
    if name == "count":
        from fastconv.counting import count

        globals()["count"] = count
        return count
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY_MODULES, "count"})
