"""Gradients of layers whose filters each see one channel, against the reference: kernels of their own take them."""

import numpy as np
import process
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import DTYPES, assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F
from fastconv import _arguments as args
from fastconv.kernels import conv, runtime

DEFAULTS = dict(stride=1, padding=0, dilation=1, groups=1)


def values(rng, shape, dtype):
    """Both signs and uneven sizes, so that a swapped or missing term shows."""
    return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)


def tensors(rng, dtype, n, groups, multiplier, extents, kernel, **options):
    """input, weight, gradient of the output, options."""
    x, w = values(rng, (n, groups, *extents), dtype), values(rng, (groups * multiplier, 1, *kernel), dtype)
    options["groups"] = groups
    return x, w, values(rng, reference.conv2d(x, w, **options).value.shape, dtype), options


def check(x, w, gy, options):
    gx, gw, gb = F.conv2d_backward(gy, x, w, **options)
    assert_sums(gx, reference.conv2d_backward_input(gy, x.shape, w, **options), x.dtype.type)
    assert_sums(gw, reference.conv2d_backward_weight(gy, x, w.shape, **options), x.dtype.type)
    assert_sums(gb, reference.conv2d_backward_bias(gy), x.dtype.type)
    return gx, gw, gb


@st.composite
def layers(draw):
    """The arguments of `tensors`; half of them 3 x 3 at stride 1 or 2, where the image is read as it lies."""
    integer = st.integers
    if draw(st.booleans()):
        kernel, stride, dilation = (3, 3), (draw(integer(1, 2)),) * 2, (1, 1)
    else:
        pair = st.tuples(integer(1, 5), integer(1, 5))
        kernel, stride, dilation = draw(pair), draw(pair), draw(st.tuples(integer(1, 3), integer(1, 3)))
    padding = draw(st.tuples(integer(0, 4), integer(0, 4)))
    extents = tuple(
        draw(integer(max(1, d * (k - 1) + 1 - 2 * p), draw(st.sampled_from([13, 40]))))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    sizes = draw(integer(1, 3)), draw(integer(1, 20)), draw(st.sampled_from([1, 1, 2, 5]))
    options = dict(stride=stride, padding=padding, dilation=dilation)
    return *sizes, extents, kernel, options


@settings(max_examples=400)
@given(layers(), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_generated(layer, dtype, seed):
    *sizes, options = layer
    check(*tensors(np.random.default_rng(seed), dtype, *sizes, **options))


@settings(max_examples=200)
@given(layers(), st.sampled_from(["x", "w", "gy"]), st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 2**32))
def test_non_finite_values_stay_where_a_direct_sum_puts_them(layer, where, special, seed):
    """Where there is padding, too: no infinity meets a zero that is no term of the sum."""
    rng = np.random.default_rng(seed)
    *sizes, options = layer
    x, w, gy, options = tensors(rng, np.float32, *sizes, **options)
    spoiled = {"x": x, "w": w, "gy": gy}[where]
    spoiled[tuple(rng.integers(0, spoiled.shape))] = special
    check(x, w, gy, options)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_every_width(padding, stride, dtype, rng):
    """Around each vector's end, and rows of both parities."""
    for width in range(max(1, 3 - 2 * padding), 70):
        check(*tensors(rng, dtype, 1, 2, 1, (4 + width % 3, width), (3, 3), stride=stride, padding=padding))


LARGE = {
    "3x3": (2, 61, 1, (77, 75), (3, 3), dict(padding=1)),
    "3x3, stride 2": (2, 61, 1, (77, 75), (3, 3), dict(padding=1, stride=2)),
    "3x3, multiplier 3": (2, 17, 3, (77, 75), (3, 3), dict(padding=1)),
    "3x3, few channels": (1, 1, 2, (311, 313), (3, 3), dict(padding=1, stride=2)),
    "3x3, many images": (67, 1, 2, (41, 43), (3, 3), dict(padding=1)),
    "5x5, stride 2": (2, 31, 1, (77, 75), (5, 5), dict(padding=2, stride=2)),
    "5x5, few channels": (1, 2, 3, (151, 153), (5, 5), dict(padding=2)),
    "4x2, stride 3, dilated": (2, 61, 2, (77, 75), (4, 2), dict(padding=2, stride=3, dilation=2)),
}


@pytest.mark.parametrize("name", LARGE)
def test_same_bits_at_any_thread_count_and_in_any_batch(name, dtype, rng, threads):
    *sizes, options = LARGE[name]
    x, w, gy, options = tensors(rng, dtype, *sizes, **options)
    threads(1)
    expected = check(x, w, gy, options)
    for count in (2, 3, 7):
        threads(count)
        found = F.conv2d_backward(gy, x, w, **options)
        for one, other in zip(found, expected, strict=True):
            assert_same_bits(one, other)
    assert_same_bits(F.conv2d_backward(gy[-1:], x[-1:], w, **options)[0][0], expected[0][-1])


@pytest.mark.parametrize("name", [*LARGE, "1x1, stride 3"])
def test_results_are_written_whole(name, dtype, rng):
    """What the memory of a result held before does not matter; nor are there pixels that no tap reaches."""
    *sizes, options = LARGE.get(name, (0, 3, 2, 0, (1, 1), dict(stride=3)))
    x, w, gy, options = tensors(rng, dtype, 1, *sizes[1:3], (19, 37), *sizes[4:], **options)
    gx, gw, _ = check(x, w, gy, options)
    _, geometry = args.conv2d(x.shape, w.shape, *(options.get(o, d) for o, d in DEFAULTS.items()))
    for call, expected, other in ((conv.conv2d_backward_input, gx, w), (conv.conv2d_backward_weight, gw, x)):
        found = np.full_like(expected, np.nan)
        call(gy, other, found, *geometry)
        assert_same_bits(found, expected)


@pytest.mark.parametrize("isa", [isa for isa in runtime.available_isas() if isa != runtime.isa()])
def test_on_the_other_instruction_sets(isa):
    """In a process of their own: other registers have other edges."""
    command = ["-q", "-k", "generated or non_finite or width or written", __file__]
    process.check(f"import sys, pytest; sys.exit(pytest.main({command!r}))", env={"FASTCONV_ISA": isa}, seconds=120)


def test_numerically(rng):
    """Small changes of each array, in float64, for one layer of each way."""
    for kernel, stride in (((3, 3), 1), ((3, 3), 2), ((5, 4), 2), ((2, 3), 3)):
        x, w, gy, options = tensors(rng, np.float64, 1, 2, 2, (7, 8), kernel, stride=stride, padding=1)
        for array, gradient in zip((x, w), F.conv2d_backward(gy, x, w, **options)[:2], strict=True):
            direction = rng.standard_normal(array.shape)
            change = fc.conv2d(x, w, **options)
            array += 1e-6 * direction
            change = (fc.conv2d(x, w, **options) - change) / 1e-6
            array -= 1e-6 * direction
            assert (change * gy).sum() == pytest.approx((direction * gradient).sum(), rel=1e-5, abs=1e-7)
