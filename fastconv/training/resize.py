"""Images brought to a network's input size, once, when a data set is loaded."""

import numpy as np

from fastconv.training.errors import DataError

CHUNK = 1 << 20  # pixels at a time: their float copy stays small beside the data set
LONGEST = 1 << 15  # pixels a side: the matrix of the weights stays small too
SHARES = 1 << 14


def resize(images, height, width, name="images"):
    """Resize uint8 images with a triangle filter: bilinear when they grow, area-weighted when they shrink.

    ``images``: uint8 (N, H, W). Returns uint8 (N, height, width), ``images`` itself if it has that size already. Raises
    DataError, which begins with ``name``, for sides longer than LONGEST.

    A separable filter is two small matrices, one for the rows and one for the columns. Their entries are whole numbers
    of SHARES, so that float64 sums are exact and every machine sees the same bytes.

    Example: ``resize(digits, 28, 28)``.
    """
    if images.shape[1:] == (height, width):
        return images
    if max(images.shape[1:]) > LONGEST:
        found = f"{images.shape[1]:,} x {images.shape[2]:,}"
        raise DataError(f"{name}: {found} pixels, at most {LONGEST:,} a side are read")
    rows, columns = _weights(images.shape[1], height), _weights(images.shape[2], width).T
    result = np.empty((len(images), height, width), np.uint8)
    pixels = images.shape[1] * images.shape[2]
    count = max(1, CHUNK // max(pixels, 1))
    for start in range(0, len(images), count):
        chunk = _squeezed(rows, images[start : start + count]) @ columns
        chunk *= 1 / SHARES**2
        np.rint(chunk, out=chunk)
        result[start : start + count] = np.clip(chunk, 0, 255, out=chunk)
    return result


def _squeezed(rows, images):
    """rows @ images, a band of columns at a time where the images are large."""
    band = max(1, CHUNK // max(images.shape[1], 1))
    if images.shape[2] <= band:
        return rows @ images.astype(np.float64)
    bands = range(0, images.shape[2], band)
    return np.concatenate([rows @ images[:, :, at : at + band].astype(np.float64) for at in bands], axis=2)


def _weights(old, new):
    """float64 (new, old): each row holds the shares of the old pixels in a new one, SHARES in all."""
    scale = max(old / new, 1.0)  # the filter is as wide as the coarser of both grids
    centre = (np.arange(new)[:, None] + 0.5) * (old / new) - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(old) - centre) / scale)
    return np.rint(weights * (SHARES / weights.sum(axis=1, keepdims=True)))
