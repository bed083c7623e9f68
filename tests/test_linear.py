"""linear and its backward against the reference."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F


def check(rng, dtype, leading, k, n, bias=True, mask=(True, True, True)):
    x, w = rng.standard_normal((*leading, k)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
    b = rng.standard_normal(n).astype(dtype) if bias else None
    before = x.copy(), w.copy()
    expected = reference.linear(x, w, b)
    out = np.full((*leading, n), np.nan, dtype)
    fc.linear(x, w, b, out=out)
    assert_sums(out, expected, dtype)
    assert_same_bits(fc.linear(x, w, b), out)
    gy = rng.standard_normal(out.shape).astype(dtype)
    grads = F.linear_backward(gy, x, w, output_mask=mask)
    for wanted, grad, sums in zip(mask, grads, reference.linear_backward(gy, x, w), strict=True):
        assert (grad is not None) == wanted
        if wanted:
            assert_sums(grad, sums, dtype)
    assert_same_bits(x, before[0])
    assert_same_bits(w, before[1])


@settings(max_examples=120)
@given(
    st.lists(st.integers(0, 6), max_size=3),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 2**32 - 1),
)
def test_generated(leading, k, n, dtype, bias, mask, seed):
    check(np.random.default_rng(seed), dtype, tuple(leading), k, n, bias, mask)


@pytest.mark.parametrize(
    "m, k, n",
    [
        (1, 1, 1), (1, 784, 256), (128, 784, 256), (7, 143, 13), (13, 144, 17), (15, 145, 31), (33, 257, 65),
        (256, 400, 120), (255, 84, 10), (3, 2050, 5), (97, 1201, 11), (1, 513, 1),
    ],
)  # fmt: skip
def test_awkward(m, k, n, dtype, rng):
    check(rng, dtype, (m,), k, n)


@pytest.mark.parametrize("m", range(1, 17))
@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33])
def test_every_tile_edge(m, n, dtype, rng):
    check(rng, dtype, (m,), m + n, n)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_non_finite_values_go_where_a_direct_sum_puts_them(special, dtype, rng):
    x, w, gy = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 19), (17, 19), (5, 17)))
    x[2, 3] = w[4, 5] = gy[1, 16] = special
    assert_sums(fc.linear(x, w), reference.linear(x, w), dtype)
    for grad, sums in zip(F.linear_backward(gy, x, w), reference.linear_backward(gy, x, w), strict=True):
        assert_sums(grad, sums, dtype)


def test_empty_batch(dtype):
    x, w = np.zeros((0, 4), dtype), np.ones((3, 4), dtype)
    assert fc.linear(x, w, np.ones(3, dtype)).shape == (0, 3)
    gx, gw, gb = F.linear_backward(np.zeros((0, 3), dtype), x, w)
    assert gx.shape == (0, 4)
    assert_same_bits(gw, np.zeros_like(w))
    assert_same_bits(gb, np.zeros(3, dtype))


def test_a_bias_of_one_value_and_a_weight_of_one_dimension(dtype, rng):
    x, w = rng.standard_normal((2, 3, 5)).astype(dtype), rng.standard_normal((4, 5)).astype(dtype)
    b = np.asarray(0.75, dtype)
    for each in (x, x[0], x[0, 0]):
        assert_same_bits(fc.linear(each, w, b), fc.linear(each, w, np.full(4, b)))
        assert_same_bits(fc.linear(each, w[0]), np.array(fc.linear(each, w[:1])[..., 0]))
    for each in (x, x[0], x[0, 0]):
        expected = fc.linear(each, w[:1], np.full(1, b))[..., 0]
        assert_same_bits(np.asarray(fc.linear(each, w[0], b)), np.array(expected))
    for each, weight, bias in (
        (x, w[0], b[None]), (x[0, 0], w[0], b[None]), (x, w, np.full(3, b)), (x[0, 0, 0], w, b),
        (x, np.asarray(b), b), (x, w[None], b),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="bias|input|weight"):
            fc.linear(each, weight, bias)
    empty = fc.linear(x[..., :0], w[:, :0], b)
    assert_same_bits(empty, np.full((2, 3, 4), b))
    assert_same_bits(fc.linear(x[..., :0], w[0, :0], b), np.full((2, 3), b))
