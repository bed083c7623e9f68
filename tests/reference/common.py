"""What all files of the reference share."""

from typing import NamedTuple

import numpy as np


class Sum(NamedTuple):
    value: np.ndarray
    magnitude: np.ndarray  # the same sum over absolute values
    terms: int  # how many products a value sums at most


def pair(value):
    return (value, value) if np.ndim(value) == 0 else tuple(value)
