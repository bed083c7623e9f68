"""A data set in memory, and batches of it.

Images stay bytes; each batch is gathered and turned into normalised floats when it is needed, in whole-array steps.
"""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from fastconv.training.errors import DataError
from fastconv.training.resize import resize


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes: ``images`` uint8, float32 or float64 (N, ...), ``labels`` integers (N,).

    ``size``: (H, W) to which each batch of uint8 images (N, 1, H', W') is resized when it is drawn, for networks whose
    images would not fit into memory all at once; None: they are taken as they are.

    Raises TypeError for other dtypes, ValueError for lengths that do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    size: tuple[int, int] | None = None

    def __post_init__(self):
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        if images.dtype not in (np.uint8, np.float32, np.float64):
            raise TypeError(f"images: dtype {images.dtype}, expected uint8, float32 or float64")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels: dtype {labels.dtype}, expected integers")
        if labels.ndim != 1 or images.ndim < 2 or len(images) != len(labels):
            raise ValueError(
                f"labels: shape {labels.shape} for images of shape {images.shape}, expected ({len(images)},)"
            )
        if self.size is not None and (images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 1):
            raise ValueError(
                f"size: {self.size} for {images.dtype} images of shape {images.shape}, expected gray bytes"
            )
        object.__setattr__(self, "images", np.ascontiguousarray(images))
        object.__setattr__(self, "labels", np.ascontiguousarray(labels, dtype=np.int64))

    def __len__(self):
        return len(self.labels)

    @property
    def image_shape(self):
        """The shape of an image as a network sees it."""
        return self.images.shape[1:] if self.size is None else (1, *self.size)

    def sized(self, images):
        """``images`` of this split, as large as a network sees them."""
        return images if self.size is None else resize(images[:, 0], *self.size)[:, None]


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Training and validation data, and how bytes become what the network sees: ``(image / 255 - mean) / std``.

    ``mean`` and ``std`` apply to uint8 images only; float images are taken as they are. ``validation`` may be None.
    ``class_names``: a word for each class, or None where the number says it all.

    Example: ``Dataset("mine", Split(images, labels), Split(more_images, more_labels)).standardised()``.
    """

    name: str
    train: Split
    validation: Split | None = None
    mean: float = 0.0
    std: float = 1.0
    class_names: tuple[str, ...] | None = None

    def __post_init__(self):
        for split, what in ((self.train, "training"), (self.validation, "validation")):
            if split is not None and not len(split):
                raise DataError(f"{self.name}: no {what} images")
        if self.validation is not None and self.validation.image_shape != self.train.image_shape:
            raise DataError(
                f"{self.name}: training images of shape {self.train.image_shape}, "
                f"validation images of shape {self.validation.image_shape}"
            )
        if self.class_names is not None and len(self.class_names) < self.classes:
            raise DataError(f"{self.name}: {len(self.class_names)} names for {self.classes} classes")

    @property
    def classes(self):
        """One more than the largest label."""
        splits = [self.train] if self.validation is None else [self.train, self.validation]
        return 1 + max(int(split.labels.max()) for split in splits)

    def standardised(self):
        """The same data, to be seen with mean 0 and standard deviation 1 over all training pixels."""
        counts = _levels_counted(self.train.images)  # exact, and no float copy of the images
        levels = np.arange(256) / 255
        mean = float(counts @ levels / counts.sum())
        std = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
        return dataclasses.replace(self, mean=mean, std=std or 1.0)

    def fingerprint(self):
        """A checksum of all images and labels, so that a resumed run notices other data under the same name."""
        checksum = 0
        for split in (self.train, self.validation):
            for array in () if split is None else (split.images, split.labels):
                checksum = zlib.crc32(array.data, zlib.crc32(repr(array.shape).encode(), checksum))
        return f"{checksum:08x}"


def _levels_counted(images, chunk=1 << 20):
    """How often each of the 256 levels occurs. In chunks, because bincount works on a copy of eight bytes a pixel."""
    pixels = images.reshape(-1)
    return sum(np.bincount(pixels[i : i + chunk], minlength=256) for i in range(0, len(pixels), chunk))


class Batches:
    """Draws batches of a split into buffers of its own: what it returned last is overwritten by the next draw.

    ``dtype`` float32 or float64: what the network computes in.
    """

    def __init__(self, split, batch_size, dtype=np.float32, mean=0.0, std=1.0):
        count = min(batch_size, len(split))
        self.split = split
        self._raw = np.empty((count, *split.images.shape[1:]), split.images.dtype)
        self._images = self._raw if split.images.dtype == dtype else np.empty((count, *split.image_shape), dtype)
        self._labels = np.empty(count, np.int64)
        self._mean, self._std = mean, std

    def gather(self, indices, shift=(0, 0)):
        """(images, labels) at ``indices``, an int64 array (n,), n at most the batch size; all images moved by ``shift``
        (rows down, columns right), zeros coming in at the edges."""
        n = len(indices)
        # "clip" lets take write straight into the buffer; indices are in range
        raw = np.take(self.split.images, indices, axis=0, out=self._raw[:n], mode="clip")
        labels = np.take(self.split.labels, indices, out=self._labels[:n], mode="clip")
        return self._normalise(_moved(self.split.sized(raw), *shift)), labels

    def slice(self, start, stop):
        """(images, labels) from ``start`` up to ``stop``, in the order of the data."""
        return self._normalise(self.split.sized(self.split.images[start:stop])), self.split.labels[start:stop]

    def _normalise(self, raw):
        if raw.dtype == self._images.dtype:
            return raw
        return normalise(raw, self._images[: len(raw)], self._mean, self._std)


def normalise(raw, out, mean=0.0, std=1.0):
    """``raw`` as a network sees it, in ``out``, an array of floats, which is returned: bytes as ``(raw / 255 - mean) /
    std``, floats as they are."""
    scale, shift = (1 / (255 * std), mean / std) if raw.dtype == np.uint8 else (1.0, 0.0)
    np.multiply(raw, out.dtype.type(scale), out=out, dtype=out.dtype)
    if shift:
        out -= out.dtype.type(shift)
    return out


def _moved(images, down, right):
    if not down and not right:
        return images
    result = np.zeros_like(images)
    height, width = images.shape[-2:]
    if abs(down) < height and abs(right) < width:
        to_rows, from_rows = _overlap(down, height)
        to_columns, from_columns = _overlap(right, width)
        result[..., to_rows, to_columns] = images[..., from_rows, from_columns]
    return result


def _overlap(shift, length):
    """(where pixels go, where they come from) when a line of ``length`` is shifted."""
    return slice(max(shift, 0), length + min(shift, 0)), slice(max(-shift, 0), length - max(shift, 0))


def epoch_order(length, seed, epoch):
    """The order in which epoch ``epoch`` (from 0) visits ``length`` images: drawn from the pair, so that any epoch can
    be begun again without those before it."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(length)


def epoch_shifts(steps, limit, seed, epoch):
    """(down, right) for each step of an epoch, from -limit to limit, drawn from seed and epoch: (steps, 2) integers."""
    if not limit:
        return np.zeros((steps, 2), np.int64)
    return np.random.Generator(np.random.PCG64([seed, epoch, 1])).integers(-limit, limit, (steps, 2), endpoint=True)
