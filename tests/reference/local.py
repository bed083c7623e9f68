"""Locally connected layers: convolution's loops, with a filter of its own for each output pixel."""

import numpy as np

from reference.common import Sum
from reference.conv import _Windows


def _windows(input_shape, weight_shape, options):
    """The geometry, and the weight's shape with the output channels in groups: g o c kh kw oh ow."""
    w = _Windows(input_shape, weight_shape[:4], *options)
    return w, (*w.grouped, *weight_shape[4:])


def locally_connected2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        w, grouped = _windows(input.shape, weight.shape, (stride, padding, dilation, groups))
        image = w.padded(input)
        taps = weight.astype(np.float64).reshape(grouped)
        value = np.zeros((w.n, *w.grouped[:2], w.oh, w.ow))
        magnitude = np.zeros_like(value)
        for i, j in w.pixels():
            products = image[w.at(i, j)][:, :, None] * taps[..., i, j]  # n g o c kh kw
            value[..., i, j] = products.sum(axis=(3, 4, 5))
            magnitude[..., i, j] = np.abs(products).sum(axis=(3, 4, 5))
        shape = (w.n, w.out_channels, w.oh, w.ow)
        value, magnitude = value.reshape(shape), magnitude.reshape(shape)
        if bias is not None:
            value = value + bias.astype(np.float64)
            magnitude = magnitude + np.abs(bias.astype(np.float64))
        return Sum(value, magnitude, int(np.prod(weight.shape[1:4])) + 1)


def locally_connected2d_backward_input(grad_output, input_shape, weight, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        w, grouped = _windows(input_shape, weight.shape, (stride, padding, dilation, groups))
        value = w.padded(np.zeros(input_shape))
        magnitude = np.zeros_like(value)
        taps = weight.astype(np.float64).reshape(grouped)
        gradient = w.split(grad_output)
        for i, j in w.pixels():
            products = gradient[..., i, j][..., None, None, None] * taps[..., i, j]  # n g o c kh kw
            value[w.at(i, j)] += products.sum(axis=2)
            magnitude[w.at(i, j)] += np.abs(products).sum(axis=2)
        terms = w.grouped[1] * weight.shape[2] * weight.shape[3]
        return Sum(w.cropped(value), w.cropped(magnitude), terms)


def locally_connected2d_backward_weight(grad_output, input, weight_shape, stride=1, padding=0, dilation=1, groups=1):
    with np.errstate(all="ignore"):
        w, grouped = _windows(input.shape, weight_shape, (stride, padding, dilation, groups))
        image = w.padded(input)
        value = np.zeros(grouped)
        magnitude = np.zeros_like(value)
        gradient = w.split(grad_output)
        for i, j in w.pixels():
            products = gradient[..., i, j][..., None, None, None] * image[w.at(i, j)][:, :, None]  # n g o c kh kw
            value[..., i, j] = products.sum(axis=0)
            magnitude[..., i, j] = np.abs(products).sum(axis=0)
        return Sum(value.reshape(weight_shape), magnitude.reshape(weight_shape), max(w.n, 1))


def locally_connected2d_backward_bias(grad_output):
    with np.errstate(all="ignore"):
        gradient = grad_output.astype(np.float64)
        return Sum(gradient.sum(axis=0), np.abs(gradient).sum(axis=0), max(len(gradient), 1))


def _rows(array, weight=False):
    """Lines as images of one row."""
    return array[:, :, None, :, None] if weight else array[..., None, :]


def _row_options(stride=1, padding=0, dilation=1, groups=1):
    """conv1d's options for images of one row; "same" and "valid" stay what they are."""
    stride, dilation = (1, *np.atleast_1d(stride)), (1, *np.atleast_1d(dilation))
    return stride, padding if isinstance(padding, str) else (0, *np.atleast_1d(padding)), dilation, groups


def _as_line(total, weight=False):
    if weight:
        return Sum(total.value[:, :, 0, :, 0], total.magnitude[:, :, 0, :, 0], total.terms)
    return Sum(total.value[..., 0, :], total.magnitude[..., 0, :], total.terms)


def locally_connected1d(input, weight, bias=None, **options):
    bias = None if bias is None else _rows(bias)
    return _as_line(locally_connected2d(_rows(input), _rows(weight, True), bias, *_row_options(**options)))


def locally_connected1d_backward_input(grad_output, input_shape, weight, **options):
    shape = (*input_shape[:-1], 1, input_shape[-1])
    weight = _rows(weight, True)
    return _as_line(locally_connected2d_backward_input(_rows(grad_output), shape, weight, *_row_options(**options)))


def locally_connected1d_backward_weight(grad_output, input, weight_shape, **options):
    out, inputs, k, pixels = weight_shape
    shape = (out, inputs, 1, k, 1, pixels)
    return _as_line(
        locally_connected2d_backward_weight(_rows(grad_output), _rows(input), shape, *_row_options(**options)), True
    )
