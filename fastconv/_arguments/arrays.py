"""Arrays as they come: their dtypes, their memory, and `out=`."""

import numpy as np

from fastconv._arguments.numbers import type_name

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)
FLOATS = (FLOAT32, FLOAT64)

_ndarray = np.ndarray


def floats(value, name, like=None, like_name="input"):
    """The float32 or float64 array behind `value` (its memory, not a copy), of `like`'s dtype where one is given."""
    array = value if type(value) is _ndarray else foreign(value, name)
    dtype = array.dtype
    if like is None:
        if dtype not in FLOATS:
            raise _dtype_error(array, name)
    elif dtype is not like.dtype and dtype != like.dtype:
        if dtype not in FLOATS:
            raise _dtype_error(array, name)
        raise TypeError(
            f"{name} has dtype {dtype}, but {like_name} has {like.dtype}: all arrays of a call must be alike, "
            f"convert with {name}.astype({like_name}.dtype)"
        )
    return array


def dtype(value):
    """float32 or float64, for what is drawn rather than given."""
    try:
        kind = np.dtype(value)
    except TypeError:
        kind = None
    if value is None or kind is None or kind not in FLOATS:  # to NumPy, None is float64
        raise TypeError(f"dtype must be np.float32 or np.float64, got dtype={value!r}")
    return FLOAT32 if kind == FLOAT32 else FLOAT64


def converted(value, name, dtype):
    """The array behind `value` in another dtype; a copy unless it has that already. Any real numbers will do."""
    array = value if type(value) is _ndarray else foreign(value, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype} (shape {array.shape})")
    return array.astype(dtype, copy=False)


def integers(value, name):
    """The integer array behind `value` (its memory, not a copy), of any integer dtype."""
    array = value if type(value) is _ndarray else foreign(value, name, "np.int64")
    dtype = array.dtype
    if dtype is not INT64 and (dtype.kind not in "iu" or not dtype.isnative):
        raise TypeError(
            f"{name} must hold integers in native byte order, got dtype {dtype.str} (shape {array.shape}): "
            f"convert with {name}.astype(np.int64)"
        )
    return array


def foreign(value, name, wanted="np.float32"):
    """An ndarray over the memory of an ndarray subclass, a DLPack object on the CPU, or a buffer."""
    if isinstance(value, _ndarray):
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array: convert with {name}.filled(value)")
        return value.view(_ndarray)
    if isinstance(value, np.generic):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        if hasattr(value, "is_neg") and value.is_neg():  # torch exports the numbers without their sign
            raise TypeError(f"{name} (a {type_name(value)}) is a negated view: convert with {name}.resolve_neg()")
        try:
            return np.from_dlpack(value)
        except Exception as error:  # another library's, of any class: a GPU's memory, a wanted gradient, no such type
            raise TypeError(f"{name} (a {type_name(value)}) cannot be taken as an array on the CPU: {error}") from error
    if not isinstance(value, (list, tuple, int, float, str)):
        try:
            return np.asarray(memoryview(value))
        except (TypeError, ValueError, BufferError):
            pass
    raise TypeError(
        f"{name} must be a NumPy array (or speak DLPack or the buffer protocol), got {type_name(value)}: "
        f"convert with np.asarray({name}, dtype={wanted})"
    )


def _dtype_error(array, name):
    dtype = array.dtype
    if dtype.kind == "f" and not dtype.isnative and dtype.itemsize in (4, 8):
        return TypeError(
            f"{name} has dtype {dtype.str} (shape {array.shape}), whose bytes are swapped: "
            f"convert with {name}.astype(np.float{8 * dtype.itemsize})"
        )
    how = f"{name}.real.astype(np.float32), {name}.imag likewise" if dtype.kind == "c" else f"{name}.astype(np.float32)"
    return TypeError(f"{name} must be float32 or float64, got dtype {dtype} (shape {array.shape}): convert with {how}")


def contiguous(array):
    """`array` itself where a kernel can read it as it lies, else an aligned C-contiguous copy."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, order="C")


def repeats(images):
    """Whether a batch is one image again and again (its stride is 0), so that copying it would be for nothing."""
    return not images.flags.c_contiguous and not images.strides[0] and len(images) > 1


def output(out, shape, dtype, *inputs):
    """`out=`, checked: a writable C-contiguous array of this shape and dtype that shares no memory with an input."""
    if not isinstance(out, _ndarray):
        raise TypeError(f"out must be a NumPy array of shape {shape} and dtype {dtype}, got {type_name(out)}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, expected {shape}")
    if out.dtype != dtype:
        raise TypeError(f"out has dtype {out.dtype.str}, expected {dtype}, the dtype of input")
    flags = out.flags
    if not flags.c_contiguous:
        raise ValueError(f"out (shape {shape}) must be C-contiguous, got strides {out.strides}")
    if not (flags.writeable and flags.aligned):
        fault = "misaligned" if flags.writeable else "read-only"
        raise ValueError(f"out (shape {shape}) must be writable and aligned, but it is {fault}")
    for array in inputs:
        if array is not None and np.may_share_memory(out, array) and _overlap(out, array):
            raise ValueError(
                f"out (shape {shape}) overlaps an input (shape {array.shape}) in memory: inputs are never written"
            )
    return out if type(out) is _ndarray else out.view(_ndarray)


def _overlap(out, array):
    try:
        return np.shares_memory(out, array, max_work=10_000)
    except np.exceptions.TooHardError:
        return True


def bias(value, length, like):
    """A bias of `length` values, or None."""
    if value is None:
        return None
    array = floats(value, "bias", like)
    if array.shape != (length,):
        raise ValueError(f"bias must have shape {(length,)}, one value an output channel, got shape {array.shape}")
    return array


def gradient(value, expected, like, like_name="input"):
    """grad_output, of the shape that the forward's result has."""
    array = floats(value, "grad_output", like, like_name)
    if array.shape != expected:
        raise ValueError(f"grad_output has shape {array.shape}, expected {expected}, the shape of the forward's output")
    return array


def same_shape(array, name, expected, expected_name):
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}, the shape of {expected_name}")
