"""ONNX Runtime on a model of one operator, weights prepared; with plain arrays and with bound ones."""

from __future__ import annotations

import numpy as np
import onnxruntime

from . import networks

_threads = 1


def start(threads: int) -> str:
    global _threads
    _threads = threads
    import onnx  # noqa: F401  builds the models: without it there is nothing to run

    onnxruntime.set_default_logger_severity(3)
    return onnxruntime.__version__


def forms(layer: dict, mode: str, data: dict) -> dict:
    if data["input"].dtype != np.float32:
        raise ValueError("ONNX Runtime takes part in float32 only")
    session = _session(_model(layer, data))
    feed = {"input": data["input"]}
    binding, output = session.io_binding(), np.empty(layer["output_shape"], np.float32)
    bound_input, bound_output = (onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in (data["input"], output))
    binding.bind_ortvalue_input("input", bound_input)
    binding.bind_ortvalue_output("output", bound_output)

    return {
        "run": (lambda: session.run(None, feed)[0], lambda y: {"output": y}),
        "io_binding": (lambda: session.run_with_iobinding(binding), lambda _: {"output": bound_output.numpy()}),
    }


def network(told: dict, mode: str, dtype: str) -> dict:
    from . import onnx_network

    if dtype != "float32":
        raise ValueError("ONNX Runtime takes part in float32 only")
    session = _session(onnx_network.model(told))
    x = networks.images(told, dtype)
    feed = {"input": x}
    return {"run": (lambda: session.run(None, feed)[0], lambda y: y, (session, x))}


def _session(model: bytes):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(layer: dict, data: dict) -> bytes:
    """The layer as an ONNX file in memory: weights are initializers, so that the session packs them once."""
    from onnx import TensorProto, helper, numpy_helper

    common = {"kernel_shape": layer["kernel"], "strides": [layer["stride"]] * 2, "pads": [layer["padding"]] * 4}
    constants = []
    if layer["op"] == "conv2d":
        attributes = {**common, "dilations": [layer["dilation"]] * 2, "group": layer["groups"]}
        node = helper.make_node("Conv", ["input", "weight", "bias"], ["output"], **attributes)
        constants = [numpy_helper.from_array(data[name], name) for name in ("weight", "bias")]
    elif layer["op"] == "max_pool2d":
        node = helper.make_node("MaxPool", ["input"], ["output"], **common)
    else:
        node = helper.make_node("AveragePool", ["input"], ["output"], count_include_pad=1, **common)
    graph = helper.make_graph(
        [node],
        layer["op"],
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, data["input"].shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, layer["output_shape"])],
        constants,
    )
    # old enough versions of the format that every runtime of the last years reads them
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
