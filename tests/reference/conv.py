"""Convolution: loops over output pixels and looks at one window at a time."""

import numpy as np

from reference.common import Sum, pair


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
