"""conv2d and its backward against the reference: generated shapes, awkward shapes, non-finite values."""

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerance import allowance, assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F


def values(rng, shape, dtype):
    """Both signs and uneven sizes, so that a swapped or missing term shows."""
    return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)


def check(rng, dtype, input_shape, weight_shape, bias=True, mask=(True, True, True), **options):
    """Forward and backward of one shape against the reference; outputs poisoned first, inputs untouched after."""
    x, w = values(rng, input_shape, dtype), values(rng, weight_shape, dtype)
    b = values(rng, weight_shape[:1], dtype) if bias else None
    before = [each.copy() for each in (x, w)]

    expected = reference.conv2d(x, w, b, **options)
    out = np.full(expected.value.shape, np.nan, dtype)
    fc.conv2d(x, w, b, **options, out=out)
    assert_sums(out, expected, dtype, **allowance(weight_shape, dtype, **options))
    assert_same_bits(fc.conv2d(x, w, b, **options), out)

    gy = values(rng, out.shape, dtype)
    gy_before = gy.copy()
    grads = F.conv2d_backward(gy, x, w, **options, output_mask=mask)
    assert isinstance(grads, tuple) and len(grads) == 3
    assert [each is not None for each in grads] == list(mask)
    if mask[0]:
        may = allowance(weight_shape, dtype, "grad_input", **options)
        assert_sums(grads[0], reference.conv2d_backward_input(gy, x.shape, w, **options), dtype, **may)
    if mask[1]:
        may = allowance(weight_shape, dtype, "grad_weight", **options)
        assert_sums(grads[1], reference.conv2d_backward_weight(gy, x, w.shape, **options), dtype, **may)
    if mask[2]:
        assert_sums(grads[2], reference.conv2d_backward_bias(gy), dtype)
    for array, copy in zip((x, w, gy), (*before, gy_before), strict=True):
        assert_same_bits(array, copy)
    return x, w, b, out, gy, grads


@st.composite
def convolutions(draw):
    """A valid convolution: (input shape, weight shape, options)."""
    integer = st.integers
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 4, 8]))
    cin = groups * draw(integer(1, 40 // groups))
    cout = groups * draw(integer(1, 40 // groups))
    kernel = draw(integer(1, 5)), draw(integer(1, 5))
    dilation = draw(st.one_of(integer(1, 3), st.tuples(integer(1, 3), integer(1, 3))))
    padding = draw(
        st.one_of(integer(0, 4), st.tuples(integer(0, 4), integer(0, 4)), st.sampled_from(["same", "valid"]))
    )
    stride = 1
    if padding != "same":
        stride = draw(st.one_of(integer(1, 3), st.tuples(integer(1, 3), integer(1, 3))))
    pads = reference.conv_padding(padding, kernel, dilation)
    extents = [
        draw(integer(max(1, d * (k - 1) + 1 - sum(p)), 20))
        for k, d, p in zip(kernel, reference.pair(dilation), pads, strict=True)
    ]
    n = draw(integer(0, 3))
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    return (n, cin, *extents), (cout, cin // groups, *kernel), options


@settings(max_examples=600)
@given(
    convolutions(),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 2**32 - 1),
)
def test_generated(shapes, dtype, bias, mask, seed):
    input_shape, weight_shape, options = shapes
    check(np.random.default_rng(seed), dtype, input_shape, weight_shape, bias, mask, **options)


@settings(max_examples=300)
@given(convolutions(), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_small_integers_are_exact(shapes, dtype, seed):
    """Sums of small integers round nowhere: every product must be there once, or the result is off by one or more."""
    input_shape, weight_shape, options = shapes
    winograd = (allowance(weight_shape, dtype, of, **options) for of in ("output", "grad_weight"))
    assume(not any(winograd))  # multiplies by thirds and fifteenths
    rng = np.random.default_rng(seed)
    x, w, b = (rng.integers(-9, 10, s).astype(dtype) for s in (input_shape, weight_shape, weight_shape[:1]))
    y = fc.conv2d(x, w, b, **options)
    np.testing.assert_array_equal(y, reference.conv2d(x, w, b, **options).value)
    gy = rng.integers(-9, 10, y.shape).astype(dtype)
    gx, gw, gb = F.conv2d_backward(gy, x, w, **options)
    np.testing.assert_array_equal(gx, reference.conv2d_backward_input(gy, x.shape, w, **options).value)
    np.testing.assert_array_equal(gw, reference.conv2d_backward_weight(gy, x, w.shape, **options).value)
    np.testing.assert_array_equal(gb, reference.conv2d_backward_bias(gy).value)


# input shape, weight shape, options: each is near an edge of some tile, block or dataflow
AWKWARD = {
    "one pixel": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "one pixel, padded": ((2, 3, 1, 1), (5, 3, 3, 3), dict(padding=1)),
    "kernel = input": ((2, 7, 5, 6), (11, 7, 5, 6), {}),
    "kernel = padded input": ((1, 3, 3, 2), (4, 3, 5, 6), dict(padding=(1, 2))),
    "primes": ((3, 13, 17, 19), (23, 13, 3, 5), dict(stride=(2, 1), padding=(1, 2))),
    "primes, grouped": ((2, 21, 11, 13), (35, 3, 3, 3), dict(groups=7, padding=1)),
    "one output channel": ((2, 5, 29, 31), (1, 5, 3, 3), dict(padding=1)),
    "one input channel": ((2, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    "LeNet conv2": ((3, 6, 14, 14), (16, 6, 5, 5), {}),
    "stride > kernel": ((2, 4, 19, 23), (9, 4, 2, 3), dict(stride=(5, 4))),
    "stride > kernel, padded": ((1, 3, 17, 16), (8, 3, 1, 2), dict(stride=3, padding=2)),
    "padding > kernel": ((2, 3, 4, 5), (7, 3, 2, 3), dict(padding=(6, 7))),
    "padding > kernel, dilated": ((1, 3, 4, 5), (7, 3, 2, 3), dict(padding=9, dilation=4, stride=2)),
    "dilation beyond the input": ((1, 2, 4, 4), (3, 2, 2, 2), dict(padding=5, dilation=9)),
    "output of one row": ((1, 3, 3, 50), (17, 3, 3, 3), {}),
    "output of one column": ((1, 3, 50, 3), (17, 3, 3, 3), {}),
    "row kernel": ((2, 4, 9, 33), (8, 4, 1, 7), dict(padding=(0, 3))),
    "column kernel": ((2, 4, 33, 9), (8, 4, 7, 1), dict(padding=(3, 0))),
    "1x1": ((2, 33, 9, 11), (47, 33, 1, 1), {}),
    "1x1, stride": ((2, 16, 15, 14), (31, 16, 1, 1), dict(stride=2)),
    "1x1, stride, padding": ((1, 5, 7, 8), (6, 5, 1, 1), dict(stride=(2, 3), padding=1)),
    "1x1, grouped": ((2, 12, 6, 7), (18, 4, 1, 1), dict(groups=3)),
    "depthwise": ((2, 19, 14, 15), (19, 1, 3, 3), dict(groups=19, padding=1)),
    "depthwise, stride": ((2, 8, 15, 33), (8, 1, 3, 3), dict(groups=8, padding=1, stride=2)),
    "depthwise, 5x5 dilated": ((1, 5, 21, 18), (5, 1, 5, 5), dict(groups=5, padding=4, dilation=2)),
    "depthwise, multiplier 2": ((2, 7, 9, 10), (14, 1, 3, 3), dict(groups=7, padding=1)),
    "depthwise, multiplier 5": ((1, 3, 9, 10), (15, 1, 3, 3), dict(groups=3, padding=1)),
    "depthwise, 7x7": ((1, 3, 31, 30), (3, 1, 7, 7), dict(groups=3, padding=3)),
    "one channel, 15x15": ((1, 1, 41, 53), (2, 1, 15, 15), dict(padding=7)),
    "one channel, 17x4": ((2, 1, 39, 20), (1, 1, 17, 4), dict(padding=(3, 2))),
    "depthwise, even kernel same": ((2, 4, 9, 10), (4, 1, 4, 2), dict(groups=4, padding="same")),
    "same, even kernel, dilated": ((2, 3, 9, 10), (5, 3, 4, 2), dict(padding="same", dilation=(1, 3))),
    "valid": ((2, 3, 9, 10), (5, 3, 4, 2), dict(padding="valid", stride=2)),
    "four channels a group": ((1, 32, 14, 14), (32, 4, 3, 3), dict(groups=8, padding=1)),
    "K = 143": ((1, 13, 16, 14), (9, 13, 11, 1), {}),
    "K = 144": ((1, 16, 8, 9), (17, 16, 3, 3), dict(padding=1)),
    "K = 145": ((1, 29, 8, 9), (17, 29, 5, 1), dict(padding=(2, 0))),
    "K = 256": ((1, 64, 6, 8), (15, 64, 2, 2), {}),
    "K = 257": ((2, 257, 3, 5), (15, 257, 1, 1), {}),
    "K = 1152": ((1, 128, 9, 10), (33, 128, 3, 3), dict(padding=1)),
    "K = 1201": ((2, 1201, 3, 4), (18, 1201, 1, 1), {}),
    "K = 2475": ((1, 99, 7, 8), (10, 99, 5, 5), dict(padding=2)),
    "Cout 7": ((1, 9, 11, 12), (7, 9, 3, 3), {}),
    "Cout 15": ((1, 9, 11, 12), (15, 9, 3, 3), {}),
    "Cout 31": ((1, 9, 11, 12), (31, 9, 3, 3), {}),
    "Cout 33": ((1, 9, 11, 12), (33, 9, 3, 3), {}),
    "Cout 49": ((1, 9, 11, 12), (49, 9, 3, 3), {}),
    "Cout 97": ((1, 9, 6, 7), (97, 9, 3, 3), dict(padding=1)),
    "many small images": ((37, 3, 5, 5), (10, 3, 3, 3), dict(padding=1)),
    "11x11 stride 4": ((1, 3, 39, 43), (12, 3, 11, 11), dict(stride=4, padding=2)),
    "7x7 stride 2": ((1, 3, 37, 41), (13, 3, 7, 7), dict(stride=2, padding=3)),
    "above the parallel threshold": ((2, 24, 47, 45), (50, 24, 3, 3), dict(padding=1)),
    "above the threshold, stride 2": ((2, 40, 46, 45), (37, 40, 3, 3), dict(padding=1, stride=2)),
    "large 1x1": ((1, 130, 41, 43), (70, 130, 1, 1), {}),
    "large one-channel image": ((1, 1, 151, 149), (1, 1, 3, 3), dict(padding=1)),
    "large depthwise": ((1, 40, 61, 63), (40, 1, 3, 3), dict(groups=40, padding=1)),
    "last rows unused by the stride": ((1, 2, 10, 11), (3, 2, 3, 3), dict(stride=4)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward(name, dtype, rng):
    input_shape, weight_shape, options = AWKWARD[name]
    check(rng, dtype, input_shape, weight_shape, **options)


@pytest.mark.parametrize("m", range(12))
@pytest.mark.parametrize("channels", range(1, 12))
def test_every_small_size(m, channels, dtype, rng):
    """Channels and pixels around the small tiles, none left out."""
    check(rng, dtype, (1, channels, 3, m + 3), (12 - channels, channels, 3, 3), padding=(0, 1))


@pytest.mark.parametrize("cout", [*range(1, 67, 5), 16, 32, 48, 64])
def test_every_lane_count(cout, dtype, rng):
    check(rng, dtype, (1, 5, 5, 9), (cout, 5, 3, 3), padding=1)


def test_unbatched(dtype, rng):
    x, w, b, out, gy, grads = check(rng, dtype, (1, 3, 9, 8), (4, 3, 3, 3), padding=1, stride=2)
    options = dict(padding=1, stride=2)
    assert_same_bits(fc.conv2d(x[0], w, b, **options), out[0])
    gx, gw, gb = F.conv2d_backward(gy[0], x[0], w, **options)
    assert_same_bits(gx, grads[0][0])
    assert_same_bits(gw, grads[1])
    assert_same_bits(gb, grads[2])


def test_positions_are_torchs(dtype, rng):
    x, w, b = values(rng, (2, 4, 9, 9), dtype), values(rng, (6, 2, 3, 3), dtype), values(rng, (6,), dtype)
    named = fc.conv2d(input=x, weight=w, bias=b, stride=2, padding=1, dilation=2, groups=2)
    assert_same_bits(fc.conv2d(x, w, b, 2, 1, 2, 2), named)
    gy = np.ones_like(named)
    named = F.conv2d_backward(grad_output=gy, input=x, weight=w, stride=2, padding=1, dilation=2, groups=2)
    for one, other in zip(F.conv2d_backward(gy, x, w, 2, 1, 2, 2, (True, True, True)), named, strict=True):
        assert_same_bits(one, other)


def test_sizes_may_be_numpys_integers_and_lists(dtype, rng):
    x, w = values(rng, (1, 2, 9, 9), dtype), values(rng, (3, 2, 3, 3), dtype)
    plain = fc.conv2d(x, w, None, 2, 1, 2, 1)
    assert_same_bits(fc.conv2d(x, w, None, np.int32(2), [1, np.uint8(1)], [2, 2], np.int64(1)), plain)


def test_empty_batch(dtype):
    x, w, b = np.zeros((0, 3, 8, 8), dtype), np.ones((5, 3, 3, 3), dtype), np.ones(5, dtype)
    y = fc.conv2d(x, w, b)
    assert y.shape == (0, 5, 6, 6) and y.dtype == dtype
    gx, gw, gb = F.conv2d_backward(y, x, w)
    assert gx.shape == x.shape
    assert_same_bits(gw, np.zeros_like(w))
    assert_same_bits(gb, np.zeros_like(b))


def test_no_channels_is_right_or_refused(dtype):
    """A sum of nothing is the bias."""
    try:
        y = fc.conv2d(np.zeros((2, 0, 5, 5), dtype), np.zeros((3, 0, 2, 2), dtype), np.arange(3, dtype=dtype))
    except ValueError:
        return
    np.testing.assert_array_equal(y, np.broadcast_to(np.arange(3, dtype=dtype)[None, :, None, None], (2, 3, 4, 4)))


# ---- non-finite values ------------------------------------------------------------------------------------------

SPECIALS = [np.nan, np.inf, -np.inf]
NON_FINITE = [
    ((2, 5, 9, 10), (7, 5, 3, 3), dict(padding=1)),
    ((2, 5, 9, 11), (33, 5, 3, 3), dict(padding=1, stride=2)),
    ((1, 3, 8, 7), (4, 3, 2, 3), dict(padding=2, dilation=2)),
    ((2, 4, 9, 10), (4, 1, 3, 3), dict(padding=1, groups=4)),
    ((1, 4, 6, 7), (6, 2, 3, 2), dict(groups=2)),
    ((2, 17, 5, 6), (19, 17, 1, 1), {}),
    ((2, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    ((1, 33, 14, 13), (40, 33, 3, 3), dict(padding=1)),
]


@pytest.mark.parametrize("special", SPECIALS)
@pytest.mark.parametrize("where", ["input", "weight", "bias", "grad_output"])
@pytest.mark.parametrize("shapes", NON_FINITE, ids=str)
def test_non_finite_values_go_where_a_direct_sum_puts_them(shapes, where, special, dtype, rng):
    """Padding takes part as zeros: an infinite weight over it gives NaN. Nothing else of the tile is touched."""
    input_shape, weight_shape, options = shapes
    arrays = {"input": values(rng, input_shape, dtype), "weight": values(rng, weight_shape, dtype)}
    arrays["bias"] = values(rng, weight_shape[:1], dtype)
    arrays["grad_output"] = values(
        rng, reference.conv2d(arrays["input"], arrays["weight"], **options).value.shape, dtype
    )
    for _ in range(2):
        spoiled = arrays[where]
        spoiled[tuple(rng.integers(0, spoiled.shape))] = special
    x, w, b, gy = arrays["input"], arrays["weight"], arrays["bias"], arrays["grad_output"]
    y, gx, gw = (allowance(weight_shape, dtype, of, **options) for of in ("output", "grad_input", "grad_weight"))
    assert_sums(fc.conv2d(x, w, b, **options), reference.conv2d(x, w, b, **options), dtype, **y)
    grads = F.conv2d_backward(gy, x, w, **options)
    assert_sums(grads[0], reference.conv2d_backward_input(gy, x.shape, w, **options), dtype, **gx)
    assert_sums(grads[1], reference.conv2d_backward_weight(gy, x, w.shape, **options), dtype, **gw)
    assert_sums(grads[2], reference.conv2d_backward_bias(gy), dtype)


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_a_nan_in_each_corner(corner, dtype):
    x = np.ones((1, 1, 6, 7), dtype)
    x[0, 0, corner[0], corner[1]] = np.nan
    w = np.ones((3, 1, 3, 3), dtype)
    assert_sums(fc.conv2d(x, w, padding=1), reference.conv2d(x, w, padding=1), dtype)


@pytest.mark.parametrize("special", SPECIALS)
def test_a_non_finite_value_counts_wherever_it_lies(special, dtype, rng):
    """In whole vectors and in what is left behind the last one: the kernels look for such values to go another way."""
    shape, weight_shape = (2, 3, 4, 5), (1, 3, 3, 3)
    gy = values(rng, (2, 1, 4, 5), dtype)
    for place in range(27):
        w = values(rng, weight_shape, dtype)
        w.flat[place] = special
        gx, _, _ = F.conv2d_backward(gy, np.zeros(shape, dtype), w, padding=1, output_mask=(True, False, False))
        assert_sums(gx, reference.conv2d_backward_input(gy, shape, w, padding=1), dtype)
    for place in range(20):
        x = values(rng, (1, 1, 4, 5), dtype)
        x.flat[place] = special
        _, gw, _ = F.conv2d_backward(gy[:1], x, np.zeros((1, 1, 3, 3), dtype), padding=1)
        assert_sums(gw, reference.conv2d_backward_weight(gy[:1], x, (1, 1, 3, 3), padding=1), dtype)


def test_overflow_is_infinite(dtype):
    """Only in the pixels whose sum overflows."""
    x = np.ones((1, 1, 5, 9), dtype)
    x[0, 0, 2, 4] = np.finfo(dtype).max
    y = fc.conv2d(x, np.full((1, 1, 3, 3), 2, dtype), padding=1)
    expected = np.zeros((5, 9), bool)
    expected[1:4, 3:6] = True
    np.testing.assert_array_equal(np.isposinf(y[0, 0]), expected)
    assert np.isfinite(y[0, 0][~expected]).all()


def test_negative_zero_counts_as_zero(dtype, rng):
    x, w = values(rng, (1, 3, 6, 7), dtype), values(rng, (5, 3, 3, 3), dtype)
    x[rng.random(x.shape) < 0.5] = 0.0
    negative = np.where(x == 0, dtype(-0.0), x)
    np.testing.assert_array_equal(fc.conv2d(negative, w, padding=1), fc.conv2d(x, w, padding=1))


def test_denormals_are_kept(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    y = fc.conv2d(np.full((1, 1, 3, 9), tiny, dtype), np.ones((1, 1, 3, 3), dtype))
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 7), 9 * tiny, dtype))


# ---- a second opinion -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@settings(max_examples=200)
@given(convolutions(), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_torch_agrees(shapes, dtype, seed):
    torch = pytest.importorskip("torch")
    input_shape, weight_shape, options = shapes
    rng = np.random.default_rng(seed)
    x, w, b = (values(rng, s, dtype) for s in (input_shape, weight_shape, weight_shape[:1]))
    tensors = [torch.from_numpy(each).requires_grad_() for each in (x, w, b)]
    theirs = torch.nn.functional.conv2d(*tensors, **options)
    gy = values(rng, tuple(theirs.shape), dtype)
    theirs.backward(torch.from_numpy(gy))

    def expect(mine, tensor, sums, of):  # both are within the bound of the exact sum
        sums = sums._replace(value=tensor.detach().numpy().astype(np.float64), terms=4 * sums.terms)
        assert_sums(mine, sums, dtype, **(allowance(weight_shape, dtype, of, **options) if of else {}))

    expect(fc.conv2d(x, w, b, **options), theirs, reference.conv2d(x, w, b, **options), "output")
    gx, gw, gb = F.conv2d_backward(gy, x, w, **options)
    expect(gx, tensors[0].grad, reference.conv2d_backward_input(gy, x.shape, w, **options), "grad_input")
    expect(gw, tensors[1].grad, reference.conv2d_backward_weight(gy, x, w.shape, **options), "grad_weight")
    expect(gb, tensors[2].grad, reference.conv2d_backward_bias(gy), None)
