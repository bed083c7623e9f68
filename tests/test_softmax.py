"""Softmax and its logarithm, forward and backward."""

import numpy as np
import pytest
import reference
from tolerance import assert_close, assert_same_bits

import fastconv as fc
import fastconv.functional as F

NAMES = ["softmax", "log_softmax"]


@pytest.mark.parametrize("name", NAMES)
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
        ((4, 0), -1),
        ((), 0),
        ((5, 10, 37), 1),
        ((3, 40, 5, 131), 1),
        ((2000, 3), 0),
        ((2, 5000, 70), 1),
        ((1, 70_000), 1),
        ((2, 3, 3000), 1),
        ((1, 10, 1025), 1),
    ],
    ids=str,
)
def test_softmax(name, shape, dim, dtype, rng):
    x = np.asarray(rng.standard_normal(shape) * 6, dtype)
    before = x.copy()
    y = getattr(fc, name)(x, dim)
    expected = getattr(reference, name)(x, dim)
    count = shape[dim] if shape else 1
    if name == "softmax":
        # exp(x - max) carries the rounding of x - max, up to |x - max| / 2 units.
        assert_close(y, expected, dtype, ulps=10 + 40 + np.sqrt(count))
    else:
        assert_close(y, expected, dtype, ulps=10 + np.sqrt(count), scale=np.abs(expected) + 1)
    assert_same_bits(x, before)
    gy = np.asarray(rng.standard_normal(shape), dtype)
    gx = getattr(F, f"{name}_backward")(gy, y, dim)
    expected = getattr(reference, f"{name}_backward")(gy, y, dim)
    weights = np.abs(y.astype(np.float64)) if name == "softmax" else np.exp(y.astype(np.float64))
    scale = np.abs(gy) + weights * (np.abs(gy).sum(axis=dim, keepdims=True) if count else 0)
    assert_close(gx, expected, dtype, ulps=8 + np.sqrt(count), scale=scale)


@pytest.mark.parametrize("name", NAMES)
def test_softmax_of_large_and_infinite_values(name, dtype):
    big = np.finfo(dtype).max
    x = np.array([[1e4, 1e4 - 1, -1e4], [big, big, -big], [-np.inf, 0, 1], [np.nan, 0, 1], [-big, -big, -big]], dtype)
    y = getattr(fc, name)(x, 1)
    expected = getattr(reference, name)(x)
    down = getattr(fc, name)(np.ascontiguousarray(x.T), 0).T
    np.testing.assert_array_equal(np.isnan(down), np.isnan(y))
    np.testing.assert_allclose(down, y, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    assert_close(y[[0, 2, 4]], expected[[0, 2, 4]], dtype, ulps=32)
    if name == "softmax":
        np.testing.assert_allclose(y[[0, 1, 2, 4]].sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_same_bits(name, dim, dtype, rng, threads):
    """At any thread count, alone and in a batch, for any strides; forward and backward."""
    x, gy = (rng.standard_normal((150, 31, 171)).astype(dtype) for _ in range(2))
    function, backward = getattr(F, name), getattr(F, f"{name}_backward")
    y = function(x, dim)
    gx = backward(gy, y, dim)
    for count in (1, 2, 3, 7):
        threads(count)
        assert_same_bits(function(x, dim), y)
        assert_same_bits(backward(gy, y, dim), gx)
    if dim > 0:
        assert_same_bits(function(x[7:8], dim)[0], y[7])
        assert_same_bits(backward(gy[7:8], y[7:8], dim)[0], gx[7])
    else:
        assert_same_bits(function(x[:, :, 160:161].copy(), dim)[..., 0].copy(), y[..., 160].copy())
    assert_same_bits(function(x[::-1, :, ::2], dim), function(x[::-1, :, ::2].copy(), dim))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count, columns", [(70, 2049), (5, 70)])
def test_a_column_has_the_same_bits_anywhere(name, count, columns, dtype, rng):
    x, gy = (np.repeat(rng.standard_normal((count, 1)).astype(dtype), columns, 1) for _ in range(2))
    y = getattr(F, name)(x, 0)
    for each in (y, getattr(F, f"{name}_backward")(gy, y, 0)):
        assert_same_bits(each, np.repeat(each[:, :1], columns, 1))


@pytest.mark.parametrize("name", NAMES)
def test_many_small_terms_beside_a_large_one(name):
    """Added one by one to 1, terms of an ulp would come to twice their sum, or to nothing."""
    for small in (2e-8, 7e-8, 1e-7):
        x = np.full(1_000_000, np.log(small), np.float32)
        x[3] = 0
        for shaped, dim in ((x, 0), (np.repeat(x[:, None], 2, 1), 0)):
            y = getattr(F, name)(shaped, dim)
            expected = getattr(reference, name)(shaped, dim)
            assert_close(y, expected, np.float32, ulps=300, scale=np.maximum(np.abs(expected), 1e-30))


@pytest.mark.parametrize("name", NAMES)
def test_dim_by_default_as_torchs(name, dtype, rng):
    for rank, dim in enumerate((0, 0, 1, 0, 1, 1)):
        x = np.asarray(rng.standard_normal((2, 3, 4, 2, 3)[:rank]), dtype)
        with pytest.warns(UserWarning, match=f"dim={dim}") as caught:
            y = getattr(F, name)(x)
        assert caught[0].filename == __file__
        assert_same_bits(y, getattr(F, name)(x, dim))
        with pytest.warns(UserWarning, match="dim"):
            assert_same_bits(getattr(F, f"{name}_backward")(x, y), getattr(F, f"{name}_backward")(x, y, dim))


@pytest.mark.parametrize("name", NAMES)
def test_dtype(name, rng):
    """Input is converted first, whatever real numbers it holds; positions are torch's."""
    function = getattr(F, name)
    x = rng.standard_normal((3, 4))
    assert_same_bits(function(x, 1, 3, np.float32), function(x.astype(np.float32), 1))
    assert_same_bits(
        function(x.astype(np.float32), 1, dtype=np.float64), function(x.astype(np.float32).astype(float), 1)
    )
    for kind in (np.int64, np.uint8, bool, np.float16, ">f4"):
        numbers = (np.arange(12).reshape(3, 4) % 2).astype(kind)
        assert_same_bits(function(numbers, 1, dtype="float32"), function(numbers.astype(np.float32), 1))
        with pytest.raises(TypeError, match="input"):
            function(numbers, 1)
    for wrong in (np.int32, "f2", complex, "nonsense", 5):
        with pytest.raises(TypeError, match="dtype"):
            function(x, 1, dtype=wrong)
    with pytest.raises(TypeError, match="input"):
        function(x.astype(complex), 1, dtype=np.float32)
    y = function(x, 1)
    assert_same_bits(getattr(F, f"{name}_backward")(x, y, 1, dtype=float), getattr(F, f"{name}_backward")(x, y, 1))
    with pytest.raises(TypeError, match="dtype"):
        getattr(F, f"{name}_backward")(x, y, 1, dtype=np.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape, dim", [((5, 10), 1), ((5, 10), 0), ((2, 3, 4, 5), 1), ((), 0)], ids=str)
def test_torch_agrees(name, shape, dim, dtype, rng):
    torch = pytest.importorskip("torch")
    x, gy = (np.asarray(rng.standard_normal(shape), dtype) for _ in range(2))
    if x.size > 20:
        x.flat[:4] = np.inf, np.nan, -np.inf, -np.inf
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    theirs = getattr(torch.nn.functional, name)(tensor, dim)
    theirs.backward(torch.from_numpy(gy))
    y = getattr(F, name)(x, dim)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=8 * eps, atol=8 * eps)
    np.testing.assert_allclose(getattr(F, f"{name}_backward")(gy, y, dim), tensor.grad.numpy(), rtol=0, atol=32 * eps)
