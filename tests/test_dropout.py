"""Dropout: the generator's known answers, the bits that a seed gives, the gradient's mask, torch's edges."""

import numpy as np
import pytest
import reference
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F

SEEDS = [0, 1, 2**32 - 1, 2**64 - 1, 2**64, 0x0123456789ABCDEF_FEDCBA9876543210, 2**128 - 1]


PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)


@pytest.mark.parametrize(
    "rounds, counter, key, words",
    [
        (7, (0, 0, 0, 0), (0, 0), (0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48)),
        (7, (2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662)),
        (7, *PI, (0x4DFCCABA, 0x190A87F0, 0xC47362BA, 0xB6B5242A)),
        (10, (0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (10, (2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (10, *PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_the_reference_gives_the_papers_numbers(rounds, counter, key, words):
    """The known answers that the authors publish with their implementation, Random123 (kat_vectors)."""
    assert reference.philox(counter, key, rounds) == words


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape, p", [((3, 100), 0.5), ((64,), 0.1), ((65,), 0.9), ((), 0.5), ((0, 2), 0.5)], ids=str)
def test_dropout(shape, p, seed, dtype, rng):
    x = np.asarray(rng.standard_normal(shape), dtype)
    y = fc.dropout(x, p, seed=seed)
    expected = reference.dropout(x, p, seed)
    assert y.dtype == dtype and y.shape == shape
    np.testing.assert_array_equal(y == 0, expected == 0)
    np.testing.assert_allclose(y, expected, rtol=2 * np.finfo(dtype).eps)
    gy = np.asarray(rng.standard_normal(shape), dtype)
    np.testing.assert_allclose(
        F.dropout_backward(gy, p, seed=seed), reference.dropout(gy, p, seed), rtol=2 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("place", [0, 15, 16, 31, 32, 127, 128, 255, 256, 300])
def test_all_32_bits_decide(place, dtype):
    """At the probability that is an element's own 32 bits it stays, one step above it is dropped."""
    seed, x = 7, np.ones(301, dtype)
    shift, block = place // 16 % 2 * 16, place // 128 * 16 + place % 16
    upper, lower = (
        reference.philox((block, second, 0, 0), (seed, 0))[place // 32 % 4] >> shift & 0xFFFF for second in (0, 2**31)
    )
    for step, stays in ((0, True), (1, False)):
        p = (upper * 2**16 + lower + step) / 2**32
        y = fc.dropout(x, p, seed=seed)
        assert (y[place] != 0) == stays
        np.testing.assert_array_equal(y == 0, reference.dropout(x, p, seed) == 0)
        # The largest number, over 1 - p, is infinite: dropped it is zero, also at the end of an array.
        huge = fc.dropout(np.full(place + 1, np.finfo(dtype).max), p, seed=seed)[place]
        assert np.isinf(huge) if stays else huge == 0


def test_same_bits_at_any_thread_count_and_in_both_types(rng, threads):
    x = rng.standard_normal((257, 1031))
    x[0, 0] = np.nan
    single = x.astype(np.float32)
    expected = [fc.dropout(each, 0.3, seed=5) for each in (x, single)]
    for count in (1, 2, 3, 7):
        threads(count)
        for each, y in zip((x, single), expected, strict=True):
            assert_same_bits(fc.dropout(each, 0.3, seed=5), y)
            assert_same_bits(F.dropout_backward(each, 0.3, seed=5), y)
    np.testing.assert_array_equal(expected[0] == 0, expected[1] == 0)
    assert_same_bits(fc.dropout(x.T, 0.3, seed=5), fc.dropout(np.ascontiguousarray(x.T), 0.3, seed=5))
    # A part of the array that begins with it has the same elements dropped.
    assert_same_bits(fc.dropout(x[:100], 0.3, seed=5), expected[0][:100])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_as_many_are_dropped_as_p_says(p):
    y = fc.dropout(np.ones(2**20, np.float32), p, seed=11)
    sigma = np.sqrt(p * (1 - p) * y.size)
    assert abs((y == 0).sum() - p * y.size) < 5 * sigma
    # Neighbours, words and groups are independent of each other.
    dropped = (y == 0) - p
    for lag in (1, 2, 16, 32, 48, 64, 128, 1024):
        assert abs((dropped[lag:] * dropped[:-lag]).sum()) < 5 * p * (1 - p) * np.sqrt(y.size)


def test_seeds_differ_and_none_is_drawn():
    x = np.ones(512)
    drawn = [fc.dropout(x, seed=seed).tobytes() for seed in SEEDS] + [fc.dropout(x).tobytes() for _ in range(3)]
    assert len(set(drawn)) == len(drawn)


def test_edges_as_torchs(dtype):
    x = np.array([np.nan, np.inf, -np.inf, -1.0, 2.0, -0.0], dtype)
    for same in (fc.dropout(x, 0.0), fc.dropout(x, 0.5, False), fc.dropout(x, 1, training=False)):
        assert_same_bits(same, x)
        assert same is not x
    for gone in (fc.dropout(x, 1.0), F.dropout_backward(x, 1)):
        assert_same_bits(gone, np.array([np.nan, np.nan, np.nan, -0.0, 0.0, -0.0], dtype))
    many = fc.dropout(np.full(1000, -np.inf, dtype), 0.5, seed=1)
    assert np.isnan(many).any() and (many[~np.isnan(many)] == -np.inf).all()
    out = np.full_like(x, np.nan)
    fc.dropout(x, 0.0, out=out)
    assert_same_bits(out, x)


@pytest.mark.parametrize(
    "wrong",
    [
        dict(p=-0.1), dict(p=1.1), dict(p=float("nan")), dict(p=None), dict(p="0.5"), dict(p=True), dict(p=1j),
        dict(training=1), dict(training=None), dict(seed=-1), dict(seed=2**128), dict(seed=1.0), dict(seed="1"),
        dict(seed=True),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_arguments(wrong, dtype):
    (name,) = wrong
    for call in (fc.dropout, F.dropout_backward):
        with pytest.raises((TypeError, ValueError), match=name):
            call(np.zeros(3, dtype), **wrong)


def test_a_gradient_needs_the_seed(dtype):
    x = np.ones(3, dtype)
    with pytest.raises(ValueError, match="seed"):
        F.dropout_backward(x)
    assert_same_bits(F.dropout_backward(x, 0.5, False), x)
    with pytest.raises(ValueError, match="inplace"):
        fc.dropout(x, inplace=True)
