"""What a layer costs: one rule a layer type. Parameters come from the layers themselves."""

from functools import singledispatch
from math import prod
from typing import NamedTuple

from fastconv import nn

Shape = tuple[int, ...]

# What a kernel works in beside its arguments, a thread, at most: tests/test_memory.py holds the kernels to it.
THREAD_BYTES = 4 * 2**20
# The values that Winograd's algorithm makes of one filter, at most; other kernels rearrange the weights as they are.
_MOST_POINTS = 36


class Cost(NamedTuple):
    """What a rule tells of a layer, for one image.

    macs: multiplications of a weight with an input that are added up
    dense_parameters: parameters as a dense layer; None: the same as its own
    untied_parameters: parameters if each output had weights of its own, but saw what it sees; None: its own
    invariant_parameters: parameters if all outputs shared weights, but saw the whole image; None: its own
    dense_macs: those of the dense layer; None: macs
    column_elements: elements of the matrix that unfolding the windows makes
    prepared_elements: elements of the weights as a kernel wants them, at most; None: the kernel has no workspace
    """

    macs: int
    dense_parameters: int | None = None
    untied_parameters: int | None = None
    invariant_parameters: int | None = None
    dense_macs: int | None = None
    column_elements: int = 0
    prepared_elements: int | None = None


@singledispatch
def cost(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    """The rule for one layer type: its Cost for one image. Register one for a layer class of your own.

    Example:
        >>> import fastconv as fc
        >>> class Doubling(fc.nn.ReLU):
        ...     pass
        >>> @fc.counting.cost.register(Doubling)
        ... def _(layer, input_shape, output_shape):
        ...     return fc.counting.Cost(macs=0)
    """
    raise TypeError(
        f"net holds a layer of type {type(layer).__name__} (= {layer!r}), for which no cost is known; "
        f"expected {', '.join(sorted(known.__name__ for known in cost.registry if known is not object))}, "
        "or a rule added with fastconv.counting.cost.register"
    )


def is_known(layer) -> bool:
    """Whether there is a rule."""
    return cost.dispatch(type(layer)) is not cost.dispatch(object)


@cost.register(nn.Conv2d)
def _convolution(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    # Every output element sums a window of every input channel of its group.
    window = layer.in_channels // layer.groups * prod(layer.kernel_size)
    inputs, outputs = prod(input_shape), prod(output_shape)
    # A dense layer has a bias for each output element where the convolution has one for each channel.
    biases = outputs if "bias" in layer.parameter_shapes() else 0
    filters = layer.out_channels * (layer.in_channels // layer.groups)
    # One weight for each distance between a pixel and the place that sees it.
    axes = zip(input_shape[1:], output_shape[1:], layer.stride, strict=True)
    distances = prod(size + stride * (out - 1) for size, out, stride in axes)
    return Cost(
        macs=outputs * window,
        dense_parameters=inputs * outputs + biases,
        untied_parameters=outputs * window + biases,
        invariant_parameters=(distances * layer.in_channels + bool(biases)) * layer.out_channels,
        dense_macs=inputs * outputs,
        column_elements=layer.in_channels * prod(layer.kernel_size) * prod(output_shape[1:]),
        prepared_elements=filters * max(_MOST_POINTS, prod(layer.kernel_size)),
    )


@cost.register(nn.Linear)
def _linear(layer: nn.Linear, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=prod(output_shape) * layer.in_features, prepared_elements=0)


def _no_weights(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=0)


for _kind in (nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.ReLU, nn.Sigmoid, nn.Tanh):
    cost.register(_kind, _no_weights)

# --- memory ---

# Their outputs are their inputs, seen otherwise.
_VIEWS = (nn.Flatten,)
# In inference only.
_VIEWS_IN_INFERENCE = ()
# They keep an index of 8 bytes beside each output for their backward.
_WITH_INDICES = (nn.MaxPool2d,)
_INDEX_BYTES = 8


def output_bytes(layer, output_shape: Shape, itemsize: int, training: bool = False) -> int:
    """Bytes of new memory that a layer's output takes, for one image; in training with what is kept beside it."""
    if isinstance(layer, _VIEWS) or (isinstance(layer, _VIEWS_IN_INFERENCE) and not training):
        return 0
    kept = _INDEX_BYTES if training and isinstance(layer, _WITH_INDICES) else 0
    return prod(output_shape) * (itemsize + kept)
