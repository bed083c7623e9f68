"""A network as an ONNX file in memory, which ONNX Runtime and OpenVINO read."""

from __future__ import annotations

from onnx import TensorProto, helper, numpy_helper

from . import networks

_NODES = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "flatten": "Flatten"}


def model(network: dict) -> bytes:
    """Weights are initializers, so that they are packed once."""
    nodes, constants, here = [], [], "input"
    for number, ((kind, *sizes), held) in enumerate(
        zip(network["layers"], networks.weights(network, "float32"), strict=True)
    ):
        if kind == "dropout":
            continue
        inputs, there, attributes = [here], f"y{number}", {}
        if held is not None:
            names = f"w{number}", f"b{number}"
            constants += [numpy_helper.from_array(array, name) for array, name in zip(held, names, strict=True)]
            inputs += names
        if kind == "conv2d":
            (_, _, *kernel), stride, padding, dilation, groups = sizes
            attributes = {
                "kernel_shape": kernel,
                "strides": stride,
                "pads": [*padding, *padding],
                "dilations": dilation,
            }
            attributes["group"], operator = groups, "Conv"
        elif kind == "linear":
            attributes, operator = {"transB": 1}, "Gemm"
        elif kind in ("max_pool2d", "avg_pool2d"):
            kernel, stride, padding = sizes
            attributes = {"kernel_shape": kernel, "strides": stride, "pads": [*padding, *padding]}
            if kind == "avg_pool2d":
                attributes["count_include_pad"] = 1
            operator = "MaxPool" if kind == "max_pool2d" else "AveragePool"
        else:
            operator = _NODES[kind]
        nodes.append(helper.make_node(operator, inputs, [there], **attributes))
        here = there
    shape = [network["batch"], *network["input_shape"]]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(here, TensorProto.FLOAT, None)],
        constants,
    )
    # old enough versions of the format that every runtime of the last years reads them
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
