"""Max and average pooling against the reference: every option, NaN, ties, minus infinity."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def poolings(draw, dilated):
    """A valid pooling whose windows all see the image: (input shape, options)."""
    integer = st.integers

    def one_or_two(values):
        return st.one_of(values, st.tuples(values, values))

    kernel = draw(one_or_two(integer(1, 5)))
    pads = tuple(draw(integer(0, k // 2)) for k in reference.pair(kernel))
    options = dict(
        kernel_size=kernel,
        stride=draw(st.one_of(st.none(), one_or_two(integer(1, 4)))),
        padding=draw(st.sampled_from([pads, min(pads)])),
        ceil_mode=draw(st.booleans()),
    )
    dilation = 1
    if dilated:
        options["dilation"] = dilation = draw(one_or_two(integer(1, 3)))
    spans = [d * (k - 1) + 1 for k, d in zip(reference.pair(kernel), reference.pair(dilation), strict=True)]
    # From here on a dilated window cannot step over the whole image.
    extents = [draw(integer(span, span + 20)) for span in spans]
    return (draw(integer(0, 3)), draw(integer(1, 20)), *extents), options


def images(rng, shape, dtype, kind):
    if kind == "normal":
        return rng.standard_normal(shape).astype(dtype)
    x = rng.integers(-3, 4, shape).astype(dtype)  # many ties: the first wins
    if kind == "non-finite":
        x[rng.random(shape) < 0.2] = np.nan
        x[rng.random(shape) < 0.2] = -np.inf
        x[rng.random(shape) < 0.1] = np.inf
    return x


@settings(max_examples=250)
@given(poolings(dilated=True), DTYPES, st.sampled_from(["normal", "ties", "non-finite"]), SEEDS)
def test_max(shapes, dtype, kind, seed):
    shape, options = shapes
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    value, index = reference.max_pool2d(x, **options)

    out = np.full(value.shape, np.nan, dtype)
    fc.max_pool2d(x, **options, out=out)
    np.testing.assert_array_equal(out, value, strict=False)
    y, indices = fc.max_pool2d(x, **options, return_indices=True)
    assert_same_bits(y, out)
    assert indices.dtype == np.int64 and indices.flags.c_contiguous
    np.testing.assert_array_equal(indices, index)

    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = F.max_pool2d_backward(gy, indices, x.shape, **options)
    assert_sums(gx, reference.max_pool2d_backward(gy, index, x.shape), dtype)
    assert_same_bits(x, before)


@settings(max_examples=250)
@given(
    poolings(dilated=False),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 9), st.just(-3)),
    DTYPES,
    st.sampled_from(["normal", "ties", "non-finite"]),
    SEEDS,
)
def test_average(shapes, count_include_pad, divisor_override, dtype, kind, seed):
    shape, options = shapes
    options |= dict(count_include_pad=count_include_pad, divisor_override=divisor_override)
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    expected = reference.avg_pool2d(x, **options)
    out = np.full(expected.value.shape, np.nan, dtype)
    fc.avg_pool2d(x, **options, out=out)
    assert_sums(out, expected, dtype)
    gy = images(rng, out.shape, dtype, kind)
    gx = F.avg_pool2d_backward(gy, x.shape, **options)
    assert_sums(gx, reference.avg_pool2d_backward(gy, x.shape, **options), dtype)
    assert_same_bits(x, before)


@pytest.mark.parametrize("width", [*range(1, 20), 31, 32, 33, 47, 63, 64, 65])
def test_a_nan_in_every_lane_wins(width, dtype, rng):
    """In every lane and every tail, with numbers on both sides of it."""
    x = rng.standard_normal((1, 1, 2, width)).astype(dtype)
    for place in range(width):
        for row in (0, 1):
            spoiled = x.copy()
            spoiled[0, 0, row, place] = np.nan
            for options in (
                dict(kernel_size=(2, 1)),
                dict(kernel_size=2, stride=1, padding=1),
                dict(kernel_size=(2, 3), stride=2, padding=(1, 1)),
            ):
                value, index = reference.max_pool2d(spoiled, **options)
                y, indices = fc.max_pool2d(spoiled, **options, return_indices=True)
                np.testing.assert_array_equal(y, value.astype(dtype))
                np.testing.assert_array_equal(indices, index)
                np.testing.assert_array_equal(fc.max_pool2d(spoiled, **options), value.astype(dtype))


def test_the_last_nan_keeps_the_index(dtype):
    x = np.array([[[[np.nan, 5, np.nan, 9]]]], dtype)
    y, indices = fc.max_pool2d(x, (1, 4), return_indices=True)
    assert np.isnan(y).all() and indices.item() == 2


def test_the_first_of_equals_keeps_the_index(dtype):
    x = np.array([[[[1, 7], [7, 7]]]], dtype)
    assert fc.max_pool2d(x, 2, return_indices=True)[1].item() == 1
    x = np.array([[[[-0.0, 0.0], [0.0, -0.0]]]], dtype)
    y, indices = fc.max_pool2d(x, 2, return_indices=True)
    assert indices.item() == 0 and np.signbit(y).all()


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_of_nothing_but_minus_infinity_the_first_inside_the_image_wins(kernel, stride, dilation, dtype):
    x = np.full((1, 2, 9, 21), -np.inf, dtype)
    options = dict(kernel_size=kernel, stride=stride, padding=kernel // 2, dilation=dilation)
    _, indices = fc.max_pool2d(x, **options, return_indices=True)
    expected = reference.max_pool2d(x, **options)[1]
    assert (expected >= 0).all()
    np.testing.assert_array_equal(indices, expected)


def test_minus_infinity_everywhere(dtype):
    """Padding is minus infinity but never the maximum: indices stay inside the image."""
    x = np.full((1, 1, 2, 2), -np.inf, dtype)
    y, indices = fc.max_pool2d(x, 2, 1, 1, return_indices=True)
    np.testing.assert_array_equal(y, np.full((1, 1, 3, 3), -np.inf, dtype))
    np.testing.assert_array_equal(indices[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def test_a_window_that_steps_over_the_image(dtype):
    """Dilation may put every tap of a window into the padding: minus infinity, and no gradient for anybody."""
    x = np.arange(9, dtype=dtype).reshape(1, 1, 3, 3)
    options = dict(kernel_size=2, padding=1, dilation=4)
    np.testing.assert_array_equal(fc.max_pool2d(x, **options), np.full((1, 1, 1, 1), -np.inf, dtype))
    y, indices = fc.max_pool2d(x, **options, return_indices=True)
    assert np.isneginf(y).all() and indices.dtype == np.int64


@pytest.mark.parametrize(
    "shape, options",
    [
        ((1, 1, 1, 1), dict(kernel_size=1)),
        ((2, 3, 28, 28), dict(kernel_size=2)),
        ((2, 3, 28, 28), dict(kernel_size=2, stride=2)),
        ((1, 4, 55, 54), dict(kernel_size=3, stride=2)),
        ((1, 4, 112, 110), dict(kernel_size=3, stride=2, padding=1)),
        ((1, 2, 7, 7), dict(kernel_size=7)),
        ((1, 2, 9, 35), dict(kernel_size=3, stride=1, padding=1)),
        ((3, 5, 13, 17), dict(kernel_size=(1, 4), stride=(3, 1))),
        ((1, 1, 5, 5), dict(kernel_size=2, stride=5)),
        ((1, 3, 6, 7), dict(kernel_size=3, stride=2, ceil_mode=True)),
        ((1, 3, 6, 7), dict(kernel_size=2, stride=3, padding=1, ceil_mode=True)),
        ((4, 33, 65, 67), dict(kernel_size=3, stride=2, padding=1)),  # above the parallel threshold
        ((1, 1, 11, 2003), dict(kernel_size=3, stride=1, padding=1)),  # several blocks of rows
        ((1, 1, 27, 1501), dict(kernel_size=3, stride=2, padding=1)),
        ((1, 1, 23, 3001), dict(kernel_size=2)),
        ((1, 1, 41, 2011), dict(kernel_size=(5, 7), stride=(3, 5), padding=(2, 1))),
        ((1, 1, 30, 40), dict(kernel_size=4)),  # rows of one window are alike
        ((1, 1, 31, 42), dict(kernel_size=(4, 3), stride=(2, 5), padding=1, ceil_mode=True)),
        ((1, 1, 25, 1003), dict(kernel_size=(3, 4), stride=(1, 2), padding=(1, 2))),
    ],
    ids=str,
)
def test_awkward(shape, options, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    value, index = reference.max_pool2d(x, **options)
    y, indices = fc.max_pool2d(x, **options, return_indices=True)
    np.testing.assert_array_equal(y, value.astype(dtype))
    np.testing.assert_array_equal(indices, index)
    gy = rng.standard_normal(y.shape).astype(dtype)
    if x.size < 20_000:
        expected = reference.max_pool2d_backward(gy, index, x.shape)
        assert_sums(F.max_pool2d_backward(gy, indices, x.shape, **options), expected, dtype)
    assert_sums(fc.avg_pool2d(x, **options), reference.avg_pool2d(x, **options), dtype)
    expected = reference.avg_pool2d_backward(gy, x.shape, **options)
    assert_sums(F.avg_pool2d_backward(gy, x.shape, **options), expected, dtype)


def test_average_of_ones_tells_the_divisor(dtype):
    """torch's rule: a window is cut at the padded image before it is counted, and at the image when padding is not."""
    x = np.ones((1, 1, 4, 4), dtype)
    options = dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)
    counted = fc.avg_pool2d(x, **options)[0, 0]
    np.testing.assert_allclose(counted, np.outer([2, 3, 1], [2, 3, 1]) / np.outer([3, 3, 2], [3, 3, 2]), rtol=1e-6)
    np.testing.assert_array_equal(fc.avg_pool2d(x, **options, count_include_pad=False), np.ones((1, 1, 3, 3), dtype))
    overridden = fc.avg_pool2d(x, **options, divisor_override=2)[0, 0]
    np.testing.assert_array_equal(overridden, (np.outer([2, 3, 1], [2, 3, 1]) / 2).astype(dtype))


def test_unbatched_and_positions(dtype, rng):
    x = rng.standard_normal((1, 3, 9, 8)).astype(dtype)
    y, indices = fc.max_pool2d(x, 3, 2, 1, 1, True, True)
    one, one_indices = fc.max_pool2d(
        x[0], kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True, return_indices=True
    )
    assert_same_bits(one, y[0])
    np.testing.assert_array_equal(one_indices, indices[0])
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = F.max_pool2d_backward(gy, indices, x.shape, 3, 2, 1, 1, True)
    assert_same_bits(F.max_pool2d_backward(gy[0], indices[0], x[0].shape, 3, 2, 1, 1, True), gx[0])
    y = fc.avg_pool2d(x, 3, 2, 1, True, False, 5)
    assert_same_bits(fc.avg_pool2d(x[0], 3, 2, 1, ceil_mode=True, count_include_pad=False, divisor_override=5), y[0])
    gx = F.avg_pool2d_backward(gy, x.shape, 3, 2, 1, True, False, 5)
    assert_same_bits(F.avg_pool2d_backward(gy[0], x[0].shape, 3, 2, 1, True, False, 5), gx[0])


@pytest.mark.parametrize("pool", [fc.max_pool2d, fc.avg_pool2d])
def test_empty_batch(pool, dtype):
    assert pool(np.zeros((0, 3, 8, 6), dtype), 2).shape == (0, 3, 4, 3)


def test_empty_batch_backward(dtype):
    gy = np.zeros((0, 3, 4, 3), dtype)
    indices = np.zeros(gy.shape, np.int64)
    assert F.max_pool2d_backward(gy, indices, (0, 3, 8, 6), 2).shape == (0, 3, 8, 6)
    assert F.avg_pool2d_backward(gy, (0, 3, 8, 6), 2).shape == (0, 3, 8, 6)


# The last ones lie in their own window (of 10) but for what stands above 32 bits.
@pytest.mark.parametrize("wrong", [-1, 16, 2**40, -(2**63), 10 + 2**32, 10 - 2**32, 10 + 2**31, 10 - 2**63])
def test_indices_outside_the_plane_are_refused(wrong, dtype):
    """They must never be followed: not where windows lie side by side, and not where each is followed."""
    indices = np.array([[[[0, 2], [8, wrong]]]])
    for kernel_size, options in ((2, {}), (2, dict(stride=1, dilation=2)), (3, dict(stride=1))):
        with pytest.raises(ValueError, match="^indices must lie between 0 and 15, inside the plane, got "):
            gy = np.ones((1, 1, 2, 2), dtype)
            F.max_pool2d_backward(gy, indices, (1, 1, 4, 4), kernel_size, **options)


def scattered(gy, indices, shape):
    """What max_pool2d_backward must be, to the bit: zeros, and the gradients added in the windows' order."""
    flat = np.zeros((shape[0] * shape[1], shape[2] * shape[3]), gy.dtype)
    planes = np.arange(len(flat))[:, None]
    np.add.at(flat, (planes, indices.reshape(len(flat), -1)), gy.reshape(len(flat), -1))
    return flat.reshape(shape)


SIDE_BY_SIDE = [
    (8, 8),
    (9, 9),
    (4, 2),
    (5, 3),
    (2, 30),
    (3, 31),
    (6, 32),
    (7, 33),
    (4, 34),
    (5, 63),
    (2, 64),
    (3, 65),
    (4, 96),
]


@pytest.mark.parametrize("size", SIDE_BY_SIDE, ids=str)
def test_windows_side_by_side_give_their_gradient_back(size, dtype, rng):
    """Rows and columns without a window get zeros, and no zero is negative."""
    shape = (2, 3, *size)
    x = images(rng, shape, dtype, "non-finite")
    y, indices = fc.max_pool2d(x, 2, return_indices=True)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gy[rng.random(y.shape) < 0.3] = -0.0
    gy[rng.random(y.shape) < 0.1] = np.nan
    assert_same_bits(F.max_pool2d_backward(gy, indices, shape, 2), scattered(gy, indices, shape))


@pytest.mark.parametrize("size", SIDE_BY_SIDE, ids=str)
def test_one_index_in_another_window_is_followed(size, dtype, rng):
    """Wherever it points: a neighbour, the row above, the pixel that no window has; other planes stay."""
    height, width = size
    windows = (height // 2) * (width // 2)
    shape = (1, 2, height, width)
    indices = fc.max_pool2d(rng.standard_normal(shape).astype(dtype), 2, return_indices=True)[1]
    gy = rng.standard_normal(indices.shape).astype(dtype)
    for window in {0, 1 % windows, width // 2 - 1, windows // 2, windows - 1}:
        for target in {0, 1, width - 1, width, height * width // 2, height * width - width, height * width - 1}:
            foreign = indices.copy()
            foreign[0, 1].flat[window] = target
            assert_same_bits(F.max_pool2d_backward(gy, foreign, shape, 2), scattered(gy, foreign, shape))


@pytest.mark.parametrize(
    "options", [dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1), dict(kernel_size=3, stride=1)], ids=str
)
def test_indices_need_not_come_from_the_forward(options, dtype, rng):
    shape = (2, 3, 14, 38)
    gy = rng.standard_normal(fc.max_pool2d(np.zeros(shape, dtype), **options).shape).astype(dtype)
    indices = rng.integers(0, 14 * 38, gy.shape)
    assert_same_bits(F.max_pool2d_backward(gy, indices, shape, **options), scattered(gy, indices, shape))


@pytest.mark.parametrize("width", [*range(3, 20), 31, 32, 33, 34, 35, 47, 63, 64, 65, 66, 67])
def test_average_backward_in_every_lane(width, dtype, rng):
    """Square windows at stride 1 and 2: where a strip of windows begins and ends, with and without what hangs over."""
    shape = (1, 2, 7, width)
    for kernel_size in (2, 3):
        for stride in (1, 2):
            for more in (
                dict(padding=0),
                dict(padding=1),
                dict(padding=0, ceil_mode=True),
                dict(padding=1, ceil_mode=True, count_include_pad=False),
                dict(padding=1, divisor_override=-3),
            ):
                options = dict(kernel_size=kernel_size, stride=stride, **more)
                gy = rng.standard_normal(fc.avg_pool2d(np.zeros(shape, dtype), **options).shape).astype(dtype)
                expected = reference.avg_pool2d_backward(gy, shape, **options)
                assert_sums(F.avg_pool2d_backward(gy, shape, **options), expected, dtype)


@pytest.mark.parametrize(
    "options",
    [dict(kernel_size=2), dict(kernel_size=3, stride=1), dict(kernel_size=4), dict(kernel_size=5, stride=3)],
    ids=str,
)
def test_no_gradient_is_a_negative_zero(options, dtype):
    shape = (1, 1, 12, 41)
    gy = np.full(fc.avg_pool2d(np.zeros(shape, dtype), **options).shape, -0.0, dtype)
    assert_same_bits(F.avg_pool2d_backward(gy, shape, **options), np.zeros(shape, dtype))


@settings(max_examples=150)
@given(poolings(dilated=True), st.booleans(), st.one_of(st.none(), st.integers(1, 9)), DTYPES, SEEDS)
def test_torch_agrees(shapes, count_include_pad, divisor_override, dtype, seed):
    torch = pytest.importorskip("torch")
    shape, options = shapes
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, "non-finite")
    tensor = torch.from_numpy(x).requires_grad_()
    theirs, their_indices = torch.nn.functional.max_pool2d(tensor, **options, return_indices=True)
    y, indices = fc.max_pool2d(x, **options, return_indices=True)
    np.testing.assert_array_equal(y, theirs.detach().numpy())
    np.testing.assert_array_equal(indices, their_indices.numpy())
    gy = rng.integers(-4, 5, y.shape).astype(dtype)
    theirs.backward(torch.from_numpy(gy))
    np.testing.assert_array_equal(F.max_pool2d_backward(gy, indices, x.shape, **options), tensor.grad.numpy())

    options.pop("dilation")
    options |= dict(count_include_pad=count_include_pad, divisor_override=divisor_override)
    x = images(rng, shape, dtype, "ties")
    tensor = torch.from_numpy(x).requires_grad_()
    theirs = torch.nn.functional.avg_pool2d(tensor, **options)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(fc.avg_pool2d(x, **options), theirs.detach().numpy(), rtol=8 * eps, atol=8 * eps)
    gy = rng.integers(-4, 5, theirs.shape).astype(dtype)
    theirs.backward(torch.from_numpy(gy))
    gx = F.avg_pool2d_backward(gy, x.shape, **options)
    np.testing.assert_allclose(gx, tensor.grad.numpy(), rtol=100 * eps, atol=100 * eps)
