"""Networks by name, one a file. A model function carries `input_shape`, the (C, H, W) it is meant for.

To add one: a file with its function, and its line in _MODELS.
"""

from fastconv.models.alexnet import alexnet
from fastconv.models.lenet import lenet
from fastconv.models.mlp import mlp
from fastconv.models.nin import nin
from fastconv.models.resnet18 import resnet18
from fastconv.models.specification import SpecificationError, parse
from fastconv.models.vgg11 import vgg11

__all__ = [
    "INPUT_SHAPES",
    "SpecificationError",
    "alexnet",
    "build",
    "lenet",
    "mlp",
    "names",
    "nin",
    "parse",
    "resnet18",
    "vgg11",
]

_MODELS = {"lenet": lenet, "mlp": mlp, "alexnet": alexnet, "vgg11": vgg11, "nin": nin, "resnet18": resnet18}

INPUT_SHAPES = {name: model.input_shape for name, model in _MODELS.items()}


def names():
    """The names that `build` knows.

    Example:
        >>> names()
        ['lenet', 'mlp', 'alexnet', 'vgg11', 'nin', 'resnet18']
    """
    return list(_MODELS)


def build(name, *args, **options):
    """The network called `name`, with the arguments of its function.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> len(build("lenet", "book", seed=0))
        12
    """
    if not isinstance(name, str) or name not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(map(repr, _MODELS))}, got {name!r}")
    return _MODELS[name](*args, **options)
