"""Images brought to a network's input size, once, when a data set is loaded."""

import numpy as np

CHUNK = 256  # images at a time: the float copy stays small beside the data set
SHARES = 1 << 14


def resize(images, height, width):
    """Resize uint8 images with a triangle filter: bilinear when they grow, area-weighted when they shrink.

    ``images``: uint8 (N, H, W). Returns uint8 (N, height, width), ``images`` itself if it has that size already.

    A separable filter is two small matrices, one for the rows and one for the columns. Their entries are whole numbers
    of SHARES, so that float64 sums are exact and every machine sees the same bytes.

    Example: ``resize(digits, 28, 28)``.
    """
    if images.shape[1:] == (height, width):
        return images
    rows, columns = _weights(images.shape[1], height), _weights(images.shape[2], width).T
    result = np.empty((len(images), height, width), np.uint8)
    for start in range(0, len(images), CHUNK):
        chunk = rows @ images[start : start + CHUNK].astype(np.float64) @ columns
        chunk *= 1 / SHARES**2
        np.rint(chunk, out=chunk)
        result[start : start + CHUNK] = np.clip(chunk, 0, 255, out=chunk)
    return result


def _weights(old, new):
    """float64 (new, old): each row holds the shares of the old pixels in a new one, SHARES in all."""
    scale = max(old / new, 1.0)  # the filter is as wide as the coarser of both grids
    centre = (np.arange(new)[:, None] + 0.5) * (old / new) - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(old) - centre) / scale)
    return np.rint(weights * (SHARES / weights.sum(axis=1, keepdims=True)))
