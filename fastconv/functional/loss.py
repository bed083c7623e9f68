"""Losses and their gradients with respect to the input. Elementwise work on arrays of the logits' size."""

import warnings

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import softmax as kernels


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
            dtype.
        weight: (C,), a weight for each class, or None.
        size_average, reduce: must be None; reduction replaces them.
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
    problem = _CrossEntropy(input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing)
    with np.errstate(all="ignore"):
        return problem.loss()


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
    problem = _CrossEntropy(input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing)
    grad = args.loss_gradient(grad_output, problem.loss_shape, problem.rows)
    with np.errstate(all="ignore"):
        return problem.gradient(grad)


class _CrossEntropy:
    """One call's arguments as a matrix of M rows (targets) by C columns (classes).

    Both kinds of target lead to the same form: the loss of row m is -sum_c q[m, c] * weight[c] * log p[m, c]. For class
    indices q is mostly zeros, so it is never written down: `picks` holds where the ones are.
    """

    def __init__(self, input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing):
        logits = args.logits(input)
        self.reduction = args.reduction(reduction, size_average, reduce)
        smoothing = args.smoothing(label_smoothing)
        ignore_index = args.integer(ignore_index, "ignore_index")
        self.axis = 1 if logits.ndim > 1 else 0
        self.classes = logits.shape[self.axis]
        self.smoothing = smoothing
        self.spread = smoothing / max(self.classes, 1)  # what each class gets of it
        self.weight = args.class_weights(weight, self.classes, logits)
        target, self.has_probabilities = args.class_targets(target, logits, ignore_index)

        moved = np.moveaxis(logits, self.axis, -1)
        self.moved_shape = moved.shape
        self.target_shape = moved.shape[:-1]
        self.loss_shape = self.target_shape if self.reduction == "none" else ()
        self.rows = self._matrix(moved)
        if self.has_probabilities:
            self.target = self._matrix(np.moveaxis(target, self.axis, -1))
            if self.smoothing:
                self.target = self.target * (1 - self.smoothing) + self.spread
        else:
            target = target.reshape(-1)
            self.counted = target != ignore_index
            self.all_counted = bool(self.counted.all())
            target = target if self.all_counted else np.where(self.counted, target, 0)
            self.picks = np.arange(0, target.size * self.classes, self.classes or 1)[: target.size] + target
            self.row_weight = self._row_weight(target)

    def _matrix(self, moved):
        return args.contiguous(moved).reshape(int(np.prod(self.target_shape, dtype=object)), self.classes)

    def _row_weight(self, target):
        """(M,): the weight of each row's class, zero where the target is ignored."""
        if self.weight is None:
            return self.counted.astype(self.rows.dtype)
        chosen = self.weight[target] if self.classes else np.zeros(target.size, self.rows.dtype)
        return chosen if self.all_counted else np.where(self.counted, chosen, 0)

    def _divisor(self):
        """What the mean divides by: the targets' weights, or for probabilities the number of rows."""
        if self.has_probabilities:
            return self.rows.dtype.type(len(self.rows) if self.rows.size else 0)
        return np.add.reduce(self.row_weight)

    def loss(self):
        log_p = np.empty_like(self.rows)
        if log_p.size:
            kernels.log_softmax_forward(self.rows, log_p)
        each = self._probability_losses(log_p) if self.has_probabilities else self._index_losses(log_p)
        dtype = self.rows.dtype
        if self.reduction == "none":
            return each.astype(dtype, copy=False).reshape(self.target_shape)
        total = np.add.reduce(each)
        if self.reduction == "mean":
            total = total / self._divisor()
        return dtype.type(total)

    def _probability_losses(self, log_p):
        log_p *= self.target
        if self.weight is not None:
            log_p *= self.weight
        return -np.add.reduce(log_p, axis=1)

    def _index_losses(self, log_p):
        each = -(log_p.reshape(-1)[self.picks] * self.row_weight)
        if self.smoothing:
            if self.weight is not None:
                log_p *= self.weight
            spread = np.add.reduce(log_p, axis=1) * -self.spread
            each = each * (1 - self.smoothing) + spread
        return each if self.all_counted else np.where(self.counted, each, 0)

    def gradient(self, grad):
        """d loss / d logits = p * sum_c(q * weight) - q * weight, row by row, times the row's share of the loss."""
        p = np.empty_like(self.rows)
        if p.size:
            kernels.softmax_forward(self.rows, p)
            if self.reduction == "none":
                grad = args.contiguous(grad).reshape(-1)
            else:
                share = grad / self._divisor() if self.reduction == "mean" else grad
                grad = np.full(len(p), share, p.dtype)
            if self.has_probabilities:
                self._probability_gradient(p, grad[:, None])
            else:
                self._index_gradient(p, grad)
        back = p.reshape(self.moved_shape)
        return args.contiguous(np.moveaxis(back, -1, self.axis))

    def _probability_gradient(self, p, grad):
        weighted = self.target if self.weight is None else self.target * self.weight
        p *= np.add.reduce(weighted, axis=1, keepdims=True)
        p -= weighted
        p *= grad

    def _index_gradient(self, p, grad):
        own = grad * self.row_weight * p.dtype.type(1 - self.smoothing)
        if not self.all_counted:
            own = np.where(self.counted, own, 0)
        if not self.smoothing:
            p *= own[:, None]
        else:
            spread = grad * p.dtype.type(self.spread)
            spread = spread if self.all_counted else np.where(self.counted, spread, 0)
            weight = np.ones(self.classes, p.dtype) if self.weight is None else self.weight
            p *= (own + spread * np.add.reduce(weight))[:, None]
            p -= spread[:, None] * weight
        p.reshape(-1)[self.picks] -= own


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The squared difference: torch.nn.functional.mse_loss on arrays.

    Args:
        input, target: arrays of the same dtype, float32 or float64, and the same shape. Other shapes are broadcast
            with a warning, as torch does.
        size_average, reduce: must be None; reduction replaces them.
        reduction: "mean", "sum" or "none".
        weight: a weight for each element, of input's shape, or None; the mean divides by the weights' sum.

    Returns:
        A scalar of input's dtype, or with reduction="none" an array. The mean over nothing is NaN.

    Raises:
        TypeError: arrays of the wrong dtype.
        ValueError: shapes that do not fit together, an unknown reduction.

    Example:
        >>> mse_loss(np.array([1.0, 3.0]), np.zeros(2))
        np.float64(5.0)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
    """
    x, t, w, reduction = _mse_arguments(input, target, size_average, reduce, reduction, weight)
    with np.errstate(all="ignore"):
        each = np.asarray(x - t)
        each *= each
        if w is not None:
            each = np.asarray(each * w)
        if reduction == "none":
            return args.contiguous(each)
        total = np.add.reduce(args.contiguous(each).reshape(-1))
        if reduction == "mean":
            total = total / _mse_divisor(each.size, w, x.dtype)
        return x.dtype.type(total)


def mse_loss_backward(grad_output, input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The gradient of mse_loss with respect to its input.

    Args:
        grad_output: the gradient of the loss: a number, or with reduction="none" an array of the loss's shape.
        input, target, size_average, reduce, reduction, weight: as given to mse_loss.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as mse_loss, and where grad_output's shape is not the loss's.

    Example:
        >>> mse_loss_backward(1.0, np.array([1.0, 3.0]), np.zeros(2))
        array([1., 3.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html (its derivative)
    """
    x, t, w, reduction = _mse_arguments(input, target, size_average, reduce, reduction, weight)
    sizes = args.broadcast(x.shape, t.shape)
    grad = args.loss_gradient(grad_output, sizes if reduction == "none" else (), x)
    with np.errstate(all="ignore"):
        each = np.asarray(x - t)
        scale = x.dtype.type(2) * grad
        if reduction == "mean":
            scale = scale / _mse_divisor(each.size, w, x.dtype)
        each = each * scale
        if w is not None:
            each = each * w
        return _sum_to(np.asarray(each), x.shape)


def _mse_arguments(input, target, size_average, reduce, reduction, weight):
    x = args.floats(input, "input")
    t = args.floats(target, "target", x)
    reduction = args.reduction(reduction, size_average, reduce)
    if x.shape != t.shape:
        args.broadcast(x.shape, t.shape)
        warnings.warn(
            f"target has shape {t.shape}, input has {x.shape}: they are broadcast, which is rarely what was meant",
            stacklevel=3,
        )
    return x, t, args.loss_weights(weight, x.shape, x), reduction


def _mse_divisor(count, weight, dtype):
    return dtype.type(count) if weight is None else np.add.reduce(weight.reshape(-1))


def _sum_to(array, shape):
    """Undoes a broadcast from `shape`: sums over the axes that were added or stretched."""
    if array.shape == shape:
        return args.contiguous(array)
    added = array.ndim - len(shape)
    stretched = tuple(
        axis for axis in range(array.ndim) if axis < added or (shape[axis - added] == 1 and array.shape[axis] != 1)
    )
    return np.add.reduce(array, axis=stretched, keepdims=True).reshape(shape)
