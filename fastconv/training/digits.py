"""The embedded data set: 1,797 handwritten digits (see DIGITS.md for origin and licence)."""

from pathlib import Path

import numpy as np

from fastconv.training.dataset import Dataset, Split
from fastconv.training.resize import resize

FILE = Path(__file__).with_name("digits.csv.gz")
PIXELS, LEVELS = 8, 16  # images are PIXELS x PIXELS, values 0 to LEVELS
HELD_BACK = 0.2
SPLIT_SEED = 1998  # the split is fixed: every run of every version holds back the same images


def load_digits(input_shape=(1, 28, 28)):
    """The digits, resized to ``input_shape`` (channels 1), as a Dataset of uint8 images (N, 1, H, W).

    Of each class a fifth, drawn once and for all, is the validation data.
    """
    import gzip

    with gzip.open(FILE) as file:
        table = np.loadtxt(file, dtype=np.uint8, delimiter=",")
    labels = table[:, -1].astype(np.int64)
    images = (table[:, :-1].astype(np.uint16) * 255 // LEVELS).astype(np.uint8).reshape(-1, PIXELS, PIXELS)
    images = resize(images, *input_shape[1:])[:, None]
    held_back = _held_back(labels)
    return Dataset("digits", Split(images[~held_back], labels[~held_back]), Split(images[held_back], labels[held_back]))


def _held_back(labels):
    """A mask that is True for HELD_BACK of each class."""
    draw = np.random.Generator(np.random.PCG64(SPLIT_SEED)).random(len(labels))
    mask = np.zeros(len(labels), bool)
    for digit in np.unique(labels):
        members = np.flatnonzero(labels == digit)
        mask[members[np.argsort(draw[members])[: round(HELD_BACK * len(members))]]] = True
    return mask
