"""fastconv.signal against sums of its own, written out slowly, and against SciPy where it is installed."""

import doctest
import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import signal

INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
DTYPES = (np.float32, np.float64, np.bool_, *INTEGERS)
FUNCTIONS = ("correlate", "convolve", "correlate2d", "convolve2d")


# --- the reference ----------------------------------------------------------------------------------------------------


def windows(function, mode, N, M):
    """Along one axis: the position in in1 of the first tap (the kernel unflipped) and the number of results."""
    if mode == "full":
        return 1 - M, N + M - 1
    if mode == "valid":
        return 0, N - M + 1
    return -((M - 1) // 2 if function == "correlate2d" else M // 2), N


def outside(place, length, boundary):
    """The pixel that stands at a place, or None; by walking there."""
    if boundary == "fill":
        return place if 0 <= place < length else None
    while not 0 <= place < length:
        if boundary == "wrap":
            place += length if place < 0 else -length
        else:
            place = -1 - place if place < 0 else 2 * length - 1 - place
    return place


def direct(function, x, w, mode="full", boundary="fill", fillvalue=0):
    """The sums and the sums of magnitudes as Python numbers, in arrays of objects: exact for integers."""
    turned = False
    if mode == "valid" and any(n < m for n, m in zip(x.shape, w.shape, strict=True)):
        x, w, turned = w, x, True
    if function.startswith("convolve"):
        w = np.flip(w)
    spans = [windows(function, mode, n, m) for n, m in zip(x.shape, w.shape, strict=True)]
    sums = np.empty([size for _, size in spans], object)
    magnitudes = np.empty_like(sums)
    x, w = x.astype(object), w.astype(object)
    for at in np.ndindex(sums.shape):
        total = magnitude = 0
        for tap in np.ndindex(w.shape):
            places = [
                outside(first + o + t, n, boundary) for (first, _), o, t, n in zip(spans, at, tap, x.shape, strict=True)
            ]
            product = w[tap] * (fillvalue if None in places else x[tuple(places)])
            total, magnitude = total + product, magnitude + abs(product)
        sums[at], magnitudes[at] = total, magnitude
    if turned and function.startswith("correlate"):
        sums, magnitudes = np.flip(sums), np.flip(magnitudes)
    return sums, magnitudes


def check(result, sums, magnitudes, dtype, taps):
    assert result.dtype == dtype and result.shape == sums.shape and result.flags.c_contiguous
    if dtype.kind == "b":
        assert np.array_equal(result, sums != 0)
    elif dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        wrapped = np.array([int(each) % 2**bits for each in sums.flat], np.uint64).reshape(sums.shape)
        assert np.array_equal(result.astype(np.uint64) & np.uint64(2**bits - 1), wrapped)
    else:
        bound = (4 + np.sqrt(taps)) * np.finfo(dtype).eps * magnitudes.astype(float)
        error = np.abs(result - sums.astype(float))
        assert (error <= bound + 4 * float(np.finfo(dtype).smallest_subnormal)).all()


# --- cases ------------------------------------------------------------------------------------------------------------


def values(rng, shape, dtype, extreme=False):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.4
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)
    limits = np.iinfo(dtype)
    if not extreme:
        return rng.integers(max(limits.min, -9), 9, shape, dtype, endpoint=True)
    ends = np.array([limits.min, limits.min + 1, limits.max, limits.max - 1], dtype)
    return np.where(
        rng.random(shape) < 0.5,
        rng.choice(ends, shape),
        rng.integers(limits.min, limits.max, shape, dtype, endpoint=True),
    )


@st.composite
def cases(draw):
    """(function, in1, in2, options): sizes, modes, boundaries, types, either array the larger."""
    function = draw(st.sampled_from(FUNCTIONS))
    flat = function.endswith("2d")
    rank = 2 if flat else draw(st.integers(1, 4))
    largest = {1: 20, 2: 7, 3: 4, 4: 3}[rank]
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    sizes = [(draw(st.integers(1, largest)), draw(st.integers(1, largest))) for _ in range(rank)]
    if mode == "valid":
        turned = draw(st.booleans())
        sizes = [(min(pair), max(pair)) if turned else (max(pair), min(pair)) for pair in sizes]
    dtypes = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(DTYPES))
    if draw(st.booleans()):
        dtypes = (dtypes[0], dtypes[0])
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extreme = draw(st.booleans())
    x, w = (values(rng, shape, dtype, extreme) for shape, dtype in zip(zip(*sizes, strict=True), dtypes, strict=True))
    options = dict(mode=mode)
    if flat:
        options["boundary"] = draw(st.sampled_from(["fill", "fill", "wrap", "symm"]))
        options["fillvalue"] = draw(st.sampled_from([0, 0, 1, 3]))
    return function, x, w, options


@settings(max_examples=500)
@given(cases())
def test_generated(case):
    function, x, w, options = case
    before = x.copy(), w.copy()
    result = getattr(signal, function)(x, w, **options)
    dtype = np.result_type(x, w)
    in1, in2 = (each.astype(dtype) if dtype.kind == "f" else each.astype(object) for each in (x, w))
    fill = bool(options.get("fillvalue", 0)) if dtype.kind == "b" else options.get("fillvalue", 0)
    sums, magnitudes = direct(
        function, in1, in2, **{**options, **({"fillvalue": fill} if "fillvalue" in options else {})}
    )
    check(result, sums, magnitudes, dtype, min(x.size, w.size))
    assert_same_bits(x, before[0])
    assert_same_bits(w, before[1])


@settings(max_examples=1500)
@given(cases(), st.booleans(), st.integers(0, 2**32 - 1))
def test_generated_as_scipy(case, strange, seed):
    scipy_signal = pytest.importorskip("scipy.signal")
    function, x, w, options = case
    rng = np.random.default_rng(seed)
    for each in (x, w):
        if strange and each.dtype.kind == "f" and rng.random() < 0.7:
            each[rng.random(each.shape) < 0.2] = rng.choice([np.inf, -np.inf, np.nan, 0])
    if strange and np.result_type(x, w).kind == "f" and "fillvalue" in options:
        options["fillvalue"] = rng.choice([np.nan, np.inf, 0.0, 2.5])
    result = getattr(signal, function)(x, w, **options)
    if x.dtype == w.dtype == bool and (x.ndim > 1 or x.size < w.size):
        return  # SciPy refuses them
    with np.errstate(all="ignore"):
        direct = {} if function.endswith("2d") else {"method": "direct"}
        expected = getattr(scipy_signal, function)(x, w, **options, **direct)
    assert result.dtype == expected.dtype and result.shape == expected.shape
    if result.dtype.kind != "f":
        assert np.array_equal(result, expected)
        return
    finite = np.isfinite(expected)
    assert np.array_equal(result[~finite], expected[~finite], equal_nan=True)
    most = [float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in (x.astype(float), w.astype(float))]
    fill = abs(np.nan_to_num(options.get("fillvalue", 0), posinf=0))
    taps = min(x.size, w.size) if not fill and options.get("boundary", "fill") == "fill" else w.size
    bound = 2 * (4 + taps) * np.finfo(result.dtype).eps * taps * max(most[0], fill) * most[1]
    assert (np.abs(result[finite] - expected[finite]) <= bound).all()


@st.composite
def batches(draw):
    """(function, in1, in2, axes, options): some axes correlated, the others alike, or one of the two of length one."""
    function = draw(st.sampled_from(FUNCTIONS))
    count = 2 if function.endswith("2d") else draw(st.integers(1, 3))
    rank = draw(st.integers(count, 5))
    axes = draw(st.permutations(range(rank)))[:count]
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    turned = draw(st.booleans())
    sizes = []
    for axis in range(rank):
        n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        if axis in axes:
            pair = ((min(n, m), max(n, m)) if turned else (max(n, m), min(n, m))) if mode == "valid" else (n, m)
        else:
            n = draw(st.sampled_from([0, 1, 2, 3, 5]))
            pair = draw(st.sampled_from([(n, n), (n, 1), (1, n)]))
        sizes.append(pair)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.bool_, np.int32, np.int64]))
    x, w = (values(rng, shape, dtype, draw(st.booleans())) for shape in zip(*sizes, strict=True))
    if x.dtype.kind == "f" and draw(st.booleans()):
        for each in (x, w):
            each[rng.random(each.shape) < 0.05] = rng.choice([np.inf, np.nan])
    options = dict(mode=mode)
    if function.endswith("2d"):
        options["boundary"] = draw(st.sampled_from(["fill", "fill", "wrap", "symm"]))
        options["fillvalue"] = draw(st.sampled_from([0, 0, 1]))
    return function, x, w, axes, options


@settings(max_examples=600)
@given(batches(), st.booleans())
def test_axes_are_single_calls(case, negative):
    """Each item of a batch has the bits that it has alone."""
    function, x, w, axes, options = case
    call = getattr(signal, function)
    batch = [axis for axis in range(x.ndim) if axis not in axes]
    result = call(x, w, axes=[axis - x.ndim if negative else axis for axis in axes], **options)
    counts = np.broadcast_shapes(*([each.shape[axis] for axis in batch] for each in (x, w)))
    assert [result.shape[axis] for axis in batch] == list(counts) and result.flags.c_contiguous
    for item in itertools.product(*map(range, counts)):

        def one(array, item=item):
            picks = [slice(None)] * array.ndim
            for axis, place in zip(batch, item, strict=True):
                picks[axis] = place if array.shape[axis] > 1 else 0
            return array[tuple(picks)]

        assert_same_bits(one(result).copy(), call(one(x), one(w), **options))


# --- what they are ----------------------------------------------------------------------------------------------------


def test_examples_in_the_docstrings():
    """Among them the book's: convolution is correlation with the kernel flipped, and f * g = g * f."""
    outcome = doctest.testmod(signal, extraglobs={"np": np})
    assert outcome.attempted > 10 and not outcome.failed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", [((9,), (4,)), ((6, 5), (3, 4)), ((4, 5, 6), (3, 2, 4))])
def test_the_flip_and_commutation(rng, dtype, shapes):
    """Dive into Deep Learning, chapter 7: f * g = g * f, and correlation does not commute."""
    f, g = (values(rng, shape, dtype, extreme=True) for shape in shapes)
    flipped = signal.correlate(f, np.flip(g))
    assert_same_bits(signal.convolve(f, g), flipped)
    if f.dtype.kind == "f":
        np.testing.assert_allclose(signal.convolve(g, f), signal.convolve(f, g), rtol=1e-4, atol=1e-4)
    else:
        assert np.array_equal(signal.convolve(g, f), signal.convolve(f, g))
    assert not np.array_equal(signal.correlate(g, f), signal.correlate(f, g))
    np.testing.assert_allclose(np.flip(signal.correlate(g, f)), signal.correlate(f, g), rtol=1e-4, atol=1e-4)
    if f.ndim == 2:
        assert np.array_equal(signal.convolve2d(f, g, "same"), signal.convolve(f, g, "same"))


def test_a_layer_correlates(rng):
    x, w = rng.standard_normal((30, 41)), rng.standard_normal((5, 3))
    layer = fc.conv2d(x[None, None], w[None, None])[0, 0]
    assert_same_bits(signal.correlate2d(x, w, "valid"), layer)
    assert_same_bits(signal.convolve2d(x, w[::-1, ::-1], "valid"), layer)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize("taps", [1, 5, 600])
def test_exact_at_the_ends_of_64_bits(dtype, taps):
    limits = np.iinfo(dtype)
    for a, b in itertools.product([limits.min, limits.min + 1, -1 % 2**63, 1, limits.max - 1, limits.max], repeat=2):
        result = signal.correlate(np.full(taps, a, dtype), np.full(taps, b, dtype))
        for place, value in enumerate(result):
            products = min(place + 1, 2 * taps - 1 - place)
            assert int(value) % 2**64 == int(a) * int(b) * products % 2**64


@pytest.mark.parametrize("sizes", [((300,), (200,)), ((2000, 3), (1500, 2))])
def test_many_taps_of_64_bits(rng, sizes):
    x, w = (values(rng, shape, np.int64, extreme=True) for shape in sizes)
    result = signal.correlate(x, w, "valid", axes=0) if len(sizes[0]) == 1 else signal.correlate(x, w, "valid")
    unsigned_x, unsigned_w = x.view(np.uint64), w.view(np.uint64)
    for at in np.ndindex(result.shape):
        window = unsigned_x[tuple(slice(o, o + m) for o, m in zip(at, w.shape, strict=True))]
        assert result[at].view(np.uint64) == (window * unsigned_w).sum(dtype=np.uint64)


def test_large_kernels_and_small_images(rng):
    """Only what meets is summed, whichever is the larger."""
    x, w = rng.standard_normal((3, 4)), rng.standard_normal((400, 500))
    full = signal.correlate2d(x, w)
    np.testing.assert_allclose(full, np.flip(signal.correlate2d(w, x)), rtol=1e-12, atol=1e-12)
    assert_same_bits(signal.correlate2d(x, w, "same"), full[200:203, 250:254].copy())
    np.testing.assert_allclose(signal.convolve2d(x, w, "same"), signal.convolve(x, w)[199:202, 249:253], rtol=1e-12)


def test_long_kernels_along_leading_axes(rng):
    """Taps that meet nothing, where infinities forbid to leave them out."""
    x, w = rng.standard_normal((2, 3, 4)), rng.standard_normal((11, 2, 3))
    for strange in (np.ones(()), np.inf):
        x[0, 1, 2] = strange
        sums, _ = direct("correlate", x, w, "same")
        np.testing.assert_allclose(signal.correlate(x, w, "same"), sums.astype(float), rtol=1e-12)
        assert_same_bits(signal.correlate(x[:, None], w[:, None], "same")[:, 0].copy(), signal.correlate(x, w, "same"))


def test_infinities_and_nan():
    x, w = np.ones((3, 4)), np.array([[np.inf]])
    assert np.isposinf(signal.correlate2d(x, w)).all()
    edge = signal.correlate2d(np.ones((1, 3)), np.array([[1, np.inf, 1]]))
    np.testing.assert_array_equal(edge, [[np.nan, np.inf, np.inf, np.inf, np.nan]])
    np.testing.assert_array_equal(signal.correlate(np.ones(3), [1, np.inf, 1]), [1, np.inf, np.inf, np.inf, 1])
    nan = signal.correlate2d(np.ones((3, 3)), np.ones((3, 3)), "same", fillvalue=np.nan)
    assert np.isnan(nan).sum() == 8 and nan[1, 1] == 9


@pytest.mark.parametrize("function", FUNCTIONS)
def test_arrays_as_they_come(rng, function):
    call = getattr(signal, function)
    x, w = rng.standard_normal((8, 9)).astype(np.float32), rng.standard_normal((3, 2)).astype(np.float32)
    expected = call(x, w, "same")
    frozen = x.copy()
    frozen.flags.writeable = False
    for each in (frozen, np.asfortranarray(x), np.repeat(x, 2, 0)[::2], x.astype(">f4"), memoryview(x)):
        assert_same_bits(call(each, w, "same"), expected)
    assert call(x.tolist(), w, "same").dtype == np.float64
    assert call([[1, 2]], [[True]]).tolist() == [[1, 2]]
    assert call(np.float16([[1, 2]]), w).dtype == np.float32


@pytest.mark.parametrize("function", ["correlate", "convolve"])
def test_methods_and_numbers(rng, function):
    call = getattr(signal, function)
    x, w = rng.standard_normal(50), rng.standard_normal(7)
    for method in ("direct", "fft"):
        assert_same_bits(call(x, w, "full", method), call(x, w))
    assert call(3, np.float32(2)) == 6 and call(np.int8(100), np.int8(2)) == -56


def test_names_of_the_boundaries(rng):
    x, w = rng.standard_normal((4, 5)), rng.standard_normal((3, 3))
    for name, other in (("fill", "pad"), ("wrap", "circular"), ("symm", "symmetric")):
        assert_same_bits(signal.correlate2d(x, w, "same", name), signal.correlate2d(x, w, "same", other))


def test_a_batch_may_lack_leading_axes(rng):
    x, w = rng.standard_normal((4, 6, 7)), rng.standard_normal((3, 3))
    stack = signal.correlate2d(x, w, "same", axes=(1, 2))
    assert_same_bits(stack, signal.correlate2d(x, w[None], "same", axes=(-2, -1)))
    assert_same_bits(stack[2], signal.correlate2d(x[2], w, "same"))
    assert signal.correlate(x, w[0], axes=-1).shape == (4, 6, 9)


def test_the_same_bits_at_any_thread_count(rng, threads):
    x, w = rng.standard_normal((3, 200, 300)).astype(np.float32), rng.standard_normal((3, 7, 7)).astype(np.float32)
    threads(1)
    one = signal.correlate2d(x, w, axes=(1, 2))
    threads(2)
    assert_same_bits(signal.correlate2d(x, w, axes=(1, 2)), one)


IMAGE, KERNEL = np.ones((4, 5)), np.ones((2, 2))


@pytest.mark.parametrize(
    "error, words, call",
    [
        (ValueError, "mode must be one of .*got mode='middle'", lambda: signal.correlate(IMAGE, KERNEL, "middle")),
        (ValueError, "mode must be one of .*got mode=0", lambda: signal.convolve2d(IMAGE, KERNEL, 0)),
        (ValueError, "method must be .*got method='slow'", lambda: signal.correlate(IMAGE, KERNEL, "full", "slow")),
        (ValueError, "boundary .*got boundary='x'", lambda: signal.correlate2d(IMAGE, KERNEL, "full", "x")),
        (
            ValueError,
            "fillvalue .*18446744073709551616",
            lambda: signal.correlate2d([[1]], np.int8([[1]]), fillvalue=2**64),
        ),
        (ValueError, "fillvalue .*300", lambda: signal.correlate2d(np.int8([[1]]), np.int8([[1]]), fillvalue=300)),
        (ValueError, "fillvalue .*nan", lambda: signal.correlate2d([[1]], [[1]], fillvalue=np.nan)),
        (ValueError, "fillvalue .*one number", lambda: signal.correlate2d(IMAGE, KERNEL, fillvalue=[1, 2])),
        (ValueError, "fillvalue must fit", lambda: signal.correlate2d(IMAGE, KERNEL, fillvalue=10**400)),
        (TypeError, "fillvalue .*1j", lambda: signal.correlate2d(IMAGE, KERNEL, fillvalue=1j)),
        (TypeError, "fillvalue .*None", lambda: signal.correlate2d(IMAGE, KERNEL, fillvalue=None)),
        (ValueError, r"2 dimensions each.*\(5,\)", lambda: signal.correlate2d(IMAGE[0], KERNEL)),
        (ValueError, r"same number of dimensions.*\(5,\)", lambda: signal.correlate(IMAGE[0], KERNEL)),
        (ValueError, "mode='valid'.*(4, 5).*(9, 1)", lambda: signal.correlate(IMAGE, np.ones((9, 1)), "valid")),
        (ValueError, r"in2 must have at least one element.*\(0, 2\)", lambda: signal.correlate(IMAGE, KERNEL[:0])),
        (TypeError, "in1 must hold .*complex128.*in1.real", lambda: signal.correlate(IMAGE * 1j, KERNEL)),
        (TypeError, "in2 must hold .*object", lambda: signal.convolve2d(IMAGE, [[None]])),
        (TypeError, "in2 must hold", lambda: signal.convolve2d(IMAGE, [["1"]])),
        (ValueError, "in1 must be an array", lambda: signal.convolve2d([[1], [1, 2]], KERNEL)),
        (TypeError, "in1 is a masked array", lambda: signal.convolve2d(np.ma.array(IMAGE), KERNEL)),
        (TypeError, "float16, expected float32", lambda: signal.correlate(np.float16([1]), np.float16([1]))),
        (ValueError, "axes must name 2 axes, got axes=1", lambda: signal.correlate2d(IMAGE, KERNEL, axes=1)),
        (ValueError, "axes must name different", lambda: signal.correlate2d(IMAGE, KERNEL, axes=(1, -1))),
        (ValueError, "axes must name at least one", lambda: signal.correlate(IMAGE, KERNEL, axes=())),
        (ValueError, "axes must lie between -2 and 1", lambda: signal.correlate(IMAGE, KERNEL, axes=2)),
        (ValueError, "axes .*0-d|axes must name at least one", lambda: signal.correlate(1, 2, axes=0)),
        (TypeError, "axes must be an integer", lambda: signal.correlate(IMAGE, KERNEL, axes=1.0)),
        (ValueError, r"axis 0, which is a batch", lambda: signal.correlate(IMAGE, np.ones((3, 2)), axes=1)),
        (ValueError, r"in2 of shape \(5,\) has none", lambda: signal.correlate(IMAGE, IMAGE[0], axes=0)),
    ],
)
def test_errors(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_needs_numpy_only():
    code = "import sys; sys.modules['scipy'] = None; import fastconv as fc; print(fc.signal.correlate([1, 2], [1]))"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert outcome.stdout == "[1 2]\n"
