"""Arrays as they come: any strides, misaligned, read-only, other buffers. Same bits as from a plain copy."""

import array

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F


def reversed_axes(a):
    return np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[(slice(None, None, -1),) * a.ndim]


def gaps(a):
    wide = np.full([2 * n + 1 for n in a.shape], np.nan if a.dtype.kind == "f" else 0, a.dtype)
    view = wide[tuple(slice(1, 2 * n, 2) for n in a.shape)]
    view[...] = a
    return view


def last_axis_first(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1)


def misaligned(a):
    memory = np.zeros(a.nbytes + 1, np.uint8)
    view = memory[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a):
    copy = a.copy()
    copy.flags.writeable = False
    return copy


class Exported:
    """An array of another library: it speaks DLPack and nothing else."""

    def __init__(self, a):
        self._array = a

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class Subclass(np.ndarray):
    pass


FORMS = {
    "Fortran order": np.asfortranarray,
    "negative strides": reversed_axes,
    "gaps": gaps,
    "channels last": last_axis_first,
    "misaligned": misaligned,
    "misaligned, negative strides": lambda a: misaligned(a[..., ::-1])[..., ::-1],
    "read-only": read_only,
    "subclass": lambda a: a.copy().view(Subclass),
    "memoryview": lambda a: memoryview(a.copy()),
    "DLPack": lambda a: Exported(a.copy()),
}


def operators(dtype):
    """name: (function, its arrays)"""
    rng = np.random.default_rng(11)

    def new(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x, w, b = new(2, 4, 9, 10), new(6, 2, 3, 3), new(6)
    conv = dict(stride=(2, 1), padding=1, groups=2)
    y = fc.conv2d(x, w, b, **conv)
    pooled, indices = fc.max_pool2d(x, 3, 2, 1, return_indices=True)
    columns = fc.unfold(x, 3, padding=1)
    rows, matrix = new(5, 7), new(3, 7)
    return {
        "conv2d": (lambda x, w, b: fc.conv2d(x, w, b, **conv), (x, w, b)),
        "1x1": (fc.conv2d, (x, new(5, 4, 1, 1), new(5))),
        "conv2d_backward": (lambda g, x, w: F.conv2d_backward(g, x, w, **conv), (new(*y.shape), x, w)),
        "max_pool2d": (lambda x: fc.max_pool2d(x, 3, 2, 1, return_indices=True), (x,)),
        "max_pool2d_backward": (
            lambda g, i: F.max_pool2d_backward(g, i, x.shape, 3, 2, 1), (new(*pooled.shape), indices)
        ),
        "avg_pool2d": (lambda x: fc.avg_pool2d(x, 3, 2, 1), (x,)),
        "avg_pool2d_backward": (lambda g: F.avg_pool2d_backward(g, x.shape, 3, 2, 1), (new(*pooled.shape),)),
        "unfold": (lambda x: fc.unfold(x, 3, padding=1), (x,)),
        "fold": (lambda c: fc.fold(c, (9, 10), 3, padding=1), (columns,)),
        "linear": (fc.linear, (rows, matrix, new(3))),
        "linear_backward": (F.linear_backward, (new(5, 3), rows, matrix)),
        "relu": (fc.relu, (x,)),
        "sigmoid": (fc.sigmoid, (x,)),
        "tanh": (fc.tanh, (x,)),
        "relu_backward": (F.relu_backward, (new(*x.shape), x)),
        "softmax": (lambda x: F.softmax(x, 1), (x,)),
        "log_softmax": (lambda x: F.log_softmax(x, -1), (rows,)),
        "cross_entropy": (fc.cross_entropy, (rows, np.array([0, 6, 3, 3, 1]))),
        "cross_entropy_backward": (
            lambda x, t: F.cross_entropy_backward(np.asarray(1, dtype), x, t), (rows, np.array([0, 6, 3, 3, 1]))
        ),
        "mse_loss": (fc.mse_loss, (rows, new(5, 7))),
    }  # fmt: skip


def many(result):
    return [np.asarray(each) for each in (result if isinstance(result, tuple) else (result,))]


def values(form):
    return np.from_dlpack(form) if isinstance(form, Exported) else np.asarray(form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", operators(np.float32))
def test_every_form_of_every_argument(name, form, dtype):
    compute, arrays = operators(dtype)[name]
    expected = many(compute(*arrays))
    for place in [*range(len(arrays)), "all"]:
        given = [FORMS[form](a) if place in (k, "all") else a.copy() for k, a in enumerate(arrays)]
        results = many(compute(*given))
        for result, wanted in zip(results, expected, strict=True):
            assert type(result) is np.ndarray and result.flags.c_contiguous and result.flags.writeable
            assert_same_bits(result, wanted)
        for after, before in zip(given, arrays, strict=True):  # inputs are never written
            assert_same_bits(values(after), before)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2, 3)], ids=str)
def test_zero_strides(axes, dtype, rng):
    """One value for a whole axis, as np.broadcast_to gives."""
    shape = [1 if axis in axes else n for axis, n in enumerate((2, 4, 9, 10))]
    x = np.broadcast_to(rng.standard_normal(shape).astype(dtype), (2, 4, 9, 10))
    w = rng.standard_normal((6, 4, 3, 3)).astype(dtype)
    for compute in (
        lambda x: fc.conv2d(x, w, padding=1),
        lambda x: fc.max_pool2d(x, 2),
        lambda x: fc.avg_pool2d(x, 3, 1, 1),
        lambda x: fc.unfold(x, 2),
        fc.relu,
        lambda x: fc.linear(x, np.ones((3, 10), dtype)),
    ):
        assert_same_bits(compute(x), compute(x.copy()))


def test_overlapping_windows_as_input(dtype, rng):
    line = rng.standard_normal(100).astype(dtype)
    x = np.lib.stride_tricks.sliding_window_view(line, 12)[None, None]
    w = rng.standard_normal((3, 1, 3, 3)).astype(dtype)
    assert_same_bits(fc.conv2d(x, w), fc.conv2d(x.copy(), w))


def test_one_array_as_several_arguments(dtype, rng):
    x = rng.standard_normal((3, 3, 3, 3)).astype(dtype)
    assert_same_bits(fc.conv2d(x, x, padding=1), fc.conv2d(x, x.copy(), padding=1))


def test_memory_mapped_files(dtype, rng, tmp_path):
    x, w = rng.standard_normal((2, 3, 8, 9)).astype(dtype), rng.standard_normal((4, 3, 3, 3)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)
    assert_same_bits(fc.conv2d(mapped, w), fc.conv2d(x, w))


def test_arrays_of_the_standard_library():
    numbers = array.array("f", range(24))
    assert_same_bits(fc.relu(numbers), np.arange(24, dtype=np.float32))


def test_torch_tensors(dtype, rng):
    torch = pytest.importorskip("torch")
    x, w = rng.standard_normal((2, 3, 8, 9)).astype(dtype), rng.standard_normal((4, 3, 3, 3)).astype(dtype)
    y = fc.conv2d(torch.from_numpy(x), torch.from_numpy(w))
    assert_same_bits(y, fc.conv2d(x, w))


@pytest.mark.parametrize("size", [0, 1, 2])
def test_results_are_new_arrays(size, dtype):
    x = np.ones((size, 1, 3, 3), dtype)
    for y in (fc.relu(x), fc.max_pool2d(x, 1), fc.avg_pool2d(x, 1), fc.conv2d(x, np.ones((1, 1, 1, 1), dtype))):
        assert not np.shares_memory(x, y) and y.flags.owndata | (y.base is not None)


def with_out(dtype, rng):
    x, w = rng.standard_normal((2, 3, 8, 8)).astype(dtype), rng.standard_normal((4, 3, 3, 3)).astype(dtype)
    return {
        "conv2d": lambda **o: fc.conv2d(x, w, padding=1, **o),
        "max_pool2d": lambda **o: fc.max_pool2d(x, 2, **o),
        "avg_pool2d": lambda **o: fc.avg_pool2d(x, 2, **o),
        "relu": lambda **o: fc.relu(x, **o),
        "sigmoid": lambda **o: fc.sigmoid(x, **o),
        "tanh": lambda **o: fc.tanh(x, **o),
        "linear": lambda **o: fc.linear(x, np.ones((5, 8), dtype), **o),
    }


WITH_OUT = tuple(with_out(np.float32, np.random.default_rng(0)))


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_itself_is_returned(name, dtype, rng):
    compute = with_out(dtype, rng)[name]
    expected = compute()
    out = np.full_like(expected, np.nan)
    assert compute(out=out) is out
    assert_same_bits(out, expected)


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_with_gaps_is_filled_or_refused(name, dtype, rng):
    """Where it is taken, the memory between its elements stays as it was."""
    compute = with_out(dtype, rng)[name]
    expected = compute()
    out = gaps(np.full_like(expected, np.nan))
    try:
        compute(out=out)
    except (ValueError, TypeError) as error:
        assert "out" in str(error)
    else:
        assert_same_bits(out.copy(), expected)
        assert np.isnan(out.base).sum() == out.base.size - out.size
