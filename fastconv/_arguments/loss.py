"""Inputs, targets and weights of the losses."""

import warnings

import numpy as np

from fastconv._arguments.arrays import INT64, contiguous, floats, foreign, gradient, integers, same_shape
from fastconv._arguments.numbers import choice, flag, type_name

_REDUCTIONS = ("mean", "sum", "none")


def reduction(value, size_average, reduce):
    """ "mean", "sum" or "none"; where one of torch's older arguments is given they decide, with torch's warning."""
    if size_average is None and reduce is None:
        return value if value in _REDUCTIONS else choice(value, "reduction", _REDUCTIONS)
    average, reduced = (
        True if each is None else flag(each, name)
        for each, name in ((size_average, "size_average"), (reduce, "reduce"))
    )
    value = ("mean" if average else "sum") if reduced else "none"
    warnings.warn(f"size_average and reduce are deprecated: use reduction={value!r}", stacklevel=3)
    return value


def logits(input):
    """The logits of a cross entropy, or their logarithms: (N, C), (C,) or (N, C, d1, ...)."""
    array = floats(input, "input")
    if array.ndim == 0:
        raise ValueError("input must have shape (C,), (N, C) or (N, C, d1, ...), got shape ()")
    return array


def channel_weight(weight, like):
    """PReLU's: a value for each channel of `like`, or one for all."""
    array = floats(weight, "weight", like)
    channels = like.shape[1] if like.ndim > 1 else 1
    if array.ndim > 1 or array.size not in (1, channels):
        raise ValueError(
            f"weight must have shape {(channels,)} or (1,), a value for each channel or one for all, got shape "
            f"{array.shape} (input has shape {like.shape})"
        )
    return array


def class_weights(weight, classes, like):
    array = floats(weight, "weight", like)
    if array.shape != (classes,):
        raise ValueError(f"weight must have shape {(classes,)}, one value a class, got shape {array.shape}")
    return contiguous(array)


def class_targets(target, like, ignore_index):
    """The targets of a cross entropy over the logits `like`: probabilities where target has the logits' shape (torch's
    rule), else class indices. Returns (array, whether they are probabilities), contiguous; whether each index is a
    class, the kernel sees."""
    array = target if type(target) is np.ndarray else foreign(target, "target", "np.int64")
    sizes = like.shape
    if array.shape == sizes:
        if array.dtype.kind in "iub":
            raise TypeError(
                f"target has the shape of input, {sizes}, so it must hold class probabilities ({like.dtype}), got "
                f"dtype {array.dtype}; class indices have shape {_class_shape(sizes)}"
            )
        if ignore_index >= 0:
            raise ValueError(
                f"ignore_index (={ignore_index}) needs class indices, but target of shape {sizes} holds probabilities"
            )
        return contiguous(floats(array, "target", like)), True
    return class_indices(array, sizes, f" (class indices) or {sizes} (class probabilities)"), False


def class_indices(target, sizes, more=""):
    """Class indices for logits of shape `sizes`, as contiguous int64; a single row of logits may have them as (1,)."""
    array = integers(target, "target")
    expected = _class_shape(sizes)
    if array.shape != expected and not (len(sizes) == 1 and array.shape == (1,)):
        raise ValueError(f"target has shape {array.shape}, expected {expected}{more} for input of shape {sizes}")
    return contiguous(array if array.dtype is INT64 else array.astype(np.int64))


def _class_shape(sizes):
    return sizes[:1] + sizes[2:] if len(sizes) > 1 else ()


def class_error(target, classes, ignore_index):
    """The words for a target that the kernel refused."""
    array = integers(foreign(target, "target", "np.int64"), "target")
    wrong = array[((array < 0) | (array >= classes)) & (array != ignore_index)]
    shown = f", got {int(wrong.flat[0])}" if wrong.size else ""
    return ValueError(
        f"target must hold classes between 0 and {classes - 1}, or ignore_index (={ignore_index}){shown} "
        f"(target has shape {array.shape})"
    )


def smoothing(value):
    """label_smoothing, a number between 0 and 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"label_smoothing must be a number, got label_smoothing={value!r} ({type_name(value)})")
    if not 0 <= value <= 1:
        raise ValueError(f"label_smoothing must lie between 0 and 1, got label_smoothing={value!r}")
    return float(value)


def loss_gradient(value, expected, like):
    """grad_output of a loss: an array of the loss's shape; for a single number a Python number will do as well."""
    if expected == () and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return gradient(value, expected, like)


def broadcast(sizes, target_sizes):
    """The shape of input and target together, as torch broadcasts them."""
    try:
        return np.broadcast_shapes(sizes, target_sizes)
    except ValueError:
        raise ValueError(f"target has shape {target_sizes}, which does not fit input of shape {sizes}") from None


def loss_weights(weight, sizes, like):
    if weight is None:
        return None
    array = floats(weight, "weight", like)
    same_shape(array, "weight", sizes, "input")
    return array
