"""max_unpool in 1, 2 and 3 dimensions against the reference; sizes that are refused, as torch refuses them."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F

DIMS = [1, 2, 3]
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
BASE = dict(kernel_size=2, stride=2)


def unpooling(dims):
    return getattr(fc, f"max_unpool{dims}d"), getattr(F, f"max_unpool{dims}d_backward")


@st.composite
def unpoolings(draw):
    """(the input's shape, options, the output's extents)."""
    dims = draw(st.sampled_from(DIMS))
    lead = draw(st.sampled_from([(2, 3), (1, 1), (4,), (0, 2)]))
    extents = [draw(st.integers(1, {1: 40, 2: 9, 3: 5}[dims])) for _ in range(dims)]
    kernel = tuple(draw(st.integers(2, 4)) for _ in range(dims))
    stride = draw(st.one_of(st.none(), st.tuples(*(st.integers(1, 4) for _ in range(dims)))))
    padding = draw(st.integers(0, 1))
    steps = kernel if stride is None else stride
    default = [(n - 1) * s + k - 2 * padding for n, s, k in zip(extents, steps, kernel, strict=True)]
    output_size = None
    if draw(st.booleans()):
        outs = tuple(max(0, n + draw(st.integers(1 - s, s - 1))) for n, s in zip(default, steps, strict=True))
        output_size, default = draw(st.sampled_from([outs, list(outs), (9, 9, *outs)])), outs
    options = dict(kernel_size=kernel, stride=stride, padding=padding, output_size=output_size)
    return (*lead, *extents), options, tuple(default)


@settings(max_examples=200)
@given(unpoolings(), DTYPES, SEEDS)
def test_unpool(case, dtype, seed):
    shape, options, outs = case
    dims = len(outs)
    unpool, backward = unpooling(dims)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    indices = rng.integers(0, max(1, np.prod(outs)), shape)  # some meet: the last stays
    result = (*shape[:-dims], *outs)
    y = unpool(x, indices, **options)
    if y.size:
        expected = reference.scattered(x, indices, result, dims, add=False).value
        assert_same_bits(y, expected.astype(dtype))
    assert y.shape == result
    out = np.full(result, np.nan, dtype)
    assert unpool(x, indices, **options, out=out) is out
    assert_same_bits(out, y)
    gy = rng.standard_normal(result).astype(dtype)
    gx = backward(gy, indices.astype(np.int32), shape, **options)
    assert_same_bits(gx, reference.gathered(gy, indices, dims) if y.size else np.zeros(shape, dtype))


@pytest.mark.parametrize("dims", DIMS)
def test_undoes_the_pooling(dims, dtype, rng):
    shape = (2, 3, *(9,) * dims)
    x = rng.standard_normal(shape).astype(dtype)
    y, indices = getattr(fc, f"adaptive_max_pool{dims}d")(x, 4, True)
    back = unpooling(dims)[0](y, indices, 2, output_size=shape)
    flat = x.reshape(2, 3, -1)
    kept = [[np.isin(flat[n, c], y[n, c]) for c in range(3)] for n in range(2)]
    np.testing.assert_array_equal(back.reshape(flat.shape) != 0, kept)
    np.testing.assert_array_equal(back[back != 0], x[back != 0])


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("wrong", [-1, "size", 2**40, -(2**63)])
def test_indices_outside_are_refused(dims, wrong, dtype):
    x = np.ones((2, 3, *(2,) * dims), dtype)
    indices = np.zeros(x.shape, np.int64)
    indices[1, 2, ..., 1] = 4**dims if wrong == "size" else wrong
    unpool, backward = unpooling(dims)
    with pytest.raises(ValueError, match="^indices must lie between 0 and "):
        unpool(x, indices, 2)
    with pytest.raises(ValueError, match="^indices must lie between 0 and "):
        backward(np.ones((2, 3, *(4,) * dims), dtype), indices, x.shape, 2)


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize(
    "changed, error",
    [
        (dict(kernel_size=(2, 2, 2, 2)), ValueError),
        (dict(kernel_size=2.0), TypeError),
        (dict(kernel_size=None), TypeError),
        (dict(stride=True), TypeError),
        (dict(padding=3), ValueError),
        (dict(kernel_size=-9), ValueError),
        (dict(output_size=4), TypeError),
        (dict(output_size=(4.0, 4.0, 4.0)), (TypeError, ValueError)),
        (dict(output_size=(2, 2, 2)), ValueError),
        (dict(output_size=(6, 6, 6)), ValueError),
        (dict(output_size=()), ValueError),
        (dict(output_size=(1, 4, 4, 4, 4, 4)), ValueError),
    ],
    ids=str,
)
def test_wrong_sizes(dims, changed, error):
    x = np.ones((1, 2, *(2,) * dims), np.float32)
    if isinstance(changed.get("output_size"), tuple) and len(changed["output_size"]) == 3:
        changed = {"output_size": changed["output_size"][:dims]}
    (name,) = changed
    unpool, backward = unpooling(dims)
    for call in (
        lambda: unpool(x, np.zeros(x.shape, np.int64), **(BASE | changed)),
        lambda: backward(
            np.ones((1, 2, *(4,) * dims), np.float32), np.zeros(x.shape, int), x.shape, **(BASE | changed)
        ),
    ):
        with pytest.raises(error, match=name):
            call()


@pytest.mark.parametrize("dims", DIMS)
def test_what_torch_takes(dims, dtype):
    """Sizes of nothing, and negative padding; strides are checked in three dimensions alone."""
    x = np.ones((1, 2, *(2,) * dims), dtype)
    indices = np.zeros(x.shape, np.int64)
    unpool, _ = unpooling(dims)
    assert unpool(x, indices, -2, 2).size == 0
    assert unpool(x, indices, 2, padding=-1).shape == (1, 2, *(6,) * dims)
    if dims < 3:
        assert unpool(x, indices, 9, 0).shape == (1, 2, *(9,) * dims)
        assert unpool(x, indices, 9, -1).shape == (1, 2, *(8,) * dims)
    else:
        with pytest.raises(ValueError, match="^stride"):
            unpool(x, indices, 9, 0)


def test_wrong_arrays():
    x = np.ones((1, 2, 2, 2), np.float32)
    indices = np.zeros(x.shape, np.int64)
    with pytest.raises(TypeError, match="^indices must be int64"):
        fc.max_unpool2d(x, indices.astype(np.int32), 2)
    with pytest.raises(TypeError, match="^indices must hold integers"):
        fc.max_unpool2d(x, x, 2)
    with pytest.raises(ValueError, match="^indices has shape"):
        fc.max_unpool2d(x, indices[0], 2)
    with pytest.raises(ValueError, match="^input must have 4 dimensions"):
        fc.max_unpool2d(x[0, 0], indices[0, 0], 2)
    with pytest.raises(ValueError, match="^input must have at least one channel"):
        fc.max_unpool2d(x[:, :0], indices[:, :0], 2)
    with pytest.raises(ValueError, match="^grad_output has shape"):
        F.max_unpool2d_backward(x, indices, x.shape, 2)
