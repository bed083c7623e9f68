"""Pooling: loops over output pixels and looks at one window at a time."""

from math import ceil, floor

import numpy as np

from reference.common import Sum, pair


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
