"""What a layer costs: one rule a layer type. Parameters come from the layers themselves."""

from functools import singledispatch
from math import prod
from typing import NamedTuple

from fastconv import nn

Shape = tuple[int, ...]

# What a kernel works in beside its arguments, a thread, at most: tests/test_memory.py holds the kernels to it.
THREAD_BYTES = 4 * 2**20
_MOST_POINTS = 36  # that Winograd's algorithm makes of a filter; other kernels rearrange the weights as they are
_MOST_GATHERED = 2**22  # elements of a volume's slices, 16 MiB in float32


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


@cost.register(nn.Conv1d)
@cost.register(nn.Conv2d)
@cost.register(nn.Conv3d)
@cost.register(nn.LocallyConnected1d)
@cost.register(nn.LocallyConnected2d)
def _convolution(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    # Every output element sums a window of every input channel of its group.
    window = layer.in_channels // layer.groups * prod(layer.kernel_size)
    # One weight for each distance between a pixel and the place that sees it.
    axes = zip(input_shape[1:], output_shape[1:], layer.stride, strict=True)
    distances = prod(size + stride * (out - 1) for size, out, stride in axes)
    return _windowed(layer, input_shape, output_shape, prod(output_shape) * window, distances, prod(output_shape[1:]))


@cost.register(nn.ConvTranspose1d)
@cost.register(nn.ConvTranspose2d)
@cost.register(nn.ConvTranspose3d)
def _conv_transpose(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    # Every input element is spread over a window of every output channel of its group.
    window = layer.out_channels // layer.groups * prod(layer.kernel_size)
    axes = zip(input_shape[1:], output_shape[1:], layer.stride, strict=True)
    distances = prod(out + stride * (size - 1) for size, out, stride in axes)
    return _windowed(layer, input_shape, output_shape, prod(input_shape) * window, distances, prod(input_shape[1:]))


def prepared_values(kernel_size: Shape, stride: Shape) -> int:
    """What a kernel makes of one filter, at most: tests/test_memory.py holds the kernels to it.

    Winograd's algorithm sees a strided filter as one a phase, of fewer taps; it holds those taps and their points. A
    filter of volumes is one of images a slice.
    """
    slices, plane, steps = prod(kernel_size[:-2]), kernel_size[-2:], stride[-2:]
    taps = max(-(-k // s) for k, s in zip(plane, steps, strict=True)) ** 2  # of a phase
    points = 16 if taps == 4 else _MOST_POINTS
    return slices * max(prod(plane), points if prod(steps) == 1 else prod(steps) * (taps + points))


def _windowed(layer, input_shape: Shape, output_shape: Shape, macs: int, distances: int, places: int) -> Cost:
    """What both kinds of convolutions have in common; `places`: how many windows there are."""
    inputs, outputs, taps = prod(input_shape), prod(output_shape), prod(layer.kernel_size)
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    columns = (layer.out_channels if transposed else layer.in_channels) * taps * places
    filters = layer.out_channels * (layer.in_channels // layer.groups)
    prepared = filters * prepared_values(layer.kernel_size, layer.stride)
    if len(layer.kernel_size) == 3:  # slices of a volume are gathered: what one slice of the output reads, or so many
        prepared += max(_MOST_GATHERED, columns // max(1, output_shape[1]))
    has_bias = "bias" in layer.parameter_shapes()
    # A dense or untied layer has a bias for each output element where a convolution has one for each channel.
    biases = outputs if has_bias else 0
    return Cost(
        macs=macs,
        dense_parameters=inputs * outputs + biases,
        untied_parameters=macs + biases,  # a weight for each multiplication
        invariant_parameters=(distances * layer.in_channels + has_bias) * layer.out_channels,
        dense_macs=inputs * outputs,
        column_elements=columns,
        prepared_elements=prepared,
    )


@cost.register(nn.Linear)
def _linear(layer: nn.Linear, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=prod(output_shape) * layer.in_features, prepared_elements=0)


@cost.register(nn.BatchNorm1d)
@cost.register(nn.BatchNorm2d)
@cost.register(nn.BatchNorm3d)
@cost.register(nn.GroupNorm)
@cost.register(nn.LayerNorm)
def _normalisation(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=prod(output_shape))


def _no_weights(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=0)


_MAXIMA = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)
# Their outputs are their inputs, seen otherwise.
_VIEWS = (nn.Flatten, nn.Unflatten, nn.Identity)
# The same, in inference only.
_VIEWS_IN_INFERENCE = (nn.Dropout,)

for _kind in (
    *_MAXIMA,
    *_VIEWS,
    *_VIEWS_IN_INFERENCE,
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d, nn.Unfold, nn.Fold),
    *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
    *(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh),
    *(nn.Softmax, nn.LogSoftmax, nn.LocalResponseNorm),
):
    cost.register(_kind, _no_weights)

_INDEX_BYTES = 8  # of a maximum's place, kept for the backward pass


def output_bytes(layer, output_shape: Shape, itemsize: int, training: bool = False) -> int:
    """Bytes of new memory that a layer's output takes, for one image; in training with what is kept beside it."""
    if isinstance(layer, _VIEWS) or (isinstance(layer, _VIEWS_IN_INFERENCE) and not training):
        return 0
    kept = _INDEX_BYTES if training and isinstance(layer, _MAXIMA) else 0
    return prod(output_shape) * (itemsize + kept)
