"""Activations and losses."""

import math

import numpy as np


def relu(x):
    x = x.astype(np.float64)
    return np.where(x < 0, 0.0, x)  # NaN and -0.0 stay


def relu_backward(grad_output, x):
    return np.where(x <= 0, 0.0, grad_output.astype(np.float64))


def leaky_relu(x, negative_slope=0.01):
    x = x.astype(np.float64)
    return np.where(x > 0, x, x * negative_slope)


def leaky_relu_backward(grad_output, x, negative_slope=0.01):
    grad_output = grad_output.astype(np.float64)
    return np.where(x > 0, grad_output, grad_output * negative_slope)


def relu6(x):
    return np.minimum(relu(x), 6.0)


def relu6_backward(grad_output, x):
    return np.where((x > 0) & (x < 6), grad_output.astype(np.float64), 0.0)


def elu(x, alpha=1.0):
    x = x.astype(np.float64)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(grad_output, x, alpha=1.0):
    x, grad_output = x.astype(np.float64), grad_output.astype(np.float64)
    return np.where(x > 0, grad_output, grad_output * alpha * np.exp(np.minimum(x, 0)))


def silu(x):
    """x sigmoid(x), where the sigmoid of a negative x is a denormal or nothing too: the half of its fall comes last."""
    x = x.astype(np.float64)
    half = np.exp(-np.abs(x) / 2)
    fall = np.where(x < 0, half, 1)
    return x / (1 + half * half) * fall * fall


def silu_backward(grad_output, x):
    grad_output, x = grad_output.astype(np.float64), x.astype(np.float64)
    half = np.exp(-np.abs(x) / 2)
    fall = np.where(x < 0, half, 1)
    return (1 + x * sigmoid(-x)) / (1 + half * half) * fall * grad_output * fall


def gelu(x, approximate="none"):
    x = x.astype(np.float64)
    return x * (_normal_below(x) if approximate == "none" else sigmoid(_gelu_argument(x)))


def gelu_backward(grad_output, x, approximate="none"):
    x, grad_output = x.astype(np.float64), grad_output.astype(np.float64)
    if approximate == "none":
        return grad_output * (_normal_below(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
    share, rest = sigmoid(_gelu_argument(x)), sigmoid(-_gelu_argument(x))
    return grad_output * (share + x * share * rest * math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x * x))


def prelu(x, weight):
    return np.where(x > 0, x, x * _by_channel(weight, x))


def prelu_backward(grad_output, x, weight):
    """(grad_input, grad_weight, the sum of magnitudes of the latter)."""
    grad_output, x = grad_output.astype(np.float64), x.astype(np.float64)
    grad_input = np.where(x > 0, grad_output, grad_output * _by_channel(weight, x))
    products = np.where(x > 0, 0.0, grad_output * x)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1 or weight.size == 1)
    add = lambda each: each.sum(axis=axes).reshape(weight.shape)  # noqa: E731
    return grad_input, add(products), add(np.abs(products))


def _by_channel(weight, x):
    weight = weight.astype(np.float64)
    return weight.reshape(-1, *[1] * (x.ndim - 2)) if weight.size != 1 else weight.reshape(())


def philox(counter, key, rounds=7):
    """Four words of 32 bits from a counter of four and a key of two: Philox4x32, in Python's integers."""
    (a, b, c, d), (k, l) = counter, key  # noqa: E741
    for _ in range(rounds):
        x, z = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (z >> 32) ^ b ^ k, z % 2**32, (x >> 32) ^ d ^ l, x % 2**32
        k, l = (k + 0x9E3779B9) % 2**32, (l + 0xBB67AE85) % 2**32  # noqa: E741
    return a, b, c, d


def dropout(x, p, seed):
    """Element i, in C order, takes its 16 upper bits from half i // 16 % 2 (the low one first) of word i // 32 % 4 of
    block i // 128 * 16 + i % 16, its 16 lower bits from the block whose counter has the second word's last bit set."""
    kept = np.empty(x.size)
    words = [seed >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    for i in range(x.size):
        upper, lower = (
            philox((i // 128 * 16 + i % 16, second, *words[2:]), words[:2])[i // 32 % 4] >> i // 16 % 2 * 16 & 0xFFFF
            for second in (0, 2**31)
        )
        kept[i] = upper * 2**16 + lower >= min(round(p * 2**32), 2**32 - 1)
    return x.astype(np.float64) * kept.reshape(x.shape) * (1 / (1 - p) if p < 1 else 0)


def _normal_below(x):
    return np.vectorize(lambda each: math.erfc(-each / math.sqrt(2)) / 2, otypes=[np.float64])(x)


def _gelu_argument(x):
    """(1 + tanh(u)) / 2 is sigmoid(2 u)."""
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def sigmoid(x):
    x = x.astype(np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_backward(grad_output, y):
    grad_output, y = grad_output.astype(np.float64), y.astype(np.float64)
    return grad_output * y * (1 - y)


def tanh(x):
    return np.tanh(x.astype(np.float64))


def tanh_backward(grad_output, y):
    grad_output, y = grad_output.astype(np.float64), y.astype(np.float64)
    return grad_output * (1 - y * y)


def log_softmax(x, dim=-1):
    with np.errstate(all="ignore"):
        below, powers = _powers(x, dim)
        return (below - np.log(powers.sum(axis=dim, keepdims=True))).astype(np.float64)


def softmax(x, dim=-1):
    with np.errstate(all="ignore"):
        _, powers = _powers(x, dim)
        return (powers / powers.sum(axis=dim, keepdims=True)).astype(np.float64)


def _powers(x, dim):
    """In long double: a sum of many powers, one after the other, is not exact enough to judge float64 by."""
    x = x.astype(np.longdouble)
    below = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    return below, np.exp(below)


def softmax_backward(grad_output, y, dim=-1):
    grad_output, y = grad_output.astype(np.float64), y.astype(np.float64)
    return y * (grad_output - (grad_output * y).sum(axis=dim, keepdims=True))


def log_softmax_backward(grad_output, y, dim=-1):
    grad_output, y = grad_output.astype(np.float64), y.astype(np.float64)
    return grad_output - np.exp(y) * grad_output.sum(axis=dim, keepdims=True)


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """The classes stand on axis 1 (axis 0 of an unbatched input)."""
    return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[0]


def cross_entropy_backward(
    grad_output, input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    """The loss is linear in the log-probabilities: its gradient there is found sample by sample, then taken through."""
    share = _cross_entropy(input, target, weight, ignore_index, "none", label_smoothing)[1]  # d loss_i / d log p
    seed = np.asarray(grad_output, dtype=np.float64)
    if reduction == "mean":
        # Where every sample is ignored the loss is NaN, but its gradient is zero.
        seed = seed / (_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[2] or 1.0)
    axis = 1 if input.ndim > 1 else 0
    seed = np.expand_dims(seed, axis) if seed.ndim else seed
    given = share * seed
    total = given.astype(np.longdouble).sum(axis=axis, keepdims=True).astype(np.float64)  # see _powers
    return given - softmax(input, axis) * total


def _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing):
    batched = input if input.ndim > 1 else input[None]
    logs = log_softmax(batched, 1)
    n, classes = logs.shape[:2]
    weights = np.ones(classes) if weight is None else weight.astype(np.float64)
    target = np.asarray(target)
    probabilities = target.shape == input.shape and target.dtype.kind == "f"
    target = target.reshape((n, *([classes] if probabilities else []), *logs.shape[2:]))
    losses = np.zeros((n, *logs.shape[2:]))
    share = np.zeros_like(logs)
    norm = 0.0
    for at in np.ndindex(*losses.shape):
        column = (at[0], slice(None), *at[1:])
        if probabilities:
            wanted = target[column].astype(np.float64)
            share[column] = -weights * (wanted * (1 - label_smoothing) + label_smoothing / classes)
            norm += 1
        elif target[at] != ignore_index:
            wanted = np.zeros(classes)
            wanted[target[at]] = weights[target[at]]
            share[column] = -(wanted * (1 - label_smoothing) + weights * label_smoothing / classes)
            norm += weights[target[at]]
        losses[at] = (share[column] * logs[column]).sum()
    share = share.reshape(input.shape)
    if reduction == "none":
        return (losses if input.ndim > 1 else losses.reshape(())), share, norm
    with np.errstate(all="ignore"):
        total = losses.sum()
        return (total / np.float64(norm) if reduction == "mean" else total), share, norm


def nll_loss(logs, target, weight=None, ignore_index=-100, reduction="mean"):
    """Sample by sample. The classes stand on axis 1 (axis 0 of an unbatched input)."""
    return _nll(logs, target, weight, ignore_index, reduction)[0]


def nll_loss_backward(grad_output, logs, target, weight=None, ignore_index=-100, reduction="mean"):
    share, norm = _nll(logs, target, weight, ignore_index, reduction)[1:]
    seed = np.asarray(grad_output, dtype=np.float64)
    with np.errstate(all="ignore"):
        seed = seed / norm if reduction == "mean" else seed
        given = share * (np.expand_dims(seed, 1) if seed.ndim else seed)
    return np.where(share == 0, 0, given)  # what is ignored gets nothing, though the mean is taken over nothing


def _nll(logs, target, weight, ignore_index, reduction):
    batched = (logs if logs.ndim > 1 else logs[None]).astype(np.float64)
    target = np.asarray(target).reshape(batched.shape[0], *batched.shape[2:])
    weights = np.ones(batched.shape[1]) if weight is None else weight.astype(np.float64)
    losses, share, norm = np.zeros(target.shape), np.zeros(batched.shape), np.float64(0)
    for at in np.ndindex(*target.shape):
        if target[at] != ignore_index:
            place = (at[0], target[at], *at[1:])
            losses[at], share[place] = -weights[target[at]] * batched[place], -weights[target[at]]
            norm += weights[target[at]]
    with np.errstate(all="ignore"):
        total = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / norm}[reduction]
    if logs.ndim == 1:
        total = np.reshape(total, ())
    return total, share.reshape(logs.shape), norm


def mse_loss(input, target, reduction="mean", weight=None):
    squares = _weighted((input.astype(np.float64) - target.astype(np.float64)) ** 2, weight)
    total = squares.size if weight is None else weight.astype(np.float64).sum()
    return {"none": squares, "sum": squares.sum(), "mean": squares.sum() / total}[reduction]


def mse_loss_backward(grad_output, input, target, reduction="mean", weight=None):
    slope = 2 * (input.astype(np.float64) - target.astype(np.float64)) * np.asarray(grad_output, dtype=np.float64)
    total = slope.size if weight is None else weight.astype(np.float64).sum()
    return _weighted(slope / total if reduction == "mean" else slope, weight)


def _weighted(values, weight):
    return values if weight is None else values * weight.astype(np.float64)
