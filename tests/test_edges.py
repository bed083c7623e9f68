"""Sizes at their limits: nothing at all (for every operator), a million channels, more than 2^31 elements."""

import time
import tracemalloc

import numpy as np
import pytest
from operators import NAMES, arrays, call, many, samples
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F

# Arguments whose first axis is the batch where they have one.
BATCHED = ("input", "other", "grad_output", "output", "target", "indices")


def without_a_batch(arguments):
    """The same call with an empty batch, or None where the sample has one image without a batch."""
    changed = dict(arguments)
    if "tensors" in arguments:
        return changed | {"tensors": tuple(each[:0] for each in arguments["tensors"])}
    images = len(arguments.get("input", arguments.get("grad_output")))
    for key in BATCHED:
        value = arguments.get(key)
        if isinstance(value, np.ndarray):
            if len(value) != images:
                return None
            changed[key] = value[:0]
    if np.shape(arguments.get("weight")) == np.shape(arguments.get("input", ())):  # a weight an element
        changed["weight"] = arguments["weight"][:0]
    for key in ("input_shape", "output_size"):
        sizes = arguments.get(key)
        if isinstance(sizes, tuple) and len(sizes) >= 3 and sizes[0] == images:
            changed[key] = (0, *sizes[1:])
    return changed


@pytest.mark.parametrize("name", [name for name in NAMES if "one image" not in name])
def test_an_empty_batch_gives_the_empty_result(name, dtype):
    """Gradients of what is summed over the batch are zeros, the mean of nothing is NaN."""
    arguments = samples(dtype)[name]
    results, full = many(call(name, without_a_batch(arguments))), many(call(name, arguments))
    for result, usual in zip(results, full, strict=True):
        assert result.dtype == usual.dtype and result.ndim == usual.ndim
        if usual.ndim and result.size == 0:
            assert result.shape == (0, *usual.shape[1:])
        elif usual.ndim:
            assert result.shape == usual.shape and not result.any()
        else:
            assert np.isnan(result) or result == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_channels_and_no_pixels_are_right_or_refused(name, dtype):
    """Any axis of any array without an entry: results without NaN from nowhere, or ValueError, and nothing worse."""
    arguments = samples(dtype)[name]
    for key in arrays(arguments):
        for axis in range(arguments[key].ndim):
            changed = arguments | {key: np.delete(arguments[key], slice(None), axis)}
            try:
                results = many(call(name, changed))
            except (ValueError, TypeError) as error:
                assert "\n" not in str(error)
            else:
                for result in results:
                    assert result.ndim == 0 or np.isfinite(result).all()


# ---- a million channels -----------------------------------------------------------------------------------------

MILLION = 1_000_003


def test_a_million_channels(dtype, rng):
    x = rng.standard_normal((1, MILLION, 2, 2), np.float32).astype(dtype)
    w = rng.standard_normal((MILLION, 1, 2, 2), np.float32).astype(dtype)
    eps = np.finfo(dtype).eps
    products = x.astype(np.float64) * w[None, :, 0]
    bound = 8 * eps * np.abs(products)
    depthwise = fc.conv2d(x, w, groups=MILLION)
    assert (np.abs(depthwise[..., 0, 0] - products.sum((2, 3))) <= bound.sum((2, 3))).all()
    dense = fc.conv2d(x, w.reshape(1, MILLION, 2, 2))
    error = abs(dense.item() - products.sum())
    assert error <= (4 + np.sqrt(4 * MILLION)) * eps * np.abs(products).sum()
    assert_same_bits(fc.max_pool2d(x, 2)[..., 0, 0], x.max((2, 3)))
    means = x.astype(np.float64).mean((2, 3))
    assert (np.abs(fc.avg_pool2d(x, 2)[..., 0, 0] - means) <= 4 * eps * np.abs(x).mean((2, 3))).all()
    gx, gw, gb = F.conv2d_backward(np.ones_like(depthwise), x, w, groups=MILLION)
    assert_same_bits(gx[0], w[:, 0])
    assert_same_bits(gw[:, 0], x[0])
    assert gb.shape == (MILLION,) and (gb == 1).all()


def test_a_million_outputs(rng):
    w = rng.standard_normal((MILLION, 1, 1, 1), np.float32)
    y = fc.conv2d(np.full((1, 1, 1, 1), 2, np.float32), w)
    assert_same_bits(y[0], 2 * w[:, 0])
    assert_same_bits(fc.linear(np.full((1, 1), 2, np.float32), w.reshape(-1, 1))[0], 2 * w.reshape(-1))


# ---- more than 2^31 elements ------------------------------------------------------------------------------------

BEYOND = 2**31 + 2**16


def peak_of(compute):
    tracemalloc.start()
    try:
        return compute(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def as_shape(x, *shape):
    """The first image's first numbers as another shape, as often as there are images, without a copy."""
    one = x[0].reshape(-1)[: np.prod(shape)].reshape(shape)
    return np.broadcast_to(one, (len(x), *shape))


REPEATED = {
    "conv2d": lambda x, w, b: fc.conv2d(x, w, b, stride=200, padding=1),
    "conv2d, all of one number": lambda x, w, b: fc.conv2d(np.broadcast_to(x[0, 0, 0, 0], x.shape), w, b, stride=200),
    "conv_transpose2d": lambda x, w, b: F.conv_transpose2d(x, w[:, :, :1, :1].transpose(1, 0, 2, 3), padding=99),
    "conv1d": lambda x, w, b: F.conv1d(as_shape(x, 3, 50_000), w[:, :, 0], b, stride=20000),
    "conv3d": lambda x, w, b: F.conv3d(x[:, None], w[:, :1, None], b, stride=(1, 200, 200)),
    "max_pool1d": lambda x, w, b: fc.max_pool1d(as_shape(x, 3, 50_000), 2, 40000),
    "max_pool2d": lambda x, w, b: fc.max_pool2d(x, 2, 200),
    "max_pool2d, indices": lambda x, w, b: fc.max_pool2d(x, 2, 200, return_indices=True)[1],
    "max_pool3d": lambda x, w, b: fc.max_pool3d(x[:, None], 2, (1, 200, 200)),
    "avg_pool1d": lambda x, w, b: fc.avg_pool1d(as_shape(x, 3, 50_000), 2, 40000),
    "avg_pool2d": lambda x, w, b: fc.avg_pool2d(x, 3, 200, 1),
    "avg_pool3d": lambda x, w, b: fc.avg_pool3d(x[:, None], 2, (1, 200, 200)),
    "adaptive_max_pool1d": lambda x, w, b: F.adaptive_max_pool1d(as_shape(x, 3, 50_000), 1),
    "adaptive_max_pool2d": lambda x, w, b: F.adaptive_max_pool2d(x, 1, True)[1],
    "adaptive_max_pool3d": lambda x, w, b: F.adaptive_max_pool3d(x[:, None], 1),
    "adaptive_avg_pool1d": lambda x, w, b: F.adaptive_avg_pool1d(as_shape(x, 3, 50_000), 1),
    "adaptive_avg_pool2d": lambda x, w, b: F.adaptive_avg_pool2d(x, 1),
    "adaptive_avg_pool3d": lambda x, w, b: F.adaptive_avg_pool3d(x[:, None], 1),
    "unfold": lambda x, w, b: fc.unfold(x, 2, stride=300),
    "fold": lambda x, w, b: fc.fold(as_shape(x, 900, 121), (40, 40), 30),
    "locally_connected2d": lambda x, w, b: F.locally_connected2d(x, w.reshape(2, 3, 3, 3, 1, 1), stride=300),
    "linear": lambda x, w, b: fc.linear(as_shape(x, 150_000), np.full((1, 150_000), w[0, 0, 0, 0])),
}


@pytest.mark.parametrize("name", REPEATED)
def test_an_image_that_a_batch_repeats_is_computed_once(name, rng):
    """Its batch has stride 0, as np.broadcast_to gives it: there is no copy of 8 GB, and no hour of work."""
    image = rng.standard_normal((3, 250, 200)).astype(np.float32)
    w, b = rng.standard_normal((2, 3, 3, 3)).astype(np.float32), rng.standard_normal(2).astype(np.float32)
    count = BEYOND // image.size + 1
    x = np.broadcast_to(image, (count, *image.shape))
    assert x.size > 2**31
    start = time.perf_counter()
    y, peak = peak_of(lambda: REPEATED[name](x, w, b))
    assert time.perf_counter() - start < 30 and peak < 2 * y.nbytes + 4 * image.nbytes
    few = REPEATED[name](x[:3].copy(), w, b)
    assert y.shape == (count, *few.shape[1:])
    assert_same_bits(y[[0, 1, count - 1]], few)


@pytest.fixture
def wide():
    """(1, 1, H, W) of more than 2^31 zeros that no memory holds: untouched pages are one and the same."""
    try:
        return np.zeros((1, 1, 2**15 + 2, 2**16), np.float32)
    except MemoryError:
        pytest.skip("the system refuses memory that it does not have")


def test_a_plane_of_more_than_two_to_the_31_pixels(wide):
    """Its far corner is addressed, not one 2^32 before it."""
    wide[0, 0, 0, 0], wide[0, 0, -1, -1], wide[0, 0, -2, -1] = 1, 5, 3
    H, W = wide.shape[2:]
    step = (H - 2, W - 2)
    w = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(fc.conv2d(wide, w, stride=step), [[[[1, 0], [0, 4 * 5 + 2 * 3]]]])
    y, i = fc.max_pool2d(wide, 2, step, return_indices=True)
    np.testing.assert_array_equal(y, [[[[1, 0], [0, 5]]]])
    assert i[0, 0, 0, 0] == 0 and i[0, 0, 1, 1] == H * W - 1
    np.testing.assert_array_equal(fc.avg_pool2d(wide, 2, step), [[[[0.25, 0], [0, 2]]]])
    assert fc.unfold(wide, 2, stride=step)[0, :, 3].tolist() == [0, 3, 0, 5]


def test_many_planes_of_more_than_two_to_the_31_pixels(wide):
    x = wide.reshape(1, -1, 2, 2**14)
    x[0, 0, 0, 0], x[0, -1, -1, -1] = 1, 5
    y = fc.max_pool2d(x, 2, (2, 2**14 - 2))[0, :, 0]
    assert y[0, 0] == 1 and y[-1, -1] == 5 and np.count_nonzero(y) == 2


def test_a_matrix_of_more_than_two_to_the_31_numbers(wide):
    x = wide[0, 0]
    x[0, 0], x[-1, -1] = 1, 5
    gy, w = np.ones((len(x), 1), np.float32), np.ones((1, x.shape[1]), np.float32)
    gw = F.linear_backward(gy, x, w, output_mask=(False, True, False))[1][0]
    assert gw[0] == 1 and gw[-1] == 5 and np.count_nonzero(gw) == 2
    y = fc.linear(x, w)[:, 0]
    assert y[0] == 1 and y[-1] == 5 and np.count_nonzero(y) == 2


@pytest.mark.parametrize("zeros", [(0.0, -0.0), (-0.0, 0.0)], ids=str)
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_of_two_zeros_the_first_is_the_maximum(zeros, kernel, dtype):
    """As of any equal numbers; in every lane and tail."""
    for windows in range(1, 40):
        x = np.full((1, 1, kernel, windows * kernel), zeros[1], dtype)
        x[..., 0, ::kernel] = zeros[0]
        for with_indices in (False, True):
            y = fc.max_pool2d(x, kernel, return_indices=with_indices)
            assert (np.signbit(y[0] if with_indices else y) == np.signbit(zeros[0])).all()
