"""Normalisations: mean and variance in extended precision, one channel, row or group at a time."""

import numpy as np

from reference.common import Sum

_LONG = np.longdouble


def _blur(values, mean, rstd, dtype):
    """How far a normalised value may be off besides its own rounding, in units of the dtype's: the mean is a sum of
    distances that are each rounded, and held in a float64."""
    return (np.abs(values - mean).mean() + np.abs(mean) * (np.finfo(np.float64).eps / np.finfo(dtype).eps)) * rstd


def _one(values, weight, bias, eps, mean=None, variance=None):
    """The normalised values of one set, and the magnitudes that they are made of. weight, bias: of the set's shape."""
    dtype, values = values.dtype, values.astype(_LONG)
    mean = values.mean() if mean is None else _LONG(mean)
    variance = ((values - mean) ** 2).mean() if variance is None else _LONG(variance)
    rstd = 1 / np.sqrt(variance + _LONG(eps))
    scaled = (values - mean) * rstd * weight
    return scaled + bias, np.abs(scaled) + np.abs(bias) + _blur(values, mean, rstd, dtype) * np.abs(weight)


def _one_backward(gradient, values, weight, eps, mean=None, variance=None):
    """(value, magnitude) of the gradient of the set's values, and of each value's share of the weight's gradient."""
    dtype, values, gradient = values.dtype, values.astype(_LONG), gradient.astype(_LONG)
    fixed = mean is not None
    mean = _LONG(mean) if fixed else values.mean()
    variance = _LONG(variance) if fixed else ((values - mean) ** 2).mean()
    rstd = 1 / np.sqrt(variance + _LONG(eps))
    normal, weighted = (values - mean) * rstd, gradient * weight
    size = np.abs(normal) + _blur(values, mean, rstd, dtype)
    value, magnitude = weighted.copy(), np.abs(weighted)
    if not fixed:
        value -= weighted.mean() + normal * (weighted * normal).mean()
        magnitude += np.abs(weighted).mean() + size * (np.abs(weighted) * size).mean()
    return (rstd * value, rstd * magnitude), (gradient * normal, np.abs(gradient) * size)


def _filled(values, shape, default):
    return np.full(shape, default, _LONG) if values is None else values.astype(_LONG)


def _sum(value, magnitude, terms):
    return Sum(value.astype(np.float64), magnitude.astype(np.float64), int(terms))


def _sets(shape, groups, by_image):
    """Index of each set of values with common statistics, and its channels: (n, c) slices."""
    width = shape[1] // groups
    for n in [slice(i, i + 1) for i in range(shape[0])] if by_image else [slice(None)]:
        for c in range(0, shape[1], width or 1):
            yield n, slice(c, c + width)


def _channels(vector, shape, default):
    """One value a channel, as an array of `shape`."""
    filled = _filled(vector, (shape[1],), default)
    return np.broadcast_to(filled.reshape((1, -1) + (1,) * (len(shape) - 2)), shape)


def _forward(x, groups, by_image, weight, bias, eps, running=None):
    w, b = _channels(weight, x.shape, 1), _channels(bias, x.shape, 0)
    value, magnitude = np.zeros(x.shape, _LONG), np.zeros(x.shape, _LONG)
    terms = 1
    with np.errstate(all="ignore"):
        for at in _sets(x.shape, groups, by_image) if x.size else ():
            fixed = () if running is None else (running[0][at[1]][0], running[1][at[1]][0])
            value[at], magnitude[at] = _one(x[at], w[at], b[at], eps, *fixed)
            terms = x[at].size if running is None else 1
    return _sum(value, magnitude, terms + 2)


def _backward(gy, x, groups, by_image, weight, eps, running=None):
    w = _channels(weight, x.shape, 1)
    value, magnitude, shares, sizes = (np.zeros(x.shape, _LONG) for _ in range(4))
    terms = 1
    with np.errstate(all="ignore"):
        for at in _sets(x.shape, groups, by_image) if x.size else ():
            fixed = () if running is None else (running[0][at[1]][0], running[1][at[1]][0])
            (value[at], magnitude[at]), (shares[at], sizes[at]) = _one_backward(gy[at], x[at], w[at], eps, *fixed)
            terms = x[at].size
        axes = (0, *range(2, x.ndim))
        gradient = gy.astype(_LONG)
        count = x.size // max(x.shape[1], 1)
        return (
            _sum(value, magnitude, terms + 4),
            _sum(shares.sum(axis=axes), sizes.sum(axis=axes), count + 4),
            _sum(gradient.sum(axis=axes), np.abs(gradient).sum(axis=axes), count),
        )


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return _forward(x, x.shape[1], False, weight, bias, eps, None if training else (running_mean, running_var))


def batch_norm_backward(gy, x, running_mean, running_var, weight=None, training=False, eps=1e-5):
    return _backward(gy, x, x.shape[1], False, weight, eps, None if training else (running_mean, running_var))


def batch_norm_running(x, running_mean, running_var, momentum):
    """The running statistics after a batch, as two Sums."""
    values = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(_LONG)
    new = values.mean(axis=1), values.var(axis=1, ddof=1)
    return [
        _sum((1 - momentum) * old + momentum * each, np.abs((1 - momentum) * old) + np.abs(momentum * each), 4)
        for old, each in zip((running_mean.astype(_LONG), running_var.astype(_LONG)), new, strict=True)
    ]


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    return _forward(x, num_groups, True, weight, bias, eps)


def group_norm_backward(gy, x, num_groups, weight=None, eps=1e-5):
    return _backward(gy, x, num_groups, True, weight, eps)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    w, b = _filled(weight, normalized_shape, 1), _filled(bias, normalized_shape, 0)
    value, magnitude = np.zeros(x.shape, _LONG), np.zeros(x.shape, _LONG)
    with np.errstate(all="ignore"):
        for at in np.ndindex(x.shape[: x.ndim - len(normalized_shape)]) if x.size else ():
            value[at], magnitude[at] = _one(x[at], w, b, eps)
    return _sum(value, magnitude, np.prod(normalized_shape, dtype=int) + 2)


def layer_norm_backward(gy, x, normalized_shape, weight=None, eps=1e-5):
    w = _filled(weight, normalized_shape, 1)
    value, magnitude, shares, sizes = (np.zeros(x.shape, _LONG) for _ in range(4))
    outer = x.ndim - len(normalized_shape)
    with np.errstate(all="ignore"):
        for at in np.ndindex(x.shape[:outer]) if x.size else ():
            (value[at], magnitude[at]), (shares[at], sizes[at]) = _one_backward(gy[at], x[at], w, eps)
        axes, gradient = tuple(range(outer)), gy.astype(_LONG)
        rows = int(np.prod(x.shape[:outer], dtype=int))
        return (
            _sum(value, magnitude, np.prod(normalized_shape, dtype=int) + 4),
            _sum(shares.sum(axis=axes), sizes.sum(axis=axes), rows + 4),
            _sum(gradient.sum(axis=axes), np.abs(gradient).sum(axis=axes), rows),
        )


def _divisors(x, size, alpha, k):
    x = x.astype(_LONG)
    divisors = np.zeros_like(x)
    for c in range(x.shape[1]):
        window = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        divisors[:, c] = k + _LONG(alpha) / size * (window**2).sum(axis=1)
    return divisors


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    with np.errstate(all="ignore"):
        divisors = _divisors(x, size, alpha, k)
        value = x / divisors ** _LONG(beta)
        # The power's relative error is that of the logarithm of what it returns.
        magnitude = np.abs(value) * (2 + np.abs(beta) + np.abs(beta * np.log(divisors)))
    return _sum(value, magnitude, size)


def local_response_norm_backward(gy, x, size, alpha=1e-4, beta=0.75, k=1.0):
    with np.errstate(all="ignore"):
        divisors, x = _divisors(x, size, alpha, k), x.astype(_LONG)
        loss = 2 + np.abs(beta) + np.abs(beta * np.log(divisors))
        own = gy / divisors ** _LONG(beta)
        value, magnitude = own.copy(), np.abs(own) * loss
        for c in range(x.shape[1]):  # this channel's output, by each of its window's channels
            for j in range(max(c - size // 2, 0), min(c + (size - 1) // 2 + 1, x.shape[1])):
                share = 2 * _LONG(alpha) / size * beta * x[:, j] * own[:, c] * x[:, c] / divisors[:, c]
                value[:, j] -= share
                magnitude[:, j] += np.abs(share) * loss[:, c]
    return _sum(value, magnitude, 2 * size)
