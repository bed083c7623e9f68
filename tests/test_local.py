"""Locally connected layers and their gradients against the reference: generated and awkward shapes, threads."""

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

REFUSED = (ValueError, TypeError)


def values(rng, shape, dtype):
    return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)


def pixels(input_shape, filter_shape, stride=1, padding=0, dilation=1, groups=1):
    """The output's, and None where there are none."""
    kernel = filter_shape[2:]
    pads = reference.conv_padding(padding, kernel, dilation)
    options = zip(input_shape[2:], pads, kernel, reference.pair(stride), reference.pair(dilation), strict=True)
    result = tuple(reference.conv_output_extent(*each) for each in options)
    return result if min(result) > 0 else None


def check(rng, dtype, input_shape, filter_shape, mask=(True, True, True), bias=True, **options):
    """Forward and backward of one shape against the reference; outputs poisoned first, inputs untouched after."""
    size = pixels(input_shape, filter_shape, **options)
    x, w = values(rng, input_shape, dtype), values(rng, (*filter_shape, *size), dtype)
    b = values(rng, (filter_shape[0], *size), dtype) if bias else None
    before = x.copy(), w.copy()
    expected = reference.locally_connected2d(x, w, b, **options)
    out = np.full(expected.value.shape, np.nan, dtype)
    fc.locally_connected2d(x, w, b, **options, out=out)
    assert_sums(out, expected, dtype)
    assert_same_bits(fc.locally_connected2d(x, w, b, **options), out)
    gy = values(rng, out.shape, dtype)
    gx, gw, gb = F.locally_connected2d_backward(gy, x, w, **options, output_mask=mask)
    assert [each is not None for each in (gx, gw, gb)] == list(mask)
    if mask[0]:
        assert_sums(gx, reference.locally_connected2d_backward_input(gy, x.shape, w, **options), dtype)
    if mask[1]:
        assert_sums(gw, reference.locally_connected2d_backward_weight(gy, x, w.shape, **options), dtype)
    if mask[2]:
        assert_sums(gb, reference.locally_connected2d_backward_bias(gy), dtype)
    for each, kept in zip((x, w), before, strict=True):
        assert_same_bits(each, kept)


@st.composite
def layers(draw):
    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    groups, kernel, stride, dilation = draw(st.integers(1, 3)), pair(1, 5), pair(1, 4), pair(1, 3)
    padding = draw(st.one_of(st.tuples(st.integers(0, 6), st.integers(0, 6)), st.sampled_from(["same", "valid"])))
    if padding == "same":
        stride = (1, 1)
    filter_shape = (groups * draw(st.integers(1, 9)), draw(st.integers(1, 5)), *kernel)
    input_shape = (draw(st.integers(1, 19)), groups * filter_shape[1], *pair(1, 23))
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    assume(pixels(input_shape, filter_shape, **options))
    return input_shape, filter_shape, options


@settings(max_examples=150)
@given(layers(), st.sampled_from([np.float32, np.float64]), st.tuples(*[st.booleans()] * 4), st.integers(0, 2**32))
def test_generated(layer, dtype, flags, seed):
    input_shape, filter_shape, options = layer
    check(np.random.default_rng(seed), dtype, input_shape, filter_shape, flags[:3], flags[3], **options)


AWKWARD = {
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "kernel = input": ((33, 7, 5, 6), (11, 7, 5, 6), {}),
    "primes": ((17, 13, 17, 19), (23, 13, 3, 5), dict(stride=(2, 1), padding=(1, 2))),
    "LeNet conv1": ((17, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    "LeNet conv2": ((33, 6, 14, 14), (16, 6, 5, 5), {}),
    "depthwise": ((2, 19, 14, 15), (19, 1, 3, 3), dict(groups=19, padding=1)),
    "many outputs": ((3, 2, 6, 5), (71, 2, 3, 3), {}),
    "many channels": ((2, 301, 6, 5), (3, 301, 3, 3), dict(padding=1)),
    "1x1": ((5, 33, 9, 11), (47, 33, 1, 1), {}),
    "stride > kernel": ((2, 4, 19, 23), (9, 4, 2, 3), dict(stride=(5, 4))),
    "padding > kernel": ((2, 3, 4, 5), (7, 3, 2, 3), dict(padding=(6, 7))),
    "dilation beyond the input": ((1, 2, 4, 4), (3, 2, 2, 2), dict(padding=5, dilation=9)),
    "long rows": ((2, 1, 2, 5003), (2, 1, 2, 3), dict(padding=1, stride=(1, 2))),
    "long rows, dilated": ((1, 1, 1, 7001), (1, 1, 1, 5), dict(dilation=(1, 700))),
    "large rows": ((1, 5, 70, 400), (3, 5, 5, 5), dict(padding=2)),
    "rows without a tap": ((2, 2, 30, 9), (2, 2, 1, 1), dict(stride=7)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_shapes(name, dtype, rng):
    input_shape, filter_shape, options = AWKWARD[name]
    check(rng, dtype, input_shape, filter_shape, **options)


@pytest.mark.parametrize(
    "input_shape, filter_shape, options",
    [
        ((3, 4, 50), (6, 2, 5), dict(stride=2, padding=2, groups=2)),
        ((1, 1, 5000), (3, 1, 7), dict(padding="same", dilation=3)),
        ((17, 5, 11), (4, 5, 3), dict(padding="valid")),
    ],
    ids=str,
)
def test_signals(input_shape, filter_shape, options, dtype, rng):
    y = fc.conv1d(np.zeros(input_shape, dtype), np.zeros(filter_shape, dtype), **options)
    x, gy = values(rng, input_shape, dtype), values(rng, y.shape, dtype)
    w, b = values(rng, (*filter_shape, y.shape[-1]), dtype), values(rng, y.shape[1:], dtype)
    assert_sums(fc.locally_connected1d(x, w, b, **options), reference.locally_connected1d(x, w, b, **options), dtype)
    gx, gw, gb = F.locally_connected1d_backward(gy, x, w, **options)
    assert_sums(gx, reference.locally_connected1d_backward_input(gy, x.shape, w, **options), dtype)
    assert_sums(gw, reference.locally_connected1d_backward_weight(gy, x, w.shape, **options), dtype)
    assert_sums(gb, reference.locally_connected2d_backward_bias(gy), dtype)
    assert_same_bits(fc.locally_connected1d(x[0], w, b, **options), fc.locally_connected1d(x, w, b, **options)[0])


def test_shared_weights_make_a_convolution(dtype, rng):
    x, w, b = values(rng, (3, 4, 9, 8), dtype), values(rng, (6, 2, 3, 2), dtype), values(rng, (6,), dtype)
    options = dict(stride=(2, 1), padding=1, groups=2)
    shape = fc.conv2d(x, w, b, **options).shape
    untied = np.broadcast_to(w[..., None, None], (*w.shape, *shape[2:]))
    shared = np.broadcast_to(b[:, None, None], shape[1:])
    assert_sums(fc.locally_connected2d(x, untied, shared, **options), reference.conv2d(x, w, b, **options), dtype)


LARGE = {
    "few pixels": ((1, 64, 6, 6), (64, 64, 3, 3), dict(padding=1)),
    "batch": ((37, 6, 14, 14), (16, 6, 5, 5), {}),
    "one image": ((1, 8, 45, 47), (29, 8, 3, 3), dict(padding=1)),
    "stride, groups": ((5, 36, 31, 33), (60, 12, 3, 3), dict(padding=1, groups=3, stride=2)),
    "depthwise": ((19, 61, 27, 25), (61, 1, 3, 3), dict(padding=1, groups=61)),
    "one channel": ((1, 1, 311, 313), (2, 1, 3, 3), dict(padding=1)),
    "long rows": ((2, 3, 1, 20011), (4, 3, 1, 9), {}),
}


@pytest.mark.parametrize("name", LARGE)
def test_same_bits_at_any_number_of_threads_and_in_any_batch(name, dtype, rng, threads):
    input_shape, filter_shape, options = LARGE[name]
    size = pixels(input_shape, filter_shape, **options)
    x = rng.standard_normal(input_shape, np.float32).astype(dtype)
    w = rng.standard_normal((*filter_shape, *size), np.float32).astype(dtype)
    b = rng.standard_normal((filter_shape[0], *size), np.float32).astype(dtype)
    gy = rng.standard_normal((len(x), filter_shape[0], *size), np.float32).astype(dtype)
    expected = None
    for count in (1, 2, 3, 7):
        threads(count)
        results = (
            fc.locally_connected2d(x, w, b, **options),
            *F.locally_connected2d_backward(gy, x, w, **options),
        )
        expected = expected or results
        for result, first in zip(results, expected, strict=True):
            assert_same_bits(result, first)
    for part in (slice(0, 1), slice(len(x) - 1, None), slice(0, len(x) // 2 + 1)):
        assert_same_bits(fc.locally_connected2d(x[part], w, b, **options), expected[0][part])
        gx = F.locally_connected2d_backward(gy[part], x[part], w, **options, output_mask=(True, False, False))[0]
        assert_same_bits(gx, expected[1][part])


def test_arrays_as_they_come(dtype, rng):
    x, w = values(rng, (8, 7, 3, 2), dtype).transpose(3, 2, 1, 0), values(rng, (5, 3, 3, 3, 5, 12), dtype)[..., ::2]
    b, gy = np.broadcast_to(values(rng, (5, 1, 1), dtype), (5, 5, 6)), values(rng, (2, 5, 5, 6), dtype)[::-1]
    x.flags.writeable = False
    results = fc.locally_connected2d(x, w, b), *F.locally_connected2d_backward(gy, x, w)
    plain = [np.array(each, order="C") for each in (x, w, b, gy)]
    again = fc.locally_connected2d(*plain[:3]), *F.locally_connected2d_backward(plain[3], *plain[:2])
    for result, other in zip(results, again, strict=True):
        assert_same_bits(result, other)
    assert_same_bits(fc.locally_connected2d(x[0], w, b), results[0][0])
    gx, gw, gb = F.locally_connected2d_backward(gy[0], x[0], w)
    assert gx.shape == x.shape[1:] and gw.shape == w.shape and gb.shape == b.shape
    assert_same_bits(gx, results[1][0])


def test_an_empty_batch(dtype):
    x, w = np.ones((0, 3, 6, 5), dtype), np.ones((4, 3, 3, 3, 4, 3), dtype)
    assert fc.locally_connected2d(x, w).shape == (0, 4, 4, 3)
    gx, gw, gb = F.locally_connected2d_backward(np.ones((0, 4, 4, 3), dtype), x, w)
    assert gx.shape == x.shape and gw.shape == w.shape and gb.shape == (4, 4, 3)
    assert not gw.any() and not gb.any()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x", "w", "gy"])
def test_non_finite_values_appear_where_a_direct_sum_puts_them(special, where, dtype, rng):
    x, w = values(rng, (18, 3, 7, 9), dtype), values(rng, (5, 3, 3, 3, 7, 9), dtype)
    gy = values(rng, (18, 5, 7, 9), dtype)
    array = dict(x=x, w=w, gy=gy)[where]
    array.flat[rng.integers(array.size, size=5)] = special
    array.flat[0] = special
    assert_sums(fc.locally_connected2d(x, w, padding=1), reference.locally_connected2d(x, w, padding=1), dtype)
    gx, gw, _ = F.locally_connected2d_backward(gy, x, w, padding=1)
    assert_sums(gx, reference.locally_connected2d_backward_input(gy, x.shape, w, padding=1), dtype)
    assert_sums(gw, reference.locally_connected2d_backward_weight(gy, x, w.shape, padding=1), dtype)


X, W = np.ones((2, 4, 6, 5), np.float32), np.ones((4, 2, 3, 3, 4, 3), np.float32)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: fc.locally_connected2d(X, W[..., 0], groups=2), "weight.*6 dimensions"),
        (lambda: fc.locally_connected2d(X, W, groups=1), "input.*4.*2.*groups.*1"),
        (lambda: fc.locally_connected2d(X, W, padding=1, groups=2), r"weight.*\(4, 3\).*\(6, 5\)"),
        (lambda: fc.locally_connected2d(X, W, np.ones(4, np.float32), groups=2), r"bias.*\(4, 4, 3\).*\(4,\)"),
        (lambda: fc.locally_connected2d(X, W.astype(np.float64), groups=2), "weight.*float64"),
        (lambda: fc.locally_connected2d(X, W, groups=3), "groups.*3"),
        (lambda: fc.locally_connected2d(X, W, stride=0, groups=2), "stride.*0"),
        (lambda: fc.locally_connected2d(X, W, padding="full", groups=2), "padding.*full"),
        (lambda: fc.locally_connected2d(X, W, groups=2, out=X), "out.*shape"),
        (lambda: fc.locally_connected1d(X[0], W[:, :, 0, :, 0], groups=2), r"weight.*\(3,\).*\(3,\)|input|weight"),
        (lambda: F.locally_connected2d_backward(X, X, W, groups=2), "grad_output"),
        (lambda: F.locally_connected2d_backward(X[:, :, :4, :3], X, W, 1, 0, 1, 2, (1, 1, 1)), "output_mask"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(REFUSED, match=words):
        call()
