"""Pooling of signals, images and volumes in the same words, against the reference: every option, NaN, ties."""

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
KINDS = st.sampled_from(["normal", "ties", "non-finite"])
SEEDS = st.integers(0, 2**32 - 1)


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
def poolings(draw, dilated):
    """A valid pooling whose windows all see the input: (dims, input shape, options)."""
    dims = draw(st.sampled_from(DIMS))
    longest = {1: 4, 2: 4, 3: 3}[dims]

    def sizes(low, high):
        several = st.tuples(*(st.integers(low, high) for _ in range(dims)))
        return st.one_of(st.integers(low, high), st.tuples(st.integers(low, high)), several, several.map(list))

    kernel = draw(sizes(1, longest))
    pads = tuple(draw(st.integers(0, k // 2)) for k in reference.each(kernel, dims))
    options = dict(
        kernel_size=kernel,
        stride=draw(st.one_of(st.none(), st.just([]), sizes(1, 4))),
        padding=draw(st.sampled_from([pads, min(pads)])),
        ceil_mode=draw(st.booleans()),
    )
    dilation = 1
    if dilated:
        options["dilation"] = dilation = draw(sizes(1, 3))
    each = zip(reference.each(kernel, dims), reference.each(dilation, dims), strict=True)
    # From here on a dilated window cannot step over the whole input.
    extents = [draw(st.integers(d * (k - 1) + 1, d * (k - 1) + {1: 80, 2: 20, 3: 6}[dims])) for k, d in each]
    lead = draw(st.sampled_from([(2, 3), (1, 1), (4,), (0, 2)]))
    return dims, (*lead, *extents), options


def referred(options):
    return options | {"stride": options["stride"] or None}


@settings(max_examples=200)
@given(poolings(dilated=True), DTYPES, KINDS, SEEDS)
def test_max(case, dtype, kind, seed):
    dims, shape, options = case
    if len(shape) == dims + 1 and shape[0] == 0:
        return
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    value, index = reference.max_pool(x, dims, **referred(options))
    pool, backward = getattr(fc, f"max_pool{dims}d"), getattr(F, f"max_pool{dims}d_backward")

    out = np.full(value.shape, np.nan, dtype)
    assert pool(x, **options, out=out) is out
    np.testing.assert_array_equal(out, value.astype(dtype))
    y, indices = pool(x, **options, return_indices=True)
    assert_same_bits(y, out)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, index)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = backward(gy, indices, shape, **options)
    assert_sums(gx, reference.scattered(gy, index, shape, dims, add=True), dtype)
    assert_same_bits(x, before)


@settings(max_examples=200)
@given(
    poolings(dilated=False), st.booleans(), st.one_of(st.none(), st.integers(1, 9), st.just(-3)), DTYPES, KINDS, SEEDS
)
def test_average(case, count_include_pad, divisor_override, dtype, kind, seed):
    dims, shape, options = case
    options["count_include_pad"] = count_include_pad
    if dims > 1:
        options["divisor_override"] = divisor_override
    rng = np.random.default_rng(seed)
    x = images(rng, shape, dtype, kind)
    before = x.copy()
    pool, backward = getattr(fc, f"avg_pool{dims}d"), getattr(F, f"avg_pool{dims}d_backward")
    expected = reference.avg_pool(x, dims, **referred(options))
    out = np.full(expected.value.shape, np.nan, dtype)
    assert pool(x, **options, out=out) is out
    assert_sums(out, expected, dtype)
    gy = images(rng, out.shape, dtype, kind)
    assert_sums(
        backward(gy, shape, **options), reference.avg_pool_backward(gy, shape, dims, **referred(options)), dtype
    )
    assert_same_bits(x, before)


AWKWARD = {
    "long signal": ((1, 1, 34_003), dict(kernel_size=3, stride=2, padding=1)),
    "long signal, slabs": ((1, 1, 50_003), dict(kernel_size=5, stride=3, padding=2)),
    "signals side by side": ((37, 3, 1030), dict(kernel_size=2)),
    "signals side by side, 5 taps": ((37, 3, 1030), dict(kernel_size=5)),
    "a rest": ((7, 3, 1031), dict(kernel_size=2)),
    "long rows in slabs": ((1, 1, 2, 18_003), dict(kernel_size=(2, 4), stride=1)),
    "planes apart": ((2, 5, 8, 12, 34), dict(kernel_size=2)),
    "planes shared": ((2, 3, 9, 11, 35), dict(kernel_size=3, stride=2, padding=1)),
    "every plane thrice": ((1, 2, 7, 11, 35), dict(kernel_size=3, stride=1, padding=1)),
    "gaps between planes": ((1, 2, 11, 9, 17), dict(kernel_size=(3, 2, 2), stride=(1, 2, 2), ceil_mode=True)),
    "one plane each": ((2, 2, 5, 13, 33), dict(kernel_size=(1, 2, 2))),
    "all planes": ((2, 2, 9, 4, 5), dict(kernel_size=(9, 4, 5))),
    "few and large": ((1, 1, 5, 50, 301), dict(kernel_size=(2, 5, 4), stride=(1, 3, 5))),
    "strides above kernels": ((1, 2, 9, 9, 9), dict(kernel_size=2, stride=4)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward(name, dtype, rng, threads):
    """And the same bits at any number of threads, alone and in a batch, from any strides."""
    shape, options = AWKWARD[name]
    dims = len(shape) - 2
    x = rng.integers(-9, 9, shape).astype(dtype)
    value, index = reference.max_pool(x, dims, **options)
    means = reference.avg_pool(x, dims, **options)
    maximum, max_backward = getattr(fc, f"max_pool{dims}d"), getattr(F, f"max_pool{dims}d_backward")
    average, avg_backward = getattr(fc, f"avg_pool{dims}d"), getattr(F, f"avg_pool{dims}d_backward")
    gy = rng.standard_normal(value.shape).astype(dtype)
    grads = reference.avg_pool_backward(gy, shape, dims, **options)
    found = {}
    for count in (1, 2, 3, 7):
        threads(count)
        y, indices = maximum(x, **options, return_indices=True)
        np.testing.assert_array_equal(y, value.astype(dtype))
        np.testing.assert_array_equal(indices, index)
        np.testing.assert_array_equal(maximum(x, **options), y)
        mean, grad = average(x, **options), avg_backward(gy, shape, **options)
        for key, result in (("mean", mean), ("grad", grad), ("max", max_backward(gy, indices, shape, **options))):
            assert_same_bits(found.setdefault(key, result), result)
    assert_sums(mean, means, dtype)
    assert_sums(grad, grads, dtype)
    last = len(x) - 1
    assert_same_bits(maximum(x[last], **options), value[last].astype(dtype))
    assert_same_bits(average(x[last], **options), mean[last])
    assert_same_bits(avg_backward(gy[last:], (1, *shape[1:]), **options)[0], grad[last])
    turned = x[..., ::-1]
    assert_same_bits(average(turned, **options), average(turned.copy(), **options))
    assert_same_bits(maximum(turned, **options), maximum(turned.copy(), **options))


def scattered(gy, indices, length):
    """What max_pool1d_backward must be, to the bit: zeros, and the gradients added in the windows' order."""
    signals = gy.size // gy.shape[-1]
    flat = np.zeros((signals, length), gy.dtype)
    np.add.at(flat, (np.arange(signals)[:, None], indices.reshape(signals, -1)), gy.reshape(signals, -1))
    return flat.reshape(*gy.shape[:-1], length)


@pytest.mark.parametrize("length", [2, 3, 30, 31, 32, 33, 34, 63, 64, 65, 96, 1001])
def test_pairs_along_a_signal_give_their_gradient_back(length, dtype, rng):
    """Also where an index points out of its own window; no zero is negative."""
    x = images(rng, (2, 3, length), dtype, "non-finite")
    y, indices = fc.max_pool1d(x, 2, return_indices=True)
    gy = rng.standard_normal(y.shape).astype(dtype)
    gy[rng.random(y.shape) < 0.3] = -0.0
    assert_same_bits(F.max_pool1d_backward(gy, indices, x.shape, 2), scattered(gy, indices, length))
    windows = y.shape[-1]
    for window in {0, 1 % windows, windows // 2, windows - 1}:
        for target in {0, 1, length // 2, length - 1}:
            foreign = indices.copy()
            foreign[1, 1, window] = target
            assert_same_bits(F.max_pool1d_backward(gy, foreign, x.shape, 2), scattered(gy, foreign, length))
        for wrong in (-1, length, int(indices[1, 1, window]) + 2**32, -(2**63)):
            foreign[1, 1, window] = wrong
            with pytest.raises(
                ValueError, match=f"^indices must lie between 0 and {length - 1}, inside the plane, got "
            ):
                F.max_pool1d_backward(gy, foreign, x.shape, 2)


@pytest.mark.parametrize("width", [*range(3, 20), 31, 32, 33, 63, 64, 65])
def test_a_nan_in_every_lane_wins(width, dtype, rng):
    """In every lane and every tail, with numbers on both sides of it."""
    x = rng.standard_normal((1, 1, 3, 2, width)).astype(dtype)
    for place in range(width):
        spoiled = x.copy()
        spoiled[0, 0, place % 3, place % 2, place] = np.nan
        for dims, y, options in (
            (3, spoiled, dict(kernel_size=(3, 2, 2), stride=1)),
            (3, spoiled, dict(kernel_size=(2, 1, 3), stride=2, padding=(1, 0, 1))),
            (1, spoiled[0, 0, place % 3], dict(kernel_size=2)),
            (1, spoiled[0, 0, place % 3], dict(kernel_size=3, stride=2, padding=1)),
        ):
            value, index = reference.max_pool(y, dims, **options)
            pool = getattr(fc, f"max_pool{dims}d")
            found, indices = pool(y, **options, return_indices=True)
            np.testing.assert_array_equal(found, value.astype(dtype))
            np.testing.assert_array_equal(indices, index)
            np.testing.assert_array_equal(pool(y, **options), value.astype(dtype))


def test_minus_infinity_everywhere(dtype):
    x = np.full((1, 1, 2, 2, 2), -np.inf, dtype)
    y, indices = fc.max_pool3d(x, 2, 1, 1, return_indices=True)
    np.testing.assert_array_equal(y, np.full((1, 1, 3, 3, 3), -np.inf, dtype))
    np.testing.assert_array_equal(indices[0, 0, :, 0], [[0, 0, 1], [0, 0, 1], [4, 4, 5]])


def test_windows_that_step_over_the_volume(dtype):
    """Dilation may put every tap of a window into the padding: minus infinity, and an index inside."""
    x = np.ones((1, 1, 3, 3, 3), dtype)
    for dilation in ((4, 1, 1), (1, 4, 1), 4):
        y, indices = fc.max_pool3d(x, 2, padding=1, dilation=dilation, return_indices=True)
        assert np.isneginf(y).any() and (indices >= 0).all() and (indices < 27).all()
        np.testing.assert_array_equal(fc.max_pool3d(x, 2, padding=1, dilation=dilation), y)
    y, index = fc.max_pool1d(x[0, 0], 2, padding=1, dilation=4, return_indices=True)
    assert np.isneginf(y).all() and (index >= 0).all() and (index < 3).all()


def test_positions(dtype, rng):
    x = rng.standard_normal((1, 2, 9, 8, 7)).astype(dtype)
    y, indices = fc.max_pool3d(x, 3, 2, 1, 1, True, True)
    keywords = dict(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=True)
    for found, expected in zip(fc.max_pool3d(x, **keywords, return_indices=True), (y, indices), strict=True):
        np.testing.assert_array_equal(found, expected)
    gy = rng.standard_normal(y.shape).astype(dtype)
    assert_same_bits(
        F.max_pool3d_backward(gy, indices, x.shape, 3, 2, 1, 1, True),
        F.max_pool3d_backward(grad_output=gy, indices=indices, input_shape=x.shape, **keywords),
    )
    keywords.pop("dilation")
    keywords |= dict(count_include_pad=False, divisor_override=5)
    assert_same_bits(fc.avg_pool3d(x, 3, 2, 1, True, False, 5), fc.avg_pool3d(x, **keywords))
    assert_same_bits(
        F.avg_pool3d_backward(gy, x.shape, 3, 2, 1, True, False, 5), F.avg_pool3d_backward(gy, x.shape, **keywords)
    )


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(
    "changed, error",
    [
        (dict(kernel_size=0), ValueError),
        (dict(kernel_size=7), ValueError),
        (dict(kernel_size=2.0), TypeError),
        (dict(kernel_size=True), TypeError),
        (dict(kernel_size=None), TypeError),
        (dict(kernel_size=()), ValueError),
        (dict(kernel_size=(2, 2)), ValueError),
        (dict(kernel_size=2**63), ValueError),
        (dict(stride=0), ValueError),
        (dict(stride=(1, 1)), ValueError),
        (dict(padding=2), ValueError),
        (dict(padding=-1), ValueError),
        (dict(padding=()), ValueError),
        (dict(ceil_mode=1), TypeError),
        (dict(dilation=0), ValueError),
        (dict(dilation=6), ValueError),
        (dict(return_indices=1), TypeError),
        (dict(count_include_pad=0), TypeError),
        (dict(divisor_override=0), ValueError),
        (dict(divisor_override=1.0), TypeError),
    ],
    ids=str,
)
def test_wrong_arguments(kind, dims, changed, error):
    pool = getattr(fc, f"{kind}_pool{dims}d")
    x = np.ones((1, 2, *(6,) * dims), np.float32)
    (name,) = changed
    only = {"avg": ("count_include_pad",) + ("divisor_override",) * (dims > 1), "max": ("dilation", "return_indices")}
    if name not in ("kernel_size", "stride", "padding", "ceil_mode", *only[kind]):
        error, name = TypeError, "unexpected keyword"
    with pytest.raises(error, match=name):
        pool(x, **(dict(kernel_size=2) | changed))


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_wrong_shapes(kind, dims):
    pool, backward = getattr(fc, f"{kind}_pool{dims}d"), getattr(F, f"{kind}_pool{dims}d_backward")
    extents = (6,) * dims
    for shape in (extents, (1, 1, 1, *extents)):
        with pytest.raises(ValueError, match="^input must have "):
            pool(np.ones(shape, np.float32), 2)
    for shape in ((2, 0, *extents), (2, 3, *extents[1:], 0), (0, *extents)):
        with pytest.raises(ValueError, match="^input must have at least one channel and one pixel"):
            pool(np.ones(shape, np.float32), 2)
    assert pool(np.ones((0, 3, *extents), np.float32), 2).shape == (0, 3, *(3,) * dims)
    more = (np.zeros((2, 3, *(3,) * dims), np.int64),) if kind == "max" else ()
    with pytest.raises(ValueError, match="^grad_output has shape"):
        backward(np.ones((2, 3, *(4,) * dims), np.float32), *more, (2, 3, *extents), 2)
    if kind == "max":
        with pytest.raises(ValueError, match="^indices must lie between 0 and "):
            backward(np.ones(more[0].shape, np.float32), more[0] + 6**dims, (2, 3, *extents), 2)


@settings(max_examples=100)
@given(poolings(dilated=True), st.booleans(), DTYPES, SEEDS)
def test_torch_agrees(case, count_include_pad, dtype, seed):
    torch = pytest.importorskip("torch")
    dims, shape, options = case
    rng = np.random.default_rng(seed)
    for kind in ("max", "avg"):
        name, more, indices = f"{kind}_pool{dims}d", dict(options), ()
        if kind == "avg":
            del more["dilation"]
            more["count_include_pad"] = count_include_pad
        else:
            more["return_indices"] = True
        x = images(rng, shape, dtype, "non-finite" if kind == "max" else "ties")
        tensor = torch.from_numpy(x).requires_grad_()
        theirs, ours = getattr(torch.nn.functional, name)(tensor, **more), getattr(fc, name)(x, **more)
        if kind == "max":
            np.testing.assert_array_equal(ours[1], theirs[1].numpy())
            indices, ours, theirs = (ours[1],), ours[0], theirs[0]
            del more["return_indices"]
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=20 * eps, atol=20 * eps)
        gy = rng.integers(-4, 5, ours.shape).astype(dtype)
        theirs.backward(torch.from_numpy(gy))
        gx = getattr(F, name + "_backward")(gy, *indices, shape, **more)
        np.testing.assert_allclose(gx, tensor.grad.numpy(), rtol=100 * eps, atol=100 * eps)
