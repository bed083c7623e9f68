"""fastconv: fast convolutional networks on the CPU, on plain NumPy arrays.

    import fastconv as fc

    y = fc.conv2d(x, w, padding="same")            # torch.nn.functional's names and semantics, on arrays
    net = fc.models.lenet()                        # layers with forward and backward
    plan = fc.compile(net, (1, 28, 28), batch=256) # prepared for inference: plan(x)
    fc.count(net, (1, 28, 28))                     # what it costs, layer by layer

The operators and settings are here; nn, models, plan, training, counting and benchmark are imported when first used.
"""

from fastconv import functional
from fastconv._version import __version__
from fastconv.functional import (
    avg_pool2d,
    col2im,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    cross_entropy,
    dropout,
    elu,
    fold,
    gelu,
    im2col,
    leaky_relu,
    linear,
    locally_connected1d,
    locally_connected2d,
    log_softmax,
    max_pool2d,
    mse_loss,
    nll_loss,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    tanh,
    unfold,
)
from fastconv.settings import allow_winograd, get_num_threads, set_flush_denormal, set_num_threads, show_config

_LAZY_MODULES = ("benchmark", "counting", "models", "nn", "plan", "signal", "training")
_LAZY_FUNCTIONS = {"count": "counting", "compile": "plan"}

__all__ = [
    "__version__",
    "allow_winograd",
    "avg_pool2d",
    "col2im",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "fold",
    "functional",
    "gelu",
    "get_num_threads",
    "im2col",
    "leaky_relu",
    "linear",
    "locally_connected1d",
    "locally_connected2d",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "prelu",
    "relu",
    "relu6",
    "set_flush_denormal",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unfold",
]


def __getattr__(name):
    if name in _LAZY_MODULES:
        from importlib import import_module

        return import_module(f"fastconv.{name}")
    if name in _LAZY_FUNCTIONS:
        from importlib import import_module

        function = getattr(import_module(f"fastconv.{_LAZY_FUNCTIONS[name]}"), name)
        globals()[name] = function
        return function
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_FUNCTIONS})
