"""fastconv itself: called as its users call it."""

from __future__ import annotations

import inspect

import numpy as np

import fastconv as fc

from . import calls, networks

_threads = 0


def start(threads: int) -> str:
    global _threads
    _threads = threads
    fc.set_num_threads(threads)
    return fc.__version__


def forms(layer: dict, mode: str, data: dict) -> dict:
    make = {
        "compiled": _compiled,
        "scaling": _compiled if hasattr(fc, "compile") else _plain,
        "plain": _plain,
        "backward": _backward,
        "pool": _pool,
        "pool-backward": _pool_backward,
        "signal": _signal,
    }[mode]
    return make(layer, **data)


def roofline(seconds: float) -> dict:
    """This machine's float32 multiply-add rate and read bandwidth on the threads that the benchmark uses."""
    from fastconv.kernels import roofline as kernel

    return {"flops": kernel.fma_peak(seconds, _threads), "bytes": kernel.bandwidth(seconds, _threads)}


def _options(layer):
    return (layer["stride"], layer["padding"], layer["dilation"], layer["groups"])


def _compiled(layer, input, weight, bias, grad_output):
    if not hasattr(fc, "compile"):
        raise ValueError(f"fastconv {fc.__version__} has no compile()")
    conv = fc.nn.Conv2d(
        layer["in_channels"], layer["out_channels"], tuple(layer["kernel"]), *_options(layer), dtype=input.dtype
    )
    conv.load_state_dict({"weight": weight, "bias": bias})
    plan = fc.compile(conv, input.shape[1:], batch=layer["batch"])
    output = np.empty(layer["output_shape"], input.dtype)
    return {
        "compile, out": (lambda: plan(input, out=output), lambda y: {"output": output}),
        "compile": (lambda: plan(input), lambda y: {"output": y}),
    }


def _plain(layer, input, weight, bias, grad_output):
    options = _options(layer)
    return {"conv2d": (lambda: fc.conv2d(input, weight, bias, *options), lambda y: {"output": y})}


def _backward(layer, input, weight, bias, grad_output):
    options = _options(layer)

    def call():
        y = fc.conv2d(input, weight, bias, *options)
        return y, *fc.functional.conv2d_backward(grad_output, input, weight, *options)

    def fetch(results):
        return dict(zip(("output", "grad_input", "grad_weight", "grad_bias"), results, strict=True))

    return {"conv2d_backward": (call, fetch)}


def _pool(layer, input, grad_output):
    pool = getattr(fc.functional, layer["op"])
    options = (tuple(layer["kernel"]), layer["stride"], layer["padding"])
    return {layer["op"]: (lambda: pool(input, *options), lambda y: {"output": y})}


def _pool_backward(layer, input, grad_output):
    options = (tuple(layer["kernel"]), layer["stride"], layer["padding"])
    if layer["op"] == "max_pool2d":
        indices = fc.functional.max_pool2d(input, *options, return_indices=True)[1]

        def call():
            return fc.functional.max_pool2d_backward(grad_output, indices, input.shape, *options)
    else:

        def call():
            return fc.functional.avg_pool2d_backward(grad_output, input.shape, *options)

    return {f"{layer['op']}_backward": (call, lambda g: {"grad_input": g})}


def _signal(layer, input, weight, bias, grad_output):
    try:
        from fastconv import signal
    except ImportError:
        raise ValueError(f"fastconv {fc.__version__} has no signal module") from None
    image, kernel = input[0, 0], weight[0, 0]

    def call():
        return signal.correlate2d(image, kernel, mode="same")

    return {"correlate2d": (call, lambda y: {"output": y[None, None]})}


def network(told: dict, mode: str, dtype: str) -> dict:
    net = _network(told, dtype)
    if mode == "training":
        images, labels = networks.data_set(told)
        data = fc.training.Dataset("random", fc.training.Split(images, labels))
        optimizer = fc.training.SGD(net, networks.LEARNING_RATE)

        def epoch():
            return fc.training.fit(net, data, optimizer=optimizer, epochs=1, batch_size=told["batch"])

        return {"fit": (epoch, None, (net, data))}
    plan, x = fc.compile(net.eval(), tuple(told["input_shape"]), batch=told["batch"]), networks.images(told, dtype)
    return {"compile": (lambda: plan(x), lambda y: y, (plan, x))}


def _network(told, dtype):
    layers = []
    for (kind, *sizes), held in zip(told["layers"], networks.weights(told, dtype), strict=True):
        if kind == "conv2d":
            (out, inputs, *kernel), stride, padding, dilation, groups = sizes
            options = tuple(map(tuple, (kernel, stride, padding, dilation)))
            layer = fc.nn.Conv2d(inputs * groups, out, *options, groups, dtype=dtype)
        elif kind == "linear":
            layer = fc.nn.Linear(sizes[0][1], sizes[0][0], dtype=dtype)
        else:
            layer = _PLAIN[kind](*(tuple(size) if isinstance(size, list) else size for size in sizes))
        if held is not None:
            layer.load_state_dict(dict(zip(("weight", "bias"), held, strict=True)))
        layers.append(layer)
    return fc.nn.Sequential(*layers)


_PLAIN = {
    "max_pool2d": fc.nn.MaxPool2d,
    "avg_pool2d": fc.nn.AvgPool2d,
    "dropout": fc.nn.Dropout,
    "relu": fc.nn.ReLU,
    "sigmoid": fc.nn.Sigmoid,
    "tanh": fc.nn.Tanh,
    "flatten": fc.nn.Flatten,
}


def operator(call: dict, mode: str, data: dict, dtype: str):
    """(function, results as a list of arrays, what must be kept alive) of an operator's call."""
    run, options = getattr(fc.functional, call["operator"]), dict(call["options"])
    if mode == "operators":
        return lambda: run(**data, **options), lambda y: [np.asarray(y)], data
    backward = getattr(fc.functional, f"{call['operator']}_backward")
    wanted = inspect.signature(backward).parameters
    if "seed" in wanted:  # from which the gradient draws the forward's mask again
        options["seed"] = 1
    known = {**data, **options, "input_shape": data["input"].shape}
    if "indices" in wanted:
        y, known["indices"] = run(**data, **options, return_indices=True)
    else:
        y = run(**data, **options)
    known["output"] = y
    shape = np.shape(y)
    known["grad_output"] = calls.gradient(shape, dtype) if shape else np.ones((), dtype)
    arguments = {name: known[name] for name in wanted if name in known}

    def results(found):
        found = found if isinstance(found, tuple) else (found,)
        return [array for array in found if array is not None]

    return lambda: backward(**arguments), results, arguments
