"""Cross entropy and the negative log-likelihood, and their gradients with respect to the input."""

import math

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import class_loss as kernels


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """The cross entropy between logits and classes: torch.nn.functional.cross_entropy on arrays.

    Args:
        input: logits (N, C), (C,) or (N, C, d1, ...), float32 or float64.
        target: class indices, integers of shape (N,), () or (N, d1, ...); or class probabilities of input's shape and
            dtype. A single row of logits takes its index as (1,) too.
        weight: (C,), a weight for each class, or None.
        size_average, reduce: torch's older form of reduction; where given they decide, with a warning.
        ignore_index: a class index that counts for nothing.
        reduction: "mean" (weighted by the targets' weights; over a target of probabilities, by their number), "sum" or
            "none".
        label_smoothing: between 0 and 1, the share of the target that is spread evenly over the classes.

    Returns:
        A scalar of input's dtype, or with reduction="none" an array of one loss a target. The mean over nothing is NaN.

    Raises:
        TypeError: arrays of the wrong dtype.
        ValueError: shapes that do not fit, an index that is no class, an unknown reduction.

    Example:
        >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])) == np.log(4)
        np.True_

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
    """
    x = args.logits(input)
    reduction = args.reduction(reduction, size_average, reduce)
    smoothing, ignore_index = args.smoothing(label_smoothing), args.integer(ignore_index, "ignore_index")
    t, are_probabilities = args.class_targets(target, x, ignore_index)
    return _loss(x, target, t, are_probabilities, weight, ignore_index, reduction, smoothing, True)


def cross_entropy_backward(
    grad_output,
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """The gradient of cross_entropy with respect to its input.

    Args:
        grad_output: the gradient of the loss: a number, or with reduction="none" an array of the loss's shape.
        input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing: as in cross_entropy.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as cross_entropy, and where grad_output's shape is not the loss's.

    Example:
        >>> cross_entropy_backward(1.0, np.zeros((1, 2)), np.array([0]))
        array([[-0.5,  0.5]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html (its derivative)
    """
    x = args.logits(input)
    reduction = args.reduction(reduction, size_average, reduce)
    smoothing, ignore_index = args.smoothing(label_smoothing), args.integer(ignore_index, "ignore_index")
    t, are_probabilities = args.class_targets(target, x, ignore_index)
    return _gradient(grad_output, x, target, t, are_probabilities, weight, ignore_index, reduction, smoothing, True)


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the logarithm of the target's probability: torch.nn.functional.nll_loss on arrays.

    Args:
        input: logarithms of probabilities, as log_softmax gives them: (N, C), (C,) or (N, C, d1, ...), float32 or
            float64.
        target: class indices, integers of shape (N,), () or (N, d1, ...). A single row takes its index as (1,) too.
        weight: (C,), a weight for each class, or None.
        size_average, reduce: torch's older form of reduction; where given they decide, with a warning.
        ignore_index: a class index that counts for nothing.
        reduction: "mean" (weighted by the targets' weights), "sum" or "none".

    Returns:
        A scalar of input's dtype, or with reduction="none" an array of one loss a target. The mean over nothing is NaN.

    Raises:
        TypeError: arrays of the wrong dtype.
        ValueError: shapes that do not fit, an index that is no class, an unknown reduction.

    Example:
        >>> nll_loss(np.array([[-1.0, -2.0]]), np.array([1]))
        np.float64(2.0)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html
    """
    x = args.logits(input)
    reduction = args.reduction(reduction, size_average, reduce)
    ignore_index = args.integer(ignore_index, "ignore_index")
    t = args.class_indices(target, x.shape)
    return _loss(x, target, t, False, weight, ignore_index, reduction, 0.0, False)


def nll_loss_backward(
    grad_output, input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
):
    """The gradient of nll_loss with respect to its input: -weight at each target's class, else zero.

    Args:
        grad_output: the gradient of the loss: a number, or with reduction="none" an array of the loss's shape.
        input, target, weight, size_average, ignore_index, reduce, reduction: as in nll_loss.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as nll_loss, and where grad_output's shape is not the loss's.

    Example:
        >>> nll_loss_backward(1.0, np.array([[-1.0, -2.0]]), np.array([1]))
        array([[ 0., -1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html (its derivative)
    """
    x = args.logits(input)
    reduction = args.reduction(reduction, size_average, reduce)
    ignore_index = args.integer(ignore_index, "ignore_index")
    t = args.class_indices(target, x.shape)
    return _gradient(grad_output, x, target, t, False, weight, ignore_index, reduction, 0.0, False)


def _loss(x, target, t, are_probabilities, weight, ignore_index, reduction, smoothing, take_softmax):
    outer, classes, inner, loss_shape = _around(x.shape)
    w = None if weight is None else args.class_weights(weight, classes, x)
    losses = np.empty(loss_shape, x.dtype) if reduction == "none" else None
    total = kernels.forward(
        args.contiguous(x), t, w, losses,
        are_probabilities, outer, classes, inner, ignore_index, smoothing, take_softmax, reduction == "mean",
    )  # fmt: skip
    if total is None:
        raise args.class_error(target, classes, ignore_index)
    if losses is None:
        return x.dtype.type(total)
    return losses if loss_shape else losses[()]


def _gradient(grad_output, x, target, t, are_probabilities, weight, ignore_index, reduction, smoothing, take_softmax):
    outer, classes, inner, loss_shape = _around(x.shape)
    w = None if weight is None else args.class_weights(weight, classes, x)
    grad = args.loss_gradient(grad_output, loss_shape if reduction == "none" else (), x)
    grad_input = np.empty(x.shape, x.dtype)
    each, factor = (args.contiguous(grad), 1.0) if reduction == "none" and loss_shape else (None, float(grad))
    right = kernels.backward(
        each, factor, reduction == "mean", args.contiguous(x), t, w, grad_input,
        are_probabilities, outer, classes, inner, ignore_index, smoothing, take_softmax,
    )  # fmt: skip
    if not right:
        raise args.class_error(target, classes, ignore_index)
    return grad_input


def _around(sizes):
    """outer, classes, inner, and the shape of one loss a target."""
    if len(sizes) == 2:
        return sizes[0], sizes[1], 1, sizes[:1]
    if len(sizes) == 1:
        return 1, sizes[0], 1, ()
    return sizes[0], sizes[1], math.prod(sizes[2:]), (sizes[0], *sizes[2:])
