"""Inputs, targets and weights of the losses."""

import numpy as np

from fastconv._arguments.arrays import contiguous, floats, foreign, gradient, integers, same_shape
from fastconv._arguments.numbers import choice, type_name

_REDUCTIONS = ("mean", "sum", "none")


def reduction(value, size_average, reduce):
    if size_average is not None or reduce is not None:
        raise ValueError(
            f"size_average and reduce must be None, got size_average={size_average!r}, reduce={reduce!r}: "
            f"use reduction='mean', 'sum' or 'none'"
        )
    return choice(value, "reduction", _REDUCTIONS)


def logits(input):
    """The logits of a cross entropy: (N, C), (C,) or (N, C, d1, ...)."""
    array = floats(input, "input")
    if array.ndim == 0:
        raise ValueError("input must have shape (C,), (N, C) or (N, C, d1, ...), got shape ()")
    return array


def class_weights(weight, classes, like):
    if weight is None:
        return None
    array = floats(weight, "weight", like)
    if array.shape != (classes,):
        raise ValueError(f"weight must have shape {(classes,)}, one value a class, got shape {array.shape}")
    return contiguous(array)


def class_targets(target, like, ignore_index):
    """The targets of a cross entropy over the logits `like`: probabilities where target has the logits' shape (torch's
    rule), else class indices, each a class or ignore_index. Returns (array, whether they are probabilities)."""
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
        return floats(array, "target", like), True
    expected = _class_shape(sizes)
    if array.shape != expected:
        raise ValueError(
            f"target has shape {array.shape}, expected {expected} (class indices) or {sizes} (class probabilities) for "
            f"input of shape {sizes}"
        )
    return _classes(integers(array, "target"), sizes[1 if len(sizes) > 1 else 0], ignore_index), False


def _class_shape(sizes):
    return (sizes[0], *sizes[2:]) if len(sizes) > 1 else ()


def _classes(array, classes, ignore_index):
    if array.size:
        wrong = (array < 0) | (array >= classes)
        if wrong.any():
            wrong &= array != ignore_index
            if wrong.any():
                raise ValueError(
                    f"target must hold classes between 0 and {classes - 1}, or ignore_index (={ignore_index}), got "
                    f"{int(array[wrong].flat[0])} (target has shape {array.shape})"
                )
    return array.astype(np.int64, copy=False)


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
        return like.dtype.type(value)
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
