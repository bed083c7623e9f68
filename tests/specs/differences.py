"""Where fastconv takes less than torch, or more, on purpose, each with its reason. Tests admit no other difference."""

import numpy as np

from specs.draw import per_axis

FLOATS = ("float32", "float64")
BOOLEANS = ("ceil_mode", "return_indices", "count_include_pad", "training", "inplace")
INDICES = ("target", "indices")


def reason_to_take_less(name, arguments, spoilt):
    """Why fastconv refuses a call that torch takes; None where it should not."""
    value = arguments.get(spoilt)
    if name == "add":
        return "add takes arrays of one shape and dtype; it does not broadcast"
    if spoilt == "stride" and name.startswith("max_unpool"):
        return "a stride a dimension, of integers; torch looks at no more of them than it needs"
    if isinstance(value, np.ndarray):
        return _array_reason(name, arguments, spoilt, value)
    if spoilt in BOOLEANS and not isinstance(value, bool):
        return "a flag is True or False: whatever else Python takes for true is a mistake"
    parts = value if isinstance(value, (tuple, list)) else [value]
    if any(isinstance(each, bool) for each in parts):
        return "sizes and numbers are never booleans"
    if any(isinstance(each, float) for each in parts) and spoilt not in ("value", "alpha", "negative_slope"):
        return "sizes are never floats"
    if spoilt in ("size_average", "reduce"):
        return "torch has deprecated them for reduction, which says the same"
    if spoilt == "stride" and "pool" in name and isinstance(value, (tuple, list)) and not value:
        return "no stride at all is said by None; an empty sequence is a mistake"
    return None


def _array_reason(name, arguments, spoilt, value):
    if name == "cat" and value.shape == (0,):
        return "torch.cat passes over an empty line whatever the others' shapes, and calls that a legacy"
    if spoilt in INDICES and name != "mse_loss" and value.dtype.kind in "iu":
        return None
    if value.dtype.name not in FLOATS:
        return "float32 and float64 are computed; whatever else says what to convert it to"
    if any(
        isinstance(each, np.ndarray) and each.dtype.kind == "f" and each.dtype != value.dtype
        for each in arguments.values()
    ):
        return "all arrays of a call have one dtype"
    if name.startswith("adaptive_avg_pool") and spoilt == "input":
        return "the dimensions that torch documents; for a single output pixel it takes any"
    if name == "linear" and spoilt == "bias":
        return "a bias has the shape that torch documents, (out_features,); it does not broadcast"
    if spoilt == "weight" and name in ("cross_entropy", "nll_loss"):
        return "the weights have the shape that torch documents, (C,)"
    if spoilt in ("weight", "bias") and name == "batch_norm":
        return "weight and bias have the shape that torch documents, (C,)"
    if not value.size and name == "batch_norm":
        return "shapes must fit where there is nothing to compute, too"
    return None


def reason_to_take_more(name, arguments, spoilt):
    """Why fastconv takes a call that torch refuses; None where it should not."""
    for each in INDICES:
        value = arguments.get(each)
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.dtype != np.int64:
            return "indices of any integer type are taken; torch wants int64, or uint8 now and then"
    if name == "cross_entropy" and np.ndim(arguments.get("input")) == 1 and np.shape(arguments.get("target")) == (1,):
        return "the index of a single row may have shape (1,) with label smoothing as without; torch's only without"
    if name == "linear" and np.ndim(arguments.get("weight")) == 1:
        return "a bias of shape () is taken for an input of any shape; torch refuses it for a matrix"
    return None


def reason_to_give_another_result(name, arguments):
    """Why results of calls that both take need not agree; None where they must."""
    if name.startswith("max_pool"):
        dims = int(name[-2])
        image, dilation = arguments["input"].shape[-dims:], per_axis(arguments.get("dilation", 1), dims)
        if any(r > n for n, r in zip(image, dilation, strict=True)):
            return "a window wholly in the padding: torch's index may lie outside the image, ours does not"
    return None
