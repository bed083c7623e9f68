"""Softmax and its logarithm, forward and backward."""

import numpy as np
import pytest
import reference
from tolerance import assert_close, assert_same_bits

import fastconv as fc
import fastconv.functional as F


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    "shape, dim",
    [
        ((1, 1), -1),
        ((5, 10), -1),
        ((5, 10), 0),
        ((2, 3, 4), 1),
        ((7,), 0),
        ((3, 1000), 1),
        ((17, 33), -1),
        ((0, 4), -1),
    ],
    ids=str,
)
def test_softmax(name, shape, dim, dtype, rng):
    x = (rng.standard_normal(shape) * 6).astype(dtype)
    before = x.copy()
    y = getattr(fc, name)(x, dim)
    expected = getattr(reference, name)(x, dim)
    count = shape[dim]
    if name == "softmax":
        # exp(x - max) carries the rounding of x - max, up to |x - max| / 2 units.
        assert_close(y, expected, dtype, ulps=10 + 40 + np.sqrt(count))
    else:
        assert_close(y, expected, dtype, ulps=10 + np.sqrt(count), scale=np.abs(expected) + 1)
    assert_same_bits(x, before)
    gy = rng.standard_normal(shape).astype(dtype)
    gx = getattr(F, f"{name}_backward")(gy, y, dim)
    expected = getattr(reference, f"{name}_backward")(gy, y, dim)
    weights = np.abs(y.astype(np.float64)) if name == "softmax" else np.exp(y.astype(np.float64))
    scale = np.abs(gy) + weights * (np.abs(gy).sum(axis=dim, keepdims=True) if count else 0)
    assert_close(gx, expected, dtype, ulps=8 + np.sqrt(count), scale=scale)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_large_and_infinite_values(name, dtype):
    big = np.finfo(dtype).max
    x = np.array([[1e4, 1e4 - 1, -1e4], [big, big, -big], [-np.inf, 0, 1], [np.nan, 0, 1], [-big, -big, -big]], dtype)
    y = getattr(fc, name)(x)
    expected = getattr(reference, name)(x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    assert_close(y[[0, 2, 4]], expected[[0, 2, 4]], dtype, ulps=32)
    if name == "softmax":
        np.testing.assert_allclose(y[[0, 1, 2, 4]].sum(axis=1), 1, rtol=1e-6)
