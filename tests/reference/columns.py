"""Windows as columns, and back."""

import numpy as np

from reference.common import Sum, pair
from reference.conv import _Windows


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
