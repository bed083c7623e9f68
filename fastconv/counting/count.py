"""count(): walk a network without running it. One rule a layer type; parameters come from the layers themselves."""

from functools import singledispatch
from math import prod
from operator import index
from typing import NamedTuple

from fastconv import nn
from fastconv.counting.report import LayerCount, Report, Total

Shape = tuple[int, ...]


def count(net, input_shape, *, model: str | None = None) -> Report:
    """Count the parameters and multiply-accumulates of a network, and its parameters if every convolution were dense.

    net: a layer or a container (nn.Sequential), whose weights need not have been drawn yet: none are
    input_shape: positive integers without the batch, e.g. (1, 28, 28)
    model: the name that stands in the report; by default net.name where there is one, else the class

    A layer that stands twice counts its parameters once (the first time) and its MACs every time. The branches of a
    Residual or Concat follow each other. Pooling, activations, reshaping, padding and sums have no MACs: they multiply
    no weights. A normalisation has one for each element that it scales.

    Raises TypeError for an input shape that holds anything but integers and for a layer type without a rule (add one
    with ``fastconv.counting.cost.register``); ValueError for a shape that the network does not take, naming the layer.

    Example:
        >>> import fastconv as fc
        >>> net = fc.nn.Sequential(fc.nn.Conv2d(1, 6, 5, padding=2), fc.nn.ReLU())
        >>> fc.count(net, (1, 28, 28)).total
        Total(parameters=156, macs=117600, dense_parameters=3692640)

    Source: the dense equivalent is the matrix between the flattened maps: "Dive into Deep Learning", section 7.1.
    """
    shape = first = _parse_shape(input_shape)
    rows = []
    _walk(net, "", shape, rows, _Seen())
    total = Total(
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        dense_parameters=sum(row.dense_parameters for row in rows),
    )
    return Report(model or getattr(net, "name", None) or type(net).__name__, first, tuple(rows), total)


class Cost(NamedTuple):
    """What a rule tells of a layer: its MACs, and its parameters as a dense layer (None: the same as its own)."""

    macs: int
    dense_parameters: int | None = None


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


@cost.register(nn.Conv1d)
@cost.register(nn.Conv2d)
@cost.register(nn.Conv3d)
@cost.register(nn.LocallyConnected1d)
@cost.register(nn.LocallyConnected2d)
def _convolution(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    # Every output element sums a window of every input channel of its group.
    window = layer.in_channels // layer.groups * prod(layer.kernel_size)
    return Cost(prod(output_shape) * window, _as_dense(layer, input_shape, output_shape))


@cost.register(nn.ConvTranspose1d)
@cost.register(nn.ConvTranspose2d)
@cost.register(nn.ConvTranspose3d)
def _conv_transpose(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    # Every input element is spread over a window of every output channel of its group.
    window = layer.out_channels // layer.groups * prod(layer.kernel_size)
    return Cost(prod(input_shape) * window, _as_dense(layer, input_shape, output_shape))


def _as_dense(layer, input_shape: Shape, output_shape: Shape) -> int:
    inputs, outputs = prod(input_shape), prod(output_shape)
    # A dense layer has a bias for each output element where a convolution has one for each channel.
    return inputs * outputs + (outputs if "bias" in layer.parameter_shapes() else 0)


@cost.register(nn.Linear)
def _linear(layer: nn.Linear, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=prod(output_shape) * layer.in_features)


@cost.register(nn.BatchNorm1d)
@cost.register(nn.BatchNorm2d)
@cost.register(nn.BatchNorm3d)
@cost.register(nn.GroupNorm)
@cost.register(nn.LayerNorm)
def _normalisation(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=prod(output_shape))


def _no_weights(layer, input_shape: Shape, output_shape: Shape) -> Cost:
    return Cost(macs=0)


for _kind in (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d, nn.Unfold, nn.Fold),
    *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
    *(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh),
    *(nn.Softmax, nn.LogSoftmax, nn.LocalResponseNorm, nn.Dropout, nn.Flatten, nn.Unflatten, nn.Identity),
):
    cost.register(_kind, _no_weights)


class _Seen:
    """The layers that were counted already, so that shared weights are counted once."""

    def __init__(self):
        self._keys = set()

    def first_time(self, *key) -> bool:
        new = key not in self._keys
        self._keys.add(key)
        return new


def _walk(net, name: str, shape: Shape, rows: list[LayerCount], seen: _Seen) -> Shape:
    """Count the layers that compute, in order, under their names in the network's state_dict (a lone layer is "0").

    Returns the output's shape.
    """
    if isinstance(net, nn.Sequential):
        for child, layer in net.children():
            shape = _walk(layer, _join(name, child), shape, rows, seen)
        return shape
    if isinstance(net, nn.Residual | nn.Concat):
        for child, layer in net.children():
            _walk(layer, _join(name, child), shape, rows, seen)
        return _output_shape(name, net, shape)
    row = _count_layer(name or "0", net, shape, seen)
    rows.append(row)
    return row.output_shape


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _output_shape(name: str, layer, input_shape: Shape) -> Shape:
    try:
        return tuple(layer.output_shape(input_shape))
    except (TypeError, ValueError) as error:
        # The layer knows what it takes; which layer it was, and what reached it, only the walk knows.
        kind = type(layer).__name__
        raise type(error)(f"layer {name} ({kind}) does not take input of shape {input_shape}: {error}") from error


def _count_layer(name: str, layer, input_shape: Shape, seen: _Seen) -> LayerCount:
    type_name = type(layer).__name__
    if cost.dispatch(type(layer)) is cost.dispatch(object):
        cost(layer, input_shape, ())  # raises, before anything is asked of an object that may be no layer at all
    output_shape = _output_shape(name, layer, input_shape)
    macs, dense = cost(layer, input_shape, output_shape)
    own = sum(prod(shape) for shape in layer.parameter_shapes().values())
    dense = own if dense is None else dense
    return LayerCount(
        name=name,
        type=type_name,
        output_shape=output_shape,
        parameters=own if seen.first_time(id(layer)) else 0,
        macs=macs,
        # Unlike a convolution, a dense layer serves one input shape only; and one with the same counts is shared too.
        dense_parameters=dense if seen.first_time(id(layer), dense) else 0,
    )


def _parse_shape(input_shape) -> Shape:
    if isinstance(input_shape, (str, bytes)):
        raise TypeError(f"input_shape (= {input_shape!r}) must be a sequence of integers such as (1, 28, 28)")
    try:
        entries = tuple(input_shape)
    except TypeError:
        raise TypeError(f"input_shape (= {input_shape!r}) must be a sequence of integers such as (1, 28, 28)") from None
    shape = tuple(_parse_extent(entry, input_shape) for entry in entries)
    if not shape:
        raise ValueError("input_shape (= ()) must hold at least one extent, e.g. (1, 28, 28)")
    return shape


def _parse_extent(entry, input_shape) -> int:
    try:
        extent = None if isinstance(entry, bool) or type(entry).__name__ == "bool_" else index(entry)
    except TypeError:
        extent = None
    if extent is None:
        raise TypeError(f"input_shape (= {input_shape!r}) must hold integers, got {entry!r}")
    if extent <= 0:
        raise ValueError(f"input_shape (= {input_shape!r}) must hold positive integers, got {extent}")
    return extent
