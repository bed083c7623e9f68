"""OpenVINO on a model of one operator, compiled for the processor and for latency, in float32."""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset1 as ops

from . import networks

_threads = 1


def start(threads: int) -> str:
    global _threads
    _threads = threads
    return openvino.__version__.partition("-")[0]


def forms(layer: dict, mode: str, data: dict) -> dict:
    if data["input"].dtype != np.float32:
        raise ValueError("OpenVINO takes part in float32 only")
    request = _request(_model(layer, data))
    tensor = openvino.Tensor(data["input"], shared_memory=True)
    request.set_input_tensor(tensor)

    def infer():
        request.infer(share_outputs=True)
        return request

    def start_and_wait():
        request.start_async()
        request.wait()
        return request

    def fetch(request):
        return {"output": request.get_output_tensor().data}

    return {"infer": (infer, fetch), "start_async": (start_and_wait, fetch)}


def network(told: dict, mode: str, dtype: str) -> dict:
    from . import onnx_network

    if dtype != "float32":
        raise ValueError("OpenVINO takes part in float32 only")
    request, x = _request(openvino.Core().read_model(onnx_network.model(told))), networks.images(told, dtype)
    tensor = openvino.Tensor(x, shared_memory=True)
    request.set_input_tensor(tensor)

    def infer():
        request.infer(share_outputs=True)
        return request

    return {"infer": (infer, lambda request: request.get_output_tensor().data, (request, tensor, x))}


def _request(model):
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": _threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bfloat16 where the processor has it
    }
    return openvino.Core().compile_model(model, "CPU", settings).create_infer_request()


def _model(layer: dict, data: dict):
    image = ops.parameter(data["input"].shape, np.float32, name="input")
    stride, padding = [layer["stride"]] * 2, [layer["padding"]] * 2
    if layer["op"] == "conv2d":
        weight, dilation = data["weight"], [layer["dilation"]] * 2
        if layer["groups"] == 1:
            result = ops.convolution(image, ops.constant(weight), stride, padding, padding, dilation)
        else:
            weight = weight.reshape(layer["groups"], -1, *weight.shape[1:])
            result = ops.group_convolution(image, ops.constant(weight), stride, padding, padding, dilation)
        result = ops.add(result, ops.constant(data["bias"].reshape(1, -1, 1, 1)))
    elif layer["op"] == "max_pool2d":
        result = ops.max_pool(image, stride, padding, padding, layer["kernel"])
    else:
        result = ops.avg_pool(image, stride, padding, padding, layer["kernel"], exclude_pad=False)
    return openvino.Model([result], [image], layer["op"])
