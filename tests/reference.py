"""What every operator must compute: slow, obvious, in float64. Imports nothing of fastconv, on purpose.

Functions that sum many products return a Sum: the value, and the sum of the products' magnitudes, from which
tolerance.py derives the error that a correct kernel may make. The others return arrays.

Convolution and pooling loop over output pixels and look at one window at a time; a window is
(N, ..., KH, KW) of the padded image. Axes: n batch, g group, o output channel of the group, c input channel of the
group, kh, kw taps.
"""

from math import ceil, floor
from typing import NamedTuple

import numpy as np


class Sum(NamedTuple):
    value: np.ndarray
    magnitude: np.ndarray  # the same sum over absolute values
    terms: int  # how many products a value sums at most


def pair(value):
    return (value, value) if np.ndim(value) == 0 else tuple(value)


# ---- convolution ----------------------------------------------------------------------------------------------


def conv_padding(padding, kernel, dilation):
    """Rows and columns added: ((above, below), (left, right))."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":  # the odd one goes below and right
        total = [d * (k - 1) for k, d in zip(kernel, pair(dilation), strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    return tuple((p, p) for p in pair(padding))


def conv_output_extent(extent, pads, kernel, stride, dilation):
    return (extent + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1


def _pad(image, pads, value=0.0):
    return np.pad(image.astype(np.float64), ((0, 0), (0, 0), *pads), constant_values=value)


class _Windows:
    """The geometry of one convolution: which slice of the padded image output pixel (oh, ow) sees."""

    def __init__(self, input_shape, weight_shape, stride, padding, dilation, groups):
        self.n, self.channels, self.height, self.width = input_shape
        self.groups = groups
        self.out_channels = weight_shape[0]
        self.kernel = weight_shape[2:]
        self.stride, self.dilation = pair(stride), pair(dilation)
        self.pads = conv_padding(padding, self.kernel, dilation)
        self.oh, self.ow = (
            conv_output_extent(*each)
            for each in zip(input_shape[2:], self.pads, self.kernel, self.stride, self.dilation, strict=True)
        )
        self.grouped = (groups, self.out_channels // groups if groups else 0, *weight_shape[1:])  # g o c kh kw

    def pixels(self):
        return [(i, j) for i in range(self.oh) for j in range(self.ow)]

    def at(self, i, j):
        rows, columns = (
            slice(p * s, p * s + d * (k - 1) + 1, d)
            for p, s, k, d in zip((i, j), self.stride, self.kernel, self.dilation, strict=True)
        )
        return ..., rows, columns

    def padded(self, image):
        image = _pad(image, self.pads)
        return image.reshape(self.n, self.groups, self.channels // self.groups, *image.shape[2:])

    def cropped(self, padded):
        (top, _), (left, _) = self.pads
        image = padded.reshape(self.n, self.channels, *padded.shape[3:])
        return image[:, :, top : top + self.height, left : left + self.width]

    def split(self, grad_output):  # (N, Cout, OH, OW) -> n g o oh ow
        return grad_output.astype(np.float64).reshape(self.n, *self.grouped[:2], self.oh, self.ow)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        w = _Windows(input.shape, weight.shape, stride, padding, dilation, groups)
        image = w.padded(input)  # n g c h w
        taps = weight.astype(np.float64).reshape(w.grouped)[None]  # 1 g o c kh kw
        value = np.zeros((w.n, *w.grouped[:2], w.oh, w.ow))
        magnitude = np.zeros_like(value)
        for i, j in w.pixels():
            products = image[w.at(i, j)][:, :, None] * taps
            value[..., i, j] = products.sum(axis=(3, 4, 5))
            magnitude[..., i, j] = np.abs(products).sum(axis=(3, 4, 5))
        shape = (w.n, w.out_channels, w.oh, w.ow)
        value, magnitude = value.reshape(shape), magnitude.reshape(shape)
        if bias is not None:
            value = value + bias.astype(np.float64)[:, None, None]
            magnitude = magnitude + np.abs(bias.astype(np.float64))[:, None, None]
        return Sum(value, magnitude, int(np.prod(weight.shape[1:])) + 1)


def conv2d_backward_input(grad_output, input_shape, weight, stride=1, padding=0, dilation=1, groups=1):
    """Every output pixel gives its gradient, times the weight, to the pixels of its window."""
    with np.errstate(all="ignore"):
        w = _Windows(input_shape, weight.shape, stride, padding, dilation, groups)
        value = w.padded(np.zeros(input_shape))
        magnitude = np.zeros_like(value)
        taps = weight.astype(np.float64).reshape(w.grouped)[None]
        gradient = w.split(grad_output)
        for i, j in w.pixels():
            products = gradient[..., i, j][..., None, None, None] * taps  # n g o c kh kw
            value[w.at(i, j)] += products.sum(axis=2)
            magnitude[w.at(i, j)] += np.abs(products).sum(axis=2)
        terms = w.grouped[1] * weight.shape[2] * weight.shape[3]
        return Sum(w.cropped(value), w.cropped(magnitude), terms)


def conv2d_backward_weight(grad_output, input, weight_shape, stride=1, padding=0, dilation=1, groups=1):
    """Every output pixel gives its gradient, times its window, to the weight."""
    with np.errstate(all="ignore"):
        w = _Windows(input.shape, weight_shape, stride, padding, dilation, groups)
        image = w.padded(input)
        value = np.zeros(w.grouped)
        magnitude = np.zeros_like(value)
        gradient = w.split(grad_output)
        for i, j in w.pixels():
            products = gradient[..., i, j][..., None, None, None] * image[w.at(i, j)][:, :, None]  # n g o c kh kw
            value += products.sum(axis=0)
            magnitude += np.abs(products).sum(axis=0)
        return Sum(value.reshape(weight_shape), magnitude.reshape(weight_shape), w.n * w.oh * w.ow)


def conv2d_backward_bias(grad_output):
    with np.errstate(all="ignore"):
        gradient = grad_output.astype(np.float64)
        terms = gradient.shape[0] * gradient.shape[2] * gradient.shape[3]
        return Sum(gradient.sum(axis=(0, 2, 3)), np.abs(gradient).sum(axis=(0, 2, 3)), terms)


# ---- pooling --------------------------------------------------------------------------------------------------


def pool_output_extent(extent, kernel, stride, pad, dilation, ceil_mode):
    steps = (extent + 2 * pad - dilation * (kernel - 1) - 1) / stride
    out = (ceil(steps) if ceil_mode else floor(steps)) + 1
    # With ceil_mode the last window must start in the image or in the padding before it, not in the padding after it.
    if ceil_mode and (out - 1) * stride >= extent + pad:
        out -= 1
    return out


def _pool_geometry(extents, kernel_size, stride, padding, dilation, ceil_mode):
    kernel, pads, dil = pair(kernel_size), pair(padding), pair(dilation)
    steps = kernel if stride is None else pair(stride)
    outs = [pool_output_extent(*each, ceil_mode) for each in zip(extents, kernel, steps, pads, dil, strict=True)]
    return kernel, steps, pads, dil, outs


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Values and indices (flat in the plane). Scans a window row by row; a NaN always wins, so the last NaN stays."""
    n, channels, height, width = input.shape
    kernel, steps, pads, dil, (oh, ow) = _pool_geometry(
        (height, width), kernel_size, stride, padding, dilation, ceil_mode
    )
    value = np.full((n, channels, oh, ow), -np.inf)
    index = np.full((n, channels, oh, ow), -1, dtype=np.int64)
    for i in range(oh):
        for j in range(ow):
            for kh in range(kernel[0]):
                for kw in range(kernel[1]):
                    h = i * steps[0] - pads[0] + kh * dil[0]
                    w = j * steps[1] - pads[1] + kw * dil[1]
                    if not (0 <= h < height and 0 <= w < width):
                        continue  # padding is minus infinity and never wins
                    seen = input[:, :, h, w].astype(np.float64)
                    best, where = value[:, :, i, j], index[:, :, i, j]
                    wins = (seen > best) | np.isnan(seen) | (where == -1)
                    best[wins] = seen[wins]
                    where[wins] = h * width + w
    return value, index


def max_pool2d_backward(grad_output, indices, input_shape):
    n, channels, height, width = input_shape
    value = np.zeros((n, channels, height * width))
    magnitude = np.zeros_like(value)
    hits = np.zeros_like(value)
    for position in np.ndindex(*grad_output.shape):
        at = (*position[:2], indices[position])
        value[at] += float(grad_output[position])
        magnitude[at] += abs(float(grad_output[position]))
        hits[at] += 1
    return Sum(value.reshape(input_shape), magnitude.reshape(input_shape), int(hits.max(initial=0)))


def _average_windows(input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """(i, j), the slices of the image that output pixel sees, and what their sum is divided by."""
    height, width = input_shape[2:]
    kernel, steps, pads, _, (oh, ow) = _pool_geometry((height, width), kernel_size, stride, padding, 1, ceil_mode)
    for i in range(oh):
        for j in range(ow):
            top, left = i * steps[0] - pads[0], j * steps[1] - pads[1]
            # With ceil_mode a window may reach over the padding too: what lies there is never counted.
            bottom, right = min(top + kernel[0], height + pads[0]), min(left + kernel[1], width + pads[1])
            with_padding = (bottom - top) * (right - left)
            top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
            if top >= bottom or left >= right:
                continue  # nothing of the image: zero
            inside = (bottom - top) * (right - left)
            divisor = divisor_override or (with_padding if count_include_pad else inside)
            yield (i, j), (..., slice(top, bottom), slice(left, right)), divisor


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    kernel, _, _, _, (oh, ow) = _pool_geometry(input.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    value = np.zeros((*input.shape[:2], oh, ow))
    magnitude = np.zeros_like(value)
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    with np.errstate(all="ignore"):
        for (i, j), window, divisor in _average_windows(input.shape, *options):
            seen = input[window].astype(np.float64)
            value[:, :, i, j] = seen.sum(axis=(2, 3)) / divisor
            magnitude[:, :, i, j] = np.abs(seen).sum(axis=(2, 3)) / abs(divisor)
    return Sum(value, magnitude, kernel[0] * kernel[1])


def avg_pool2d_backward(
    grad_output,
    input_shape,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    value = np.zeros(input_shape)
    magnitude = np.zeros_like(value)
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    with np.errstate(all="ignore"):
        for (i, j), window, divisor in _average_windows(input_shape, *options):
            share = grad_output[:, :, i, j, None, None].astype(np.float64) / divisor
            value[window] += share
            magnitude[window] += np.abs(share)
    kernel = pair(kernel_size)
    return Sum(value, magnitude, kernel[0] * kernel[1])


# ---- columns --------------------------------------------------------------------------------------------------


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    n, channels = input.shape[:2]
    kernel = pair(kernel_size)
    w = _Windows(input.shape, (1, channels, *kernel), stride, padding, dilation, 1)
    image = w.padded(input)
    columns = np.zeros((n, channels * kernel[0] * kernel[1], w.oh * w.ow))
    for position, (i, j) in enumerate(w.pixels()):
        columns[:, :, position] = image[w.at(i, j)].reshape(columns.shape[:2])
    return columns


def fold(columns, output_size, kernel_size, dilation=1, padding=0, stride=1):
    kernel = pair(kernel_size)
    n, channels = columns.shape[0], columns.shape[1] // (kernel[0] * kernel[1])
    shape = (n, channels, *pair(output_size))
    w = _Windows(shape, (1, channels, *kernel), stride, padding, dilation, 1)
    value = w.padded(np.zeros(shape))
    magnitude = np.zeros_like(value)
    with np.errstate(all="ignore"):
        for position, (i, j) in enumerate(w.pixels()):
            window = columns[:, :, position].astype(np.float64).reshape(n, 1, channels, *kernel)
            value[w.at(i, j)] += window
            magnitude[w.at(i, j)] += np.abs(window)
    return Sum(w.cropped(value), w.cropped(magnitude), kernel[0] * kernel[1])


# ---- dense ----------------------------------------------------------------------------------------------------


def matmul(a, b, terms=None):
    """(M, K) times (K, N), column of a by row of b."""
    value = np.zeros((a.shape[0], b.shape[1]))
    magnitude = np.zeros_like(value)
    with np.errstate(all="ignore"):
        for k in range(a.shape[1]):
            product = a[:, k, None].astype(np.float64) * b[None, k, :].astype(np.float64)
            value += product
            magnitude += np.abs(product)
    return Sum(value, magnitude, a.shape[1] if terms is None else terms)


def linear(input, weight, bias=None):
    value, magnitude, terms = matmul(input.reshape(-1, input.shape[-1]), weight.T)
    if bias is not None:
        with np.errstate(all="ignore"):
            value = value + bias.astype(np.float64)
            magnitude = magnitude + np.abs(bias.astype(np.float64))
    shape = (*input.shape[:-1], weight.shape[0])
    return Sum(value.reshape(shape), magnitude.reshape(shape), terms + 1)


def linear_backward(grad_output, input, weight):
    """Three Sums: of the input, the weight, the bias."""
    gradient = grad_output.reshape(-1, grad_output.shape[-1])
    rows = input.reshape(-1, input.shape[-1])
    grad_input = matmul(gradient, weight)
    grad_input = Sum(*(each.reshape(input.shape) for each in grad_input[:2]), grad_input.terms)
    gradient64 = gradient.astype(np.float64)
    with np.errstate(all="ignore"):
        grad_bias = Sum(gradient64.sum(axis=0), np.abs(gradient64).sum(axis=0), len(gradient))
    return grad_input, matmul(gradient.T, rows), grad_bias


# ---- activations and losses -----------------------------------------------------------------------------------


def relu(x):
    x = x.astype(np.float64)
    return np.where(x <= 0, 0.0, x)  # NaN stays NaN


def relu_backward(grad_output, x):
    return np.where(x > 0, grad_output.astype(np.float64), 0.0)


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
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        x = x - x.max(axis=dim, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=dim, keepdims=True))


def softmax(x, dim=-1):
    with np.errstate(all="ignore"):
        return np.exp(log_softmax(x, dim))


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
        seed = seed / _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[2]
    axis = 1 if input.ndim > 1 else 0
    seed = np.expand_dims(seed, axis) if seed.ndim else seed
    return log_softmax_backward(share * seed, log_softmax(input, axis), axis)


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


def mse_loss(input, target, reduction="mean"):
    squares = (input.astype(np.float64) - target.astype(np.float64)) ** 2
    return {"none": lambda: squares, "sum": squares.sum, "mean": squares.mean}[reduction]()


def mse_loss_backward(grad_output, input, target, reduction="mean"):
    slope = 2 * (input.astype(np.float64) - target.astype(np.float64)) * np.asarray(grad_output, dtype=np.float64)
    return slope / input.size if reduction == "mean" else slope
