"""What a plan does, a kernel call a step, as data; and one rule a layer type that makes the step."""

import copy as copies
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv import nn
from fastconv.kernels import conv, dense, elementwise, norm, operators
from fastconv.kernels.prepared import Prepared

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call. Shapes are without the batch, costs are those of one image.

    name: the layers that it computes, by their places in the network: "0 Conv2d + 1 ReLU"
    dataflow: how; "view" where there is nothing to compute
    macs: multiply-accumulates
    bytes: input, weights and output
    source_shapes, target_shape: what the kernel wants of one image: (1, C, H, W), or (1, rows, features) for a dense
        layer; a batch makes the first entry longer. Where branches meet there are several sources
    run: run(*sources, target), on arrays of these shapes; None for a view
    prepared: the operator whose forward `run` is; None where `run` is Python's, or nothing
    in_place: whether the target may be the first source
    """

    name: str
    dataflow: str
    input_shape: Shape
    output_shape: Shape
    macs: int
    bytes: int
    source_shapes: tuple[Shape, ...]
    target_shape: Shape
    run: Callable | None
    in_place: bool
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a rule is told besides the layer: where it stands and what for."""

    name: str
    input_shape: Shape
    batch: int
    dtype: np.dtype
    relu: bool = False  # a ReLU comes next, to be computed along
    dataflow: str | None = None  # the one to take, by name; None: the one that is thought fastest
    as_lanes: bool = False  # larger batches take their images in the lanes: the same bits are to come out

    @property
    def whole_shape(self) -> Shape:
        return (self.batch, *self.input_shape)


def make(layer, place: Place) -> Step:
    """The step of a layer.

    Raises:
        TypeError: a layer of a type without a rule, or whose forward is not that of the rule's type.
    """
    return _rule(layer)(layer, place)


def check(layer):
    """Raises make's TypeError, before anything is prepared."""
    _rule(layer)


def copy(place: Place) -> Step:
    """For a network that computes nothing: the result is a new array all the same."""
    return _step(place, "copy", place.input_shape, lambda x, y: np.copyto(y, x))


def _rule(layer):
    for kind in type(layer).__mro__:
        if kind in _RULES and type(layer).forward is kind.forward:
            if getattr(layer, "return_indices", False):
                raise TypeError(f"net holds {layer!r} with return_indices=True, but a step of a plan has one result")
            return _RULES[kind]
    raise TypeError(
        f"net holds a layer of type {type(layer).__name__} (= {layer!r}), which a plan cannot compute; expected "
        "layers of fastconv.nn that take one array (Conv2d, Linear, ReLU, ...), Concat, Residual or Sequential, with "
        "their own forward"
    )


def _step(place, dataflow, output_shape, run, *, macs=0, weights=(), shapes=None, in_place=False):
    """run: a prepared operator, or a function. shapes: the kernel's (source, target), where not the image's."""
    prepared = run if isinstance(run, Prepared) else None
    elements = prod(place.input_shape) + prod(output_shape) + sum(each.size for each in weights if each is not None)
    source_shape, target_shape = shapes or ((1, *place.input_shape), (1, *output_shape))
    return Step(
        name=place.name,
        dataflow=dataflow,
        input_shape=place.input_shape,
        output_shape=output_shape,
        macs=macs,
        bytes=elements * place.dtype.itemsize if run else 0,
        source_shapes=(source_shape,),
        target_shape=target_shape,
        run=prepared.forward if prepared else run,
        in_place=in_place,
        prepared=prepared,
    )


def _conv2d(layer, place):
    if layer.padding_mode != "zeros":
        return _convolution(layer, place)
    weight, bias = layer.weight, layer.bias
    (_, *output_shape), geometry = args.conv2d(
        place.whole_shape, weight.shape, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    prepared = conv.Convolution(
        weight,
        bias,
        *place.input_shape[1:],
        *output_shape[1:],
        *geometry,
        relu=place.relu,
        dataflow=place.dataflow,
        as_lanes=place.as_lanes,
    )
    macs = prod(output_shape) * prod(weight.shape[1:])
    return _step(place, prepared.dataflow, tuple(output_shape), prepared, macs=macs, weights=(weight, bias))


def _linear(layer, place):
    (_, *output_shape), (_, N, K) = args.linear(place.whole_shape, layer.weight.shape)
    rows = prod(place.input_shape[:-1])
    prepared = dense.Dense(np.ascontiguousarray(layer.weight), layer.bias, rows, place.relu)
    return _step(
        place,
        "gemm",
        tuple(output_shape),
        prepared,
        macs=rows * N * K,
        weights=(layer.weight, layer.bias),
        shapes=((1, rows, K), (1, rows, N)),
    )


def _max_pool2d(layer, place):
    (_, *output_shape), geometry = args.pool2d(
        place.whole_shape, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
    )
    prepared = operators.Pooling(False, place.dtype.itemsize, *place.input_shape, *output_shape[1:], *geometry)
    return _step(place, "pool", tuple(output_shape), prepared)


def _avg_pool2d(layer, place):
    (_, *output_shape), geometry = args.pool2d(
        place.whole_shape, layer.kernel_size, layer.stride, layer.padding, 1, layer.ceil_mode
    )
    prepared = operators.Pooling(
        True,
        place.dtype.itemsize,
        *place.input_shape,
        *output_shape[1:],
        *geometry,
        layer.count_include_pad,
        args.divisor(layer.divisor_override),
    )
    return _step(place, "pool", tuple(output_shape), prepared)


def _flatten(layer, place):
    return _step(place, "view", layer.output_shape(place.input_shape), None)


def _elementwise(name, attribute=None):
    """A function of one element; `attribute` names the layer's number that it takes."""
    function = elementwise.function_number(name)

    def rule(layer, place):
        parameter = getattr(layer, attribute) if attribute else 0.0
        prepared = operators.Pointwise(function, parameter, prod(place.input_shape), place.dtype.itemsize)
        return _step(place, "elementwise", place.input_shape, prepared, in_place=True)

    return rule


def _gelu(layer, place):
    return _GELU[layer.approximate](layer, place)


def _batch_norm(layer, place):
    """From the running statistics; without them the statistics are those of whatever batch comes."""
    if not layer.track_running_stats:
        return _scaling(layer, place)
    channels = layer.num_features
    shape = (1, channels, prod(place.input_shape[1:]))
    weight, bias = (None if array is None else array.copy() for array in (layer.weight, layer.bias))
    mean, inverse = np.empty((2, channels))
    norm.batch_norm_running(layer.running_mean, layer.running_var, layer.eps, mean, inverse)
    prepared = operators.Scaling(place.dtype.itemsize, *shape[1:], weight, bias, mean, inverse)
    weights, macs = (weight, bias, layer.running_mean, layer.running_var), prod(place.input_shape)
    return _step(
        place, "channels", place.input_shape, prepared, macs=macs, weights=weights, shapes=(shape, shape), in_place=True
    )


def _by_layer(macs=None):
    """The rule of a layer without a kernel prepared: a copy of it computes. macs(layer, input shape, output shape)."""

    def rule(layer, place):
        layer.parameters()  # what is not drawn yet would be drawn anew by the copy
        alone = copies.copy(layer)
        alone._saved = alone._gradients = None
        alone = copies.deepcopy(alone).eval()

        def run(x, y):
            np.copyto(y, alone.forward(x))

        output_shape = alone.output_shape(place.input_shape)
        return _step(
            place,
            "layer",
            output_shape,
            run,
            macs=macs(alone, place.input_shape, output_shape) if macs else 0,
            weights=(*alone.parameters().values(), *alone.buffers().values()),
        )

    return rule


def _window(channels, layer):
    return channels // layer.groups * prod(layer.kernel_size)


_convolution = _by_layer(lambda layer, given, made: prod(made) * _window(layer.in_channels, layer))
_transposed = _by_layer(lambda layer, given, made: prod(given) * _window(layer.out_channels, layer))
_scaling = _by_layer(lambda layer, given, made: prod(made))
_other = _by_layer()


_GELU = {"none": _elementwise("gelu"), "tanh": _elementwise("gelu_tanh")}

_RULES = {
    nn.Conv2d: _conv2d,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool2d,
    nn.AvgPool2d: _avg_pool2d,
    nn.Flatten: _flatten,
    nn.Unflatten: _flatten,
    nn.Identity: _flatten,
    nn.Dropout: _flatten,  # which drops nothing in inference
    nn.ReLU: _elementwise("relu"),
    nn.ReLU6: _elementwise("relu6"),
    nn.LeakyReLU: _elementwise("leaky_relu", "negative_slope"),
    nn.ELU: _elementwise("elu", "alpha"),
    nn.GELU: _gelu,
    nn.SiLU: _elementwise("silu"),
    nn.Sigmoid: _elementwise("sigmoid"),
    nn.Tanh: _elementwise("tanh"),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    **dict.fromkeys((nn.Conv1d, nn.Conv3d, nn.LocallyConnected1d, nn.LocallyConnected2d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _transposed),
    **dict.fromkeys((nn.LayerNorm, nn.GroupNorm), _scaling),
    **dict.fromkeys(
        (
            *(nn.MaxPool1d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool3d),
            *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
            *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
            *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
            *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
            *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
            *(nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
            *(nn.PReLU, nn.Softmax, nn.LogSoftmax, nn.LocalResponseNorm, nn.Unfold, nn.Fold),
        ),
        _other,
    ),
}
