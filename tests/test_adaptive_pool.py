"""Adaptive pooling in 1, 2 and 3 dimensions against the reference: any size, None, NaN, ties, minus infinity."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

DIMS = [1, 2, 3]
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
LONGEST = {1: 150, 2: 40, 3: 10}


def images(rng, shape, dtype, kind):
    if kind == "normal":
        return rng.standard_normal(shape).astype(dtype)
    x = rng.integers(-3, 4, shape).astype(dtype)  # many ties: the first wins
    if kind == "non-finite":
        x[rng.random(shape) < 0.1] = np.nan
        x[rng.random(shape) < 0.3] = -np.inf
        x[rng.random(shape) < 0.05] = np.inf
    return x


@st.composite
def poolings(draw):
    """(dims, the input's shape, output_size as it is given, and as numbers)."""
    dims = draw(st.sampled_from(DIMS))
    extents = tuple(draw(st.integers(1, LONGEST[dims])) for _ in range(dims))
    lead = draw(st.sampled_from([(2, 3), (1, 1), (4,), (0, 2)]))
    outs = [draw(st.integers(1, LONGEST[dims])) for _ in range(dims)]
    given = draw(st.sampled_from([tuple(outs), outs, outs[0]]))
    if dims > 1 and not isinstance(given, int) and draw(st.booleans()):
        outs[-1], given = extents[-1], type(given)([*outs[:-1], None])
    return dims, lead + extents, given, [outs[0]] * dims if isinstance(given, int) else outs


@settings(max_examples=150)
@given(poolings(), DTYPES, st.sampled_from(["normal", "ties", "non-finite"]), SEEDS)
def test_max(case, dtype, kind, seed):
    dims, shape, output_size, outs = case
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    value, index = reference.adaptive_max_pool(x, dims, outs)
    pool, backward = getattr(fc, f"adaptive_max_pool{dims}d"), getattr(F, f"adaptive_max_pool{dims}d_backward")

    y, indices = pool(x, output_size, return_indices=True)
    np.testing.assert_array_equal(y, value.astype(dtype))
    np.testing.assert_array_equal(indices, index)
    assert y.dtype == dtype and indices.dtype == np.int64
    out = np.full(value.shape, np.nan, dtype)
    assert_same_bits(pool(x, output_size, out=out), y)
    gy = rng.standard_normal(y.shape).astype(dtype)
    assert_sums(backward(gy, indices, shape), reference.scattered(gy, index, shape, dims, add=True), dtype)
    assert_same_bits(x, before)


@settings(max_examples=150)
@given(poolings(), DTYPES, st.sampled_from(["normal", "ties", "non-finite"]), SEEDS)
def test_average(case, dtype, kind, seed):
    dims, shape, output_size, outs = case
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    pool, backward = getattr(fc, f"adaptive_avg_pool{dims}d"), getattr(F, f"adaptive_avg_pool{dims}d_backward")
    expected = reference.adaptive_avg_pool(x, dims, outs)
    out = np.full(expected.value.shape, np.nan, dtype)
    assert pool(x, output_size, out=out) is out
    assert_sums(out, expected, dtype)
    gy = images(rng, out.shape, dtype, kind)
    assert_sums(backward(gy, shape), reference.adaptive_avg_pool_backward(gy, shape, dims), dtype)
    assert_same_bits(x, before)


@pytest.mark.parametrize("width", [1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 80, 129])
@pytest.mark.parametrize("out", [1, 2, 5])
def test_a_nan_in_every_lane_wins(width, out, dtype, rng):
    """In every lane and every tail; of several the last one tells the index, and of equals the first."""
    x = rng.integers(0, 2, (1, 1, 3, width)).astype(dtype)
    for place in range(width):
        for row in (0, 2):
            spoiled = x.copy()
            spoiled[0, 0, row, place] = spoiled[0, 0, 1, width // 2] = np.nan
            for dims, y in ((2, spoiled), (1, spoiled[0])):
                value, index = reference.adaptive_max_pool(y, dims, [out] * dims)
                pool = getattr(fc, f"adaptive_max_pool{dims}d")
                found, indices = pool(y, out, True)
                np.testing.assert_array_equal(found, value.astype(dtype))
                np.testing.assert_array_equal(indices, index)
                np.testing.assert_array_equal(pool(y, out), value.astype(dtype))


def test_minus_infinity_everywhere(dtype):
    x = np.full((1, 1, 3, 3), -np.inf, dtype)
    np.testing.assert_array_equal(fc.adaptive_max_pool2d(x, 2, True)[1][0, 0], [[0, 1], [3, 4]])
    np.testing.assert_array_equal(fc.adaptive_max_pool2d(x, 1, True)[1], np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_nothing(kind, dims, dtype):
    """An output of size 0, an empty batch, and no channels where torch takes them."""
    pool = getattr(fc, f"adaptive_{kind}_pool{dims}d")
    extents = (5,) * dims
    assert pool(np.ones((2, 3, *extents), dtype), 0).shape == (2, 3, *(0,) * dims)
    assert pool(np.ones((0, 3, *extents), dtype), 2).shape == (0, 3, *(2,) * dims)
    assert pool(np.ones((0, *extents), dtype), 2).shape == (0, *(2,) * dims)
    backward = getattr(F, f"adaptive_{kind}_pool{dims}d_backward")
    gy = np.ones((2, 3, *(0,) * dims), dtype)
    more = (np.ones(gy.shape, np.int64),) if kind == "max" else ()
    assert_same_bits(backward(gy, *more, (2, 3, *extents)), np.zeros((2, 3, *extents), dtype))
    if kind == "avg" and dims < 3:
        assert pool(np.ones((2, 0, *extents), dtype), 2).shape == (2, 0, *(2,) * dims)
    else:
        with pytest.raises(ValueError, match="^input must have at least one channel"):
            pool(np.ones((2, 0, *extents), dtype), 2)
    with pytest.raises(ValueError, match="^input must have at least one channel and one pixel"):
        pool(np.ones((2, 3, *extents[1:], 0), dtype), 2)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(
    "wrong, error",
    [
        (-1, ValueError),
        (2.0, TypeError),
        (True, TypeError),
        (None, TypeError),
        ("2", TypeError),
        ((2, 2, 2, 2), ValueError),
        ((), ValueError),
        (2**62, ValueError),
    ],
    ids=str,
)
def test_wrong_output_sizes(kind, dims, wrong, error):
    with pytest.raises(error, match="output"):
        getattr(fc, f"adaptive_{kind}_pool{dims}d")(np.ones((1, 2, *(4,) * dims), np.float32), wrong)


def test_wrong_arguments():
    x = np.ones((1, 2, 4, 4), np.float32)
    with pytest.raises(TypeError, match="^output_size"):
        fc.adaptive_avg_pool1d(x[0], (None,))
    with pytest.raises(ValueError, match="^output_size must be an integer or 2 of them"):
        fc.adaptive_avg_pool2d(x, (2,))
    with pytest.raises(TypeError, match="^return_indices"):
        fc.adaptive_max_pool2d(x, 2, 1)
    with pytest.raises(ValueError, match="^input must have 4 dimensions"):
        fc.adaptive_max_pool2d(x[0, 0], 2)
    y, indices = fc.adaptive_max_pool2d(x, 2, True)
    with pytest.raises(ValueError, match="^indices must lie between 0 and 15"):
        F.adaptive_max_pool2d_backward(y, indices + 16, x.shape)
    with pytest.raises(ValueError, match="^indices has shape"):
        F.adaptive_max_pool2d_backward(y, indices[:, :1], x.shape)
    for shape in ((2, 2, 4, 4), (2, 4, 4)):
        with pytest.raises(ValueError, match="^grad_output has shape"):
            F.adaptive_max_pool2d_backward(y, indices, shape)
        with pytest.raises(ValueError, match="^grad_output has shape"):
            F.adaptive_avg_pool2d_backward(y, shape)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(
    "shape, output_size", [((5, 67, 2003), 33), ((3, 33, 61, 59), (7, 9)), ((2, 9, 17, 33, 31), (5, 1, 1))], ids=str
)
def test_alone_and_in_a_batch(kind, shape, output_size, dtype, rng):
    dims = len(shape) - 2
    pool = getattr(fc, f"adaptive_{kind}_pool{dims}d")
    backward = getattr(F, f"adaptive_{kind}_pool{dims}d_backward")
    x = rng.standard_normal(shape, np.float32).astype(dtype)
    y = pool(x, output_size)
    assert_same_bits(pool(x[1:2], output_size), y[1:2])
    assert_same_bits(pool(x[1], output_size), y[1])
    assert_same_bits(pool(x[::-1, ..., ::-1], output_size), pool(x[::-1, ..., ::-1].copy(), output_size))
    more = (pool(x, output_size, True)[1],) if kind == "max" else ()
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = backward(gy, *more, shape)
    assert_same_bits(backward(gy[1], *(i[1] for i in more), shape[1:]), gx[1])


@settings(max_examples=60)
@given(poolings(), DTYPES, SEEDS)
def test_torch_agrees(case, dtype, seed):
    torch = pytest.importorskip("torch")
    dims, shape, output_size, _ = case
    rng = np.random.default_rng(seed)
    for kind, pool in (("max", "non-finite"), ("avg", "ties")):
        x = images(rng, shape, dtype, pool)
        name = f"adaptive_{kind}_pool{dims}d"
        tensor = torch.from_numpy(x).requires_grad_()
        more = (True,) if kind == "max" else ()
        theirs = getattr(torch.nn.functional, name)(tensor, output_size, *more)
        ours = getattr(fc, name)(x, output_size, *more)
        indices = ()
        if kind == "max":
            np.testing.assert_array_equal(ours[1], theirs[1].numpy())
            indices, ours, theirs = (ours[1],), ours[0], theirs[0]
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=20 * eps, atol=20 * eps)
        gy = rng.integers(-4, 5, ours.shape).astype(dtype)
        theirs.backward(torch.from_numpy(gy))
        gx = getattr(F, name + "_backward")(gy, *indices, shape)
        np.testing.assert_allclose(gx, tensor.grad.numpy(), rtol=100 * eps, atol=100 * eps)
