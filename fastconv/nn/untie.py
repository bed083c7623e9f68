"""A convolution without its principles: with weights of its own for each output, and as a dense layer.

Weights are copied to other places here, nothing is computed with them.
"""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.nn.linear import Linear

MOST_BYTES = 2**31  # of the weights that may be made


def untied(layer, kind, input_shape):
    """What a convolution's `untie` gives: a layer of the class `kind`, which is locally connected."""
    sizes = _input_sizes(layer, input_shape, "untie")
    output_shape = layer.output_shape(sizes)
    places = output_shape[1:]
    weight_shape = (*layer.parameter_shapes()["weight"], *places)
    _check_size({"weight": weight_shape, **_bias(layer, output_shape)}, layer, "untie")
    made = kind(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        sizes[1:],
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias is not None,
        dtype=layer.dtype,
    )
    arrays = {"weight": _at_all_places(layer.weight, weight_shape)}
    if layer.bias is not None:
        arrays["bias"] = _at_all_places(layer.bias, output_shape)
    made.set_arrays({key: np.array(array) for key, array in arrays.items()})
    return made


def dense(layer, input_shape, is_shared):
    """What `to_dense` gives, of a convolution (`is_shared`) or of a locally connected layer."""
    sizes = _input_sizes(layer, input_shape, "to_dense")
    output_shape = layer.output_shape(sizes)
    inputs, outputs = prod(sizes), prod(output_shape)
    has_bias = layer.bias is not None
    _check_size({"weight": (outputs, inputs), **({"bias": (outputs,)} if has_bias else {})}, layer, "to_dense")
    weight, bias = layer.weight, layer.bias
    if is_shared:
        weight = _at_all_places(weight, (*weight.shape, *output_shape[1:]))
        bias = None if bias is None else _at_all_places(bias, output_shape)
    made = Linear(inputs, outputs, has_bias, dtype=layer.dtype)
    arrays = {"weight": _spread(layer, weight, sizes, output_shape).reshape(outputs, inputs)}
    if bias is not None:
        arrays["bias"] = np.array(bias).reshape(outputs)
    made.set_arrays(arrays)
    return made


def _spread(layer, weight, sizes, output_shape):
    """(Cout, OH, OW, Cin, H, W): untied weights where the dense layer has them, zeros elsewhere."""
    geometry = layer.geometry(sizes)
    stride, pad, dilation, groups = geometry[0:2], geometry[2:4], geometry[4:6], geometry[6]
    # Lines are images of one row.
    (H, W), (OH, OW), (KH, KW) = (((1, *each) if len(each) == 1 else each) for each in (
        sizes[1:], output_shape[1:], layer.kernel_size
    ))  # fmt: skip
    Cout, Cin = output_shape[0] // groups, sizes[0] // groups
    weight = weight.reshape(groups, Cout, Cin, KH, KW, OH, OW)
    result = np.zeros((groups, Cout, OH, OW, groups, Cin, H, W), weight.dtype)
    group = np.arange(groups)[:, None, None]
    for kh in range(KH):
        rows, seen_rows = _seen(OH, H, stride[0], pad[0], dilation[0] * kh)
        for kw in range(KW):
            columns, seen_columns = _seen(OW, W, stride[1], pad[1], dilation[1] * kw)
            rows_, columns_ = rows[None, :, None], columns[None, None, :]
            # An array of indices on both sides of a slice comes first: (groups, rows, columns, Cout, Cin).
            result[group, :, rows_, columns_, group, :, seen_rows[None, :, None], seen_columns[None, None, :]] = weight[
                group, :, :, kh, kw, rows_, columns_
            ]
    return result


def _seen(outputs, inputs, stride, pad, tap):
    """The outputs along one axis whose tap lies on the image, and the pixels that it lies on."""
    places = np.arange(outputs)
    pixels = places * stride - pad + tap
    inside = (pixels >= 0) & (pixels < inputs)
    return places[inside], pixels[inside]


def _at_all_places(array, shape):
    """The array with further axes, along which it repeats itself; nothing is copied."""
    return np.broadcast_to(array.reshape(*array.shape, *(1,) * (len(shape) - array.ndim)), shape)


def _bias(layer, output_shape):
    return {"bias": output_shape} if "bias" in layer.parameter_shapes() else {}


def _input_sizes(layer, input_shape, method):
    """The input's shape without the batch: as said, or that of the last forward in training mode."""
    if getattr(layer, "padding_mode", "zeros") != "zeros":
        raise ValueError(f"{method} needs a padding of zeros, got padding_mode={layer.padding_mode!r} of {layer}")
    if input_shape is None:
        input_shape = layer.seen_shape()
        if input_shape is None:
            raise ValueError(
                f"{method} needs input_shape, the shape without the batch: {layer} has seen no image in training mode"
            )
    return args.shape(tuple(input_shape), "input_shape", (len(layer.kernel_size) + 1,))


def _check_size(shapes, layer, method):
    size = sum(prod(shape) for shape in shapes.values()) * layer.dtype.itemsize
    if size > MOST_BYTES:
        raise ValueError(
            f"{method} of {layer} makes weights of shape {shapes['weight']}, {size:,} bytes ({size / 2**30:,.1f} GiB); "
            f"at most 2 GiB are made, count them with fastconv.count"
        )
