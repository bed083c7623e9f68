"""pad and its gradient against the reference, and against torch."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

MODES = ["constant", "reflect", "replicate", "circular"]
COUNTS = (1, 2, 3, 7)


@st.composite
def paddings(draw):
    """(shape, pad, mode) that are valid."""
    integer = st.integers
    mode = draw(st.sampled_from(MODES))
    if mode == "constant":
        shape = tuple(draw(st.lists(integer(0, 9), max_size=5)))
        count = draw(integer(0, len(shape)))
    else:
        count = draw(integer(1, 3))
        low = 0 if mode == "circular" else 1
        shape = tuple(draw(integer(low, 3)) for _ in range(draw(integer(1, 2)))) + tuple(
            draw(integer(1, 11)) for _ in range(count)
        )
        if len(shape) == count + 2 and draw(st.booleans()):
            shape = (0, *shape[1:])
    pad = []
    for size in shape[len(shape) - count :][::-1]:
        least = max(-size, 2 - 2 * size) if mode == "reflect" else -size
        low = draw(integer(least, {"reflect": size - 1, "circular": size}.get(mode, size + 3)))
        left = size + min(low, 0)
        most = {"reflect": size - 1, "circular": left}.get(mode, size + 3)
        least = -left if mode == "constant" else max(1 - size - low, -left if mode == "circular" else -size - 40)
        high = draw(integer(min(least, most), most))
        if mode == "circular" and low > size + min(low, 0) + min(high, 0):
            high = 0
        pad += [low, high]
    return shape, tuple(pad), mode


@settings(max_examples=400)
@given(
    paddings(),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([None, 0, 1.5, -2]),
    st.integers(0, 2**32 - 1),
)
def test_generated(case, dtype, value, seed):
    shape, pad, mode = case
    value = value if mode == "constant" else None
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.standard_normal(shape), dtype)
    before = x.copy()
    expected = reference.pad(x, pad, mode, value)
    out = np.full(expected.shape, np.nan, dtype)
    assert fc.pad(x, pad, mode, value, out=out) is out
    assert_same_bits(out, expected)
    assert_same_bits(fc.pad(np.array(x, order="F"), list(pad), mode=mode, value=value), expected)
    assert_same_bits(x, before)
    gy = np.asarray(rng.standard_normal(expected.shape), dtype)
    before = gy.copy()
    assert_sums(F.pad_backward(gy, shape, pad, mode, value), reference.pad_backward(gy, shape, pad, mode), dtype)
    assert_same_bits(gy, before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "shape, pad",
    [
        ((3, 37, 131, 157), (1, 2, 3, 0)), ((2, 301, 1999), (5, 5)), ((2, 3, 41, 37, 71), (1, 1, 2, 2, 3, 3)),
        ((1, 3, 301, 499), (-1, 7, 9, -2)), ((2, 5, 61, 1031), (0, 0, 3, 3)), ((5, 1001, 97), (30, 31)),
    ],
    ids=str,
)  # fmt: skip
def test_threads_and_batches(mode, shape, pad, dtype, rng, threads):
    x = rng.standard_normal(shape, np.float32).astype(dtype)
    expected = reference.pad(x, pad, mode)
    gy = rng.standard_normal(expected.shape, np.float32).astype(dtype)
    gradient = F.pad_backward(gy, shape, pad, mode)
    assert_sums(gradient, reference.pad_backward(gy, shape, pad, mode), dtype)
    for count in COUNTS:
        threads(count)
        assert_same_bits(fc.pad(x, pad, mode), expected)
        assert_same_bits(F.pad_backward(gy, shape, pad, mode), gradient)
    assert_same_bits(F.pad_backward(gy[-1:], (1, *shape[1:]), pad, mode)[0], gradient[-1])
    assert_same_bits(F.pad_backward(gy[0], shape[1:], pad, mode), gradient[0])


def test_special_values(dtype):
    x = np.array([[np.nan, -0.0, np.inf]], dtype)
    for mode in MODES:
        assert_same_bits(fc.pad(x, (2, 2), mode), reference.pad(x, (2, 2), mode))
    assert np.isnan(fc.pad(x, (1, 0), value=float("nan"))[0, 0])
    assert np.signbit(fc.pad(x, (1, 0), value=-0.0)[0, 0])


def test_many_dimensions(dtype):
    x = np.arange(2.0**12).astype(dtype).reshape((2,) * 12)
    pad = (1, 0) * 5 + (0, 0, -1, 1)
    assert_same_bits(fc.pad(x, pad), reference.pad(x, pad))


def test_huge_sizes_are_refused():
    x = np.zeros((1, 1, 4), np.float32)
    for pad in ((2**62, 0), (2**63, 0), (0, 2**60)):
        with pytest.raises(ValueError):
            fc.pad(x, pad)
    with pytest.raises(ValueError):
        fc.pad(x, (2**62, 2**62), "replicate")


WRONG = [
    ((2, 3), (1,), "constant", None), ((3,), (1, 1, 1, 1), "constant", None), ((5,), (-3, -3), "constant", None),
    ((5,), (-6, 4), "constant", None), ((5,), (8, -7), "constant", None), ((2,), (1, 1), "constant", "3"),
    ((), (1, 1), "constant", None), ((2,), 1, "constant", None), ((2,), (1.0, 1), "constant", None),
    ((2,), (True, 1), "constant", None), ((2,), (1, 1), "foo", None), ((2,), (1, 1), None, None),
    ((1, 4), (1, 1), "reflect", 1.0), ((1, 4), (1, 1), "circular", 2.0), ((1, 1, 4), (1, 1), "foo", 1.0),
    *[
        (shape, pad, mode, None)
        for mode in MODES[1:]
        for shape, pad in [
            ((4,), (1, 1)), ((1, 1, 2, 4), (1, 1)), ((4, 4), (1, 1, 1, 1)), ((1, 1, 1, 4, 4), (1,) * 4),
            ((4, 4, 4), (1,) * 6), ((1, 1, 1, 4, 4, 4), (1,) * 6), ((1, 4, 4, 4, 4), (1,) * 8), ((1, 4), ()),
            ((1, 4), (1,)), ((1, 1, 4), (1, 1, 1)), ((1, 4), (-3, -2)), ((1, 2, 0), (1, 1)),
        ]
    ],
    *[
        (shape, pad, mode, None)
        for mode in ("reflect", "replicate")
        for shape, pad in [
            ((1, 4), (-2, -2)), ((2, 0, 4), (1, 1)), ((0, 4), (1, 1)), ((1, 2, 0), (0, 0)),
            ((2, 0, 4, 4), (1,) * 4), ((2, 2, 0, 4), (1, 1, 0, 0)), ((0, 4, 4), (1,) * 4),
        ]
    ],
    *[((1, 4), pad, "reflect", None) for pad in [(4, 0), (0, 4), (9, 9), (4, -6), (-4, 4)]],
    ((1, 1), (1, 0), "reflect", None),
    *[((1, 4), pad, "circular", None) for pad in [(5, 0), (0, 5), (-3, 3), (3, -3), (-5, 3)]],
]  # fmt: skip


@pytest.mark.parametrize("shape, pad, mode, value", WRONG, ids=str)
def test_wrong_arguments(shape, pad, mode, value):
    for call in (
        lambda: fc.pad(np.zeros(shape, np.float32), pad, mode, value),
        lambda: F.pad_backward(np.zeros((1, 6), np.float32), shape, pad, mode, value),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert any(word in str(caught.value) for word in ("pad", "mode", "value", "input"))


def test_wrong_gradients(dtype):
    with pytest.raises(ValueError, match="grad_output"):
        F.pad_backward(np.zeros((1, 5), dtype), (1, 3), (2, 1))
    with pytest.raises(TypeError, match="input_shape"):
        F.pad_backward(np.zeros((1, 6), dtype), 3, (2, 1))


@settings(max_examples=300)
@given(paddings(), st.integers(0, 2**32 - 1))
def test_torch_agrees(case, seed):
    torch = pytest.importorskip("torch")
    shape, pad, mode = case
    x = torch.from_numpy(np.asarray(np.random.default_rng(seed).integers(-9, 9, shape), np.float64)).requires_grad_()
    theirs = torch.nn.functional.pad(x, pad, mode)
    np.testing.assert_array_equal(fc.pad(x.detach().numpy(), pad, mode), theirs.detach().numpy())
    theirs.sum().backward()
    mine = F.pad_backward(np.ones(tuple(theirs.shape)), shape, pad, mode)
    np.testing.assert_array_equal(mine, x.grad.numpy())


@pytest.mark.parametrize("shape, pad, mode, value", WRONG, ids=str)
def test_torch_refuses_the_same(shape, pad, mode, value):
    torch = pytest.importorskip("torch")
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        torch.nn.functional.pad(torch.zeros(shape), pad, mode, value)
