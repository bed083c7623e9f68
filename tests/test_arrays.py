"""Arrays as they come: any strides, misaligned, read-only, other buffers. Same bits as from a plain copy."""

import array
import tracemalloc

import numpy as np
import pytest
from operators import NAMES, arrays, call, many, samples
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


# Arguments that an operator updates, by its definition.
WRITTEN = {"running_mean", "running_var"}


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


def values(form):
    return np.from_dlpack(form) if isinstance(form, Exported) else np.asarray(form)


def test_every_operator_has_its_sample():
    """tests/operators.py: what stands there is tried with every kind of array below."""
    missing = set(F.__all__) - {name.partition(",")[0] for name in NAMES}
    assert not missing, f"tests/operators.py has no call of {', '.join(sorted(missing))}"


def assert_unchanged(given, arguments):
    """Inputs are never written, a running statistic apart."""
    for name in arrays(arguments):
        if name not in WRITTEN:
            assert_same_bits(values(given[name]), arguments[name])


def assert_results(given, arguments, name):
    """The call's results: new, of their own memory, the bits of the same call with plain copies; inputs as before."""
    plain = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in arguments.items()}
    results = call(name, given)
    for result in results if isinstance(results, tuple) else (results,):
        assert result is None or type(result) in (np.ndarray, np.float32, np.float64, bool, tuple)
    for result, wanted in zip(many(results), many(call(name, plain)), strict=True):
        assert_same_bits(result, wanted)
        assert result.flags.c_contiguous
        for key in arrays(arguments):
            assert not np.shares_memory(result, values(given[key])), f"the result shares the memory of {key}"
    assert_unchanged(given, arguments)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_every_argument(name, form, dtype):
    arguments = samples(dtype)[name]
    every = arrays(arguments)
    for changed in [*([key] for key in every), every]:
        given = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in arguments.items()}
        for key in changed:
            if key not in WRITTEN:
                given[key] = FORMS[form](arguments[key])
        assert_results(given, arguments, name)


@pytest.mark.parametrize("name", NAMES)
def test_zero_strides(name, dtype):
    """One value for a whole axis, or for all of them, as np.broadcast_to gives."""
    arguments = samples(dtype)[name]
    for key in set(arrays(arguments)) - WRITTEN:
        value = arguments[key]
        for axes in [*((axis,) for axis in range(value.ndim)), tuple(range(value.ndim))]:
            one = value[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(value.ndim))]
            changed = arguments | {key: np.broadcast_to(one, value.shape)}
            assert_results(changed, changed, name)


@pytest.mark.parametrize("name", NAMES)
def test_overlapping_elements(name, dtype):
    """Sliding windows: each step along any axis is one element further."""
    arguments = samples(dtype)[name]
    for key in set(arrays(arguments)) - WRITTEN:
        value = arguments[key]
        line = value.reshape(-1)[: sum(value.shape) - value.ndim + 1].copy()
        window = np.lib.stride_tricks.as_strided(line, value.shape, (value.itemsize,) * value.ndim, writeable=False)
        changed = arguments | {key: window}
        assert_results(changed, changed, name)


@pytest.mark.parametrize("name", NAMES)
def test_memory_mapped_files(name, dtype, tmp_path):
    arguments = samples(dtype)[name]
    given = dict(arguments)
    for key in set(arrays(arguments)) - WRITTEN:
        np.save(tmp_path / f"{key}.npy", arguments[key])
        given[key] = np.load(tmp_path / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    assert_results(given, arguments, name)


# Operators that compute with NumPy: what they need of their arguments is theirs to say.
MAY_COPY = {"cat"}


@pytest.mark.parametrize("form", ["plain", "read-only", "subclass", "memoryview", "DLPack"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_contiguous_is_not_copied(name, form):
    """NumPy tells tracemalloc what it allocates: the results, and nothing of an argument's size."""
    if name in MAY_COPY:
        pytest.skip("may copy")
    arguments = samples(np.float64)[name]
    given = {key: FORMS.get(form, np.array)(arguments[key]) for key in arrays(arguments)}
    given = arguments | {key: value for key, value in given.items() if key not in WRITTEN}
    call(name, given)
    tracemalloc.start()
    try:
        results = many(call(name, given))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    python_objects = 2700
    assert any(arguments[key].nbytes > python_objects for key in arrays(arguments)), "too small to be seen"
    assert peak < sum(result.nbytes for result in results) + python_objects


OTHER_TYPES = {
    "int32": np.int32, "uint8": np.uint8, "bool": bool, "float16": np.float16, "longdouble": np.longdouble,
    "complex64": np.complex64, "object": object, "string": "U9", "bytes": "S9", "time": "m8[s]",
    "record": [("real", np.float32), ("rest", np.float32)],
    "float32, bytes swapped": np.dtype(np.float32).newbyteorder("S"),
    "float64, bytes swapped": np.dtype(np.float64).newbyteorder("S"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHER_TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_other_types_are_refused_with_what_to_convert(name, kind):
    """For each floating-point argument alone, and in an array of another library as in NumPy's own."""
    arguments = samples(np.float32)[name]
    for key in arrays(arguments):
        if arguments[key].dtype.kind != "f":
            continue
        wrong = np.zeros(arguments[key].shape, OTHER_TYPES[kind])
        if name.startswith("cross_entropy, p") and key == "target" and kind in ("int32", "uint8", "bool"):
            continue  # class indices
        with pytest.raises(TypeError, match=rf"\b{key}\b.*convert with {key}\.") as caught:
            call(name, arguments | {key: wrong})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_types_are_refused_with_what_to_convert(name):
    arguments = samples(np.float32)[name]
    floats = [key for key in arrays(arguments) if arguments[key].dtype.kind == "f"]
    for key in floats if len(floats) > 1 else ():
        with pytest.raises(TypeError, match=r"float(32|64).*float(32|64).*convert with \w+\.astype"):
            call(name, arguments | {key: arguments[key].astype(np.float64)})


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_refused_where_they_are_no_integers(name):
    arguments = samples(np.float32)[name]
    for key in arrays(arguments):
        if arguments[key].dtype.kind == "i":
            for kind in (bool, object, np.complex64, np.dtype(np.int64).newbyteorder("S")):
                with pytest.raises((TypeError, ValueError), match=rf"\b{key}\b"):
                    call(name, arguments | {key: arguments[key].astype(kind)})


def test_the_kinds_of_ndarray(dtype, rng):
    """A matrix is an array of two axes, whatever its own operators mean; a masked array's mask would be lost."""
    x = rng.standard_normal((3, 4)).astype(dtype)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(x)
        y = fc.linear(matrix, np.asmatrix(x))
    assert type(y) is np.ndarray
    assert_same_bits(y, fc.linear(x, x))
    with pytest.raises(TypeError, match=r"input is a masked array: convert with input\.filled\(value\)"):
        fc.relu(np.ma.masked_array(x, x > 0))
    with pytest.raises(TypeError, match="weight is a masked array"):
        fc.linear(x, np.ma.masked_array(x, x > 0))
    record = np.rec.array(x[0], dtype=[("value", dtype)])
    assert_same_bits(fc.relu(record["value"]), fc.relu(x[0]))


class Unwilling:
    """An array that cannot be exported, as those on a GPU or of a type that DLPack lacks."""

    def __init__(self, error):
        self._error = error

    def __dlpack__(self, **options):
        raise self._error

    def __dlpack_device__(self):
        return 1, 0


@pytest.mark.parametrize("error", [BufferError, RuntimeError, AssertionError, AttributeError, NotImplementedError])
def test_arrays_that_cannot_be_exported(error):
    with pytest.raises(TypeError, match=r"input \(a test_arrays\.Unwilling\) cannot be taken .*: no such luck"):
        fc.relu(Unwilling(error("no such luck")))


class Negated(Exported):
    """torch's tensors have such views; their DLPack capsule forgets the sign."""

    def is_neg(self):
        return True


def test_negated_views():
    with pytest.raises(TypeError, match=r"input \(a test_arrays\.Negated\).*convert with input\.resolve_neg\(\)"):
        fc.relu(Negated(np.ones(3)))


def test_one_array_as_several_arguments(dtype, rng):
    x = rng.standard_normal((3, 3, 3, 3)).astype(dtype)
    assert_same_bits(fc.conv2d(x, x, padding=1), fc.conv2d(x, x.copy(), padding=1))


def test_arrays_of_the_standard_library():
    numbers = array.array("f", range(24))
    assert_same_bits(fc.relu(numbers), np.arange(24, dtype=np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_torch_tensors(name, dtype):
    torch = pytest.importorskip("torch")
    arguments = samples(dtype)[name]
    for turn in (lambda t: t, lambda t: t.transpose(0, -1).contiguous().transpose(0, -1)):
        given = {key: turn(torch.from_numpy(arguments[key].copy())) for key in set(arrays(arguments)) - WRITTEN}
        assert_results(arguments | given, arguments, name)


def test_torch_tensors_that_are_more_than_an_array():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 3)
    for wrong, said in (
        (x.clone().requires_grad_(), "detach"),
        (x.bfloat16(), "dtype"),
        (x.half(), "float16"),
        (x.to_sparse(), "strided"),
        (x.to("meta"), "meta"),
        (torch.view_as_complex(torch.ones(2, 3, 2)).conj().imag, "resolve_neg"),
        (torch.view_as_complex(torch.ones(2, 3, 2)).conj(), "conj"),
    ):
        with pytest.raises(TypeError, match=said):
            fc.relu(wrong)


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
