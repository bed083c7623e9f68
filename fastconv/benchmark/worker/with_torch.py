"""PyTorch eager, on NCHW tensors as users have them."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from . import calls, networks


def start(threads: int) -> str:
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.set_grad_enabled(False)
    return torch.__version__


def forms(layer: dict, mode: str, data: dict) -> dict:
    tensors = {name: torch.from_numpy(array) for name, array in data.items()}
    make = {"backward": _backward, "pool": _pool, "pool-backward": _pool_backward}.get(mode, _conv2d)
    return make(layer, **tensors)


def _conv2d(layer, input, weight, bias, grad_output):
    options = (layer["stride"], layer["padding"], layer["dilation"], layer["groups"])

    def call():
        return F.conv2d(input, weight, bias, *options)

    return {"conv2d": (call, lambda y: {"output": y.numpy()})}


def _backward(layer, input, weight, bias, grad_output):
    stride, padding, dilation = ([layer[name]] * 2 for name in ("stride", "padding", "dilation"))
    groups, sizes = layer["groups"], [layer["out_channels"]]
    wanted = [tensor.clone().requires_grad_() for tensor in (input, weight, bias)]

    def autograd():
        with torch.enable_grad():
            y = F.conv2d(*wanted, stride, padding, dilation, groups)
            return y, *torch.autograd.grad(y, wanted, grad_output)

    def direct():
        y = F.conv2d(input, weight, bias, stride, padding, dilation, groups)
        return y, *torch.ops.aten.convolution_backward(
            grad_output, input, weight, sizes, stride, padding, dilation, False, [0, 0], groups, [True] * 3
        )

    def fetch(results):
        names = ("output", "grad_input", "grad_weight", "grad_bias")
        return {name: tensor.detach().numpy() for name, tensor in zip(names, results, strict=True)}

    return {"autograd": (autograd, fetch), "convolution_backward": (direct, fetch)}


def _pool(layer, input, grad_output):
    pool = F.max_pool2d if layer["op"] == "max_pool2d" else F.avg_pool2d
    options = (layer["kernel"], layer["stride"], layer["padding"])

    def call():
        return pool(input, *options)

    return {layer["op"]: (call, lambda y: {"output": y.numpy()})}


def _pool_backward(layer, input, grad_output):
    kernel, stride, padding = layer["kernel"], [layer["stride"]] * 2, [layer["padding"]] * 2
    if layer["op"] == "max_pool2d":
        indices = F.max_pool2d(input, kernel, stride, padding, return_indices=True)[1]

        def call():
            return torch.ops.aten.max_pool2d_with_indices_backward(
                grad_output, input, kernel, stride, padding, [1, 1], False, indices
            )
    else:

        def call():
            return torch.ops.aten.avg_pool2d_backward(grad_output, input, kernel, stride, padding, False, True, None)

    return {f"{layer['op']}_backward": (call, lambda g: {"grad_input": g.numpy()})}


def network(told: dict, mode: str, dtype: str) -> dict:
    net = chain(told, dtype)
    if mode == "inference":
        net.eval()
        x = torch.from_numpy(networks.images(told, dtype))
        return {"eager": (lambda: net(x), lambda y: y.numpy(), x)}
    return {"eager": training(told, net, loss_of(net, dtype))}


def chain(told: dict, dtype: str) -> torch.nn.Sequential:
    """The network's layers, with the weights that every library has."""
    held = networks.weights(told, dtype)
    return torch.nn.Sequential(*(_layer(*layer, held=held) for layer, held in zip(told["layers"], held, strict=True)))


def loss_of(net: torch.nn.Sequential, dtype: str):
    """The loss of a batch, as a function of its bytes and labels."""

    def loss(images, labels):
        return F.cross_entropy(net(images.to(getattr(torch, dtype)).div_(255)), labels)

    return loss


def training(told: dict, net: torch.nn.Sequential, loss_of):
    """(function that trains for an epoch, None, what must be kept alive)."""
    images, labels = map(torch.from_numpy, networks.data_set(told))
    optimizer, batch = torch.optim.SGD(net.parameters(), networks.LEARNING_RATE), told["batch"]

    def epoch():
        loss_sum = 0.0
        order = torch.randperm(len(images))
        with torch.enable_grad():
            for start in range(0, len(images), batch):
                chosen = order[start : start + batch]
                optimizer.zero_grad()
                loss = loss_of(images[chosen], labels[chosen])
                loss.backward()
                optimizer.step()
                loss_sum += loss.item() * len(chosen)
        return loss_sum

    return epoch, None, (net, images, labels)


def _layer(kind, *sizes, held):
    if kind == "conv2d":
        (out, inputs, *kernel), *options, groups = sizes
        layer = torch.nn.Conv2d(inputs * groups, out, kernel, *options, groups)
    elif kind == "linear":
        layer = torch.nn.Linear(sizes[0][1], sizes[0][0])
    else:
        return _PLAIN[kind](*sizes)
    for name, array in zip(("weight", "bias"), held, strict=True):
        setattr(layer, name, torch.nn.Parameter(torch.from_numpy(array)))
    return layer


_PLAIN = {
    "max_pool2d": torch.nn.MaxPool2d,
    "avg_pool2d": torch.nn.AvgPool2d,
    "dropout": torch.nn.Dropout,
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "flatten": torch.nn.Flatten,
}


def operator(call: dict, mode: str, data: dict, dtype: str):
    """(function, results as a list of arrays, what must be kept alive) of an operator's call."""
    run = getattr(F, call["operator"])
    tensors = {name: torch.from_numpy(array) for name, array in data.items()}
    options = call["options"]
    if mode == "operators":
        return lambda: run(**tensors, **options), lambda y: [y.numpy()], tensors
    wanted = [
        tensor.requires_grad_()
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not name.startswith("running_") and name != "target"
    ]
    with torch.enable_grad():
        y = run(**tensors, **options)
    grad_output = torch.from_numpy(calls.gradient(tuple(y.shape), dtype)) if y.ndim else torch.ones((), dtype=y.dtype)

    def backward():
        return torch.autograd.grad(y, wanted, grad_output, retain_graph=True)

    return backward, lambda results: [tensor.numpy() for tensor in results], (tensors, y, grad_output)
