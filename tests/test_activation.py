"""Activations and their gradients: accuracy in units in the last place, extremes, NaN."""

import numpy as np
import pytest
import reference
from tolerance import assert_close, assert_same_bits

import fastconv as fc
import fastconv.functional as F

NAMES = ["relu", "sigmoid", "tanh"]


def arguments(dtype, rng):
    """Every size that matters: tiny, ordinary, and so large that an exponential overflows."""
    limits = np.finfo(dtype)
    special = [0.0, -0.0, limits.tiny, -limits.tiny, limits.max, limits.min, np.inf, -np.inf, np.nan, limits.eps]
    spread = rng.standard_normal(4000) * 10.0 ** rng.uniform(-8, 3, 4000)
    return np.concatenate([special, spread, np.linspace(-30, 30, 1201)]).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_forward(name, dtype, rng):
    x = arguments(dtype, rng)
    before = x.copy()
    out = np.full_like(x, np.nan)
    getattr(fc, name)(x, out=out)
    assert_close(out, getattr(reference, name)(x), dtype, ulps=0 if name == "relu" else 5)
    assert_same_bits(getattr(F, name)(x), out)
    assert_same_bits(x, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 100_003])
def test_every_tail_gives_the_same_bits(name, size, dtype, rng):
    """A value's result does not depend on where in the array it stands."""
    x = (rng.standard_normal(size) * 5).astype(dtype)
    y = getattr(fc, name)(x)
    assert y.shape == x.shape
    assert_close(y, getattr(reference, name)(x), dtype, ulps=5)
    for place in rng.integers(0, size, min(size, 5)):
        assert_same_bits(getattr(fc, name)(x[place : place + 1]), y[place : place + 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5), (2, 0, 3)], ids=str)
def test_any_shape(name, shape, dtype, rng):
    x = np.asarray(rng.standard_normal(shape), dtype)
    assert_close(getattr(fc, name)(x), getattr(reference, name)(x), dtype, ulps=5)


@pytest.mark.parametrize("name", NAMES)
def test_backward(name, dtype, rng):
    x = (rng.standard_normal((3, 7, 11)) * 4).astype(dtype)
    x[0, 0, :4] = 0.0, -0.0, 1e-30, -1e-30
    gy = rng.standard_normal(x.shape).astype(dtype)
    given = x if name == "relu" else getattr(fc, name)(x)
    gx = getattr(F, f"{name}_backward")(gy, given)
    expected = getattr(reference, f"{name}_backward")(gy, given)
    # 1 - y and 1 - y * y cancel: what is lost there is relative to 1, not to the difference.
    assert_close(gx, expected, dtype, ulps=0 if name == "relu" else 4, scale=gy.astype(np.float64))


def test_relu_gradient_at_zero_is_zero(dtype):
    x = np.array([0.0, -0.0, 1.0, -1.0], dtype)
    np.testing.assert_array_equal(F.relu_backward(np.full(4, 3, dtype), x), np.array([0, 0, 3, 0], dtype))


def test_relu_inplace_is_refused(dtype):
    with pytest.raises(ValueError, match="inplace"):
        F.relu(np.zeros(3, dtype), inplace=True)
    F.relu(np.zeros(3, dtype), inplace=False)


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


@pytest.mark.parametrize("name", [*NAMES, "softmax", "log_softmax"])
def test_torch_agrees(name, dtype, rng):
    torch = pytest.importorskip("torch")
    x = arguments(dtype, rng)
    extra = {"dim": -1} if "softmax" in name else {}
    x = x[np.isfinite(x) & (np.abs(x) < 1e4)][:4096].reshape(-1, 16) if extra else x
    theirs = getattr(torch, name)(torch.from_numpy(x), **extra).numpy()
    mine = getattr(F, name)(x, **extra)
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
    # Both lose units of log_softmax's summands, which are one and more; elsewhere only denormals differ.
    tiny = 16 * np.finfo(dtype).eps if name == "log_softmax" else np.finfo(dtype).tiny
    np.testing.assert_allclose(mine, theirs, rtol=4000 * np.finfo(dtype).eps, atol=4 * tiny)
