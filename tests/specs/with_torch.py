"""What torch gives, in float64, from the same numbers. None where it is not installed: then the reference stands in."""

import warnings

import numpy as np

try:
    import torch
except ImportError:
    torch = None


def name():
    return "the reference (no torch here)" if torch is None else f"torch {torch.__version__}"


def tensor(value, dtype=np.float64):
    """An array as a tensor that owns its memory; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "f":
        value = value.astype(dtype)
    elif value.dtype.kind in "iu":
        value = value.astype(np.int64)
    return torch.from_numpy(np.array(value, order="C"))


def call(operator, tensors):
    if operator.call is not None:
        return operator.call(torch, tensors)
    return getattr(torch.nn.functional, operator.name)(**tensors)


def results(operator, arguments, grad, wanted):
    """The forward's results, and the gradients of the arguments in `wanted`."""
    tensors = {key: tensor(value) for key, value in arguments.items()}
    leaves = [key for key in wanted if torch.is_tensor(tensors.get(key)) and tensors[key].is_floating_point()]
    leaves = [key for key in leaves if key not in operator.updates]
    if operator.name == "group_norm" and arguments["weight"] is None and arguments["bias"] is not None:
        # torch's backward fails on a bias without a weight: "tensor does not have a device"
        tensors["weight"] = torch.ones_like(tensors["bias"])
    for key in leaves:
        tensors[key].requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = call(operator, tensors)
    found = {"output": found[0], "indices": found[1]} if isinstance(found, tuple) else {"output": found}
    if leaves:  # torch mixes up the elements of a gradient whose layout may be taken for channels last
        found["output"].backward(torch.from_numpy(np.array(grad, np.float64, order="C")))
    found |= {key: tensors[key].grad for key in leaves}
    found |= {key: tensors[key] for key in operator.updates if tensors.get(key) is not None}
    return {key: value.detach().numpy() for key, value in found.items()}
