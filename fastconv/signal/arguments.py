"""Arguments of fastconv.signal: parsing, and the words of its errors."""

import numpy as np

from fastconv import _arguments as args

_MODES = ("full", "same", "valid")
_METHODS = ("auto", "direct", "fft")
_BOUNDARIES = {"fill": "fill", "pad": "fill", "wrap": "wrap", "circular": "wrap", "symm": "symm", "symmetric": "symm"}


def mode(value):
    args.choice(value, "mode", _MODES)


def method(value):
    args.choice(value, "method", _METHODS)


def boundary(value):
    """ "fill", "wrap" or "symm", by any of SciPy's names."""
    return _BOUNDARIES[args.choice(value, "boundary", _BOUNDARIES)]


def arrays(in1, in2):
    """Both as arrays, and the dtype of the result, which is SciPy's: NumPy's result type."""
    x = in1 if type(in1) is np.ndarray else _array(in1, "in1")
    w = in2 if type(in2) is np.ndarray else _array(in2, "in2")
    dtype = x.dtype
    if dtype is w.dtype and dtype in args.FLOATS:
        return x, w, dtype
    _number(x, "in1")
    _number(w, "in2")
    dtype = np.result_type(x.dtype, w.dtype)
    if dtype.kind == "f":
        if dtype.itemsize not in (4, 8):
            raise TypeError(
                f"in1 (shape {x.shape}) and in2 (shape {w.shape}) have a result in {dtype}, expected float32 or "
                f"float64: convert one with .astype(np.float32)"
            )
        dtype = args.FLOAT32 if dtype.itemsize == 4 else args.FLOAT64
    return x, w, dtype


def _array(value, name):
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: convert with {name}.filled(value)")
    if hasattr(value, "__dlpack__") and not isinstance(value, (np.ndarray, np.generic)):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise TypeError(f"{name} (a {type(value).__qualname__}) cannot be taken as an array: {error}") from error
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers, or lists that make one: {error}") from error


def _number(array, name):
    dtype = array.dtype
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    hint = f": correlate {name}.real and {name}.imag" if dtype.kind == "c" else ""
    raise TypeError(
        f"{name} must hold booleans, integers, float32 or float64, got dtype {dtype} (shape {array.shape}){hint}"
    )


def layout(x, w, axes, rank):
    """Both with the same number of dimensions, and the axes to correlate along, in order; rank: how many, or None."""
    if axes is None:
        if rank is not None and (x.ndim != rank or w.ndim != rank):
            raise ValueError(
                f"in1 and in2 must have {rank} dimensions each, got shapes {x.shape} and {w.shape}; where there are "
                f"more, axes= tells which are the image's"
            )
        if x.ndim != w.ndim:
            raise ValueError(
                f"in1 and in2 must have the same number of dimensions, got shapes {x.shape} and {w.shape}; axes= tells "
                f"which to correlate along where one has a batch"
            )
        return x, w, tuple(range(x.ndim))
    ndim = max(x.ndim, w.ndim)
    numbers = _axes(axes, ndim, x.shape if x.ndim == ndim else w.shape)
    if rank is not None and len(numbers) != rank:
        raise ValueError(f"axes must name {rank} axes, got axes={axes!r}")
    for array, name in ((x, "in1"), (w, "in2")):
        if numbers[0] < ndim - array.ndim:
            raise ValueError(
                f"axes must name axes of both arrays, got axes={axes!r}, but {name} of shape {array.shape} has "
                f"none that meets axis {numbers[0]} of {ndim}"
            )
    x, w = x.reshape((1,) * (ndim - x.ndim) + x.shape), w.reshape((1,) * (ndim - w.ndim) + w.shape)
    for axis in range(ndim):
        if axis not in numbers and x.shape[axis] != w.shape[axis] and 1 not in (x.shape[axis], w.shape[axis]):
            raise ValueError(
                f"in1 (shape {x.shape}) and in2 (shape {w.shape}) must have the same length, or one, along axis "
                f"{axis}, which is a batch for axes={axes!r}"
            )
    return x, w, numbers


def _axes(value, ndim, of):
    entries = value if isinstance(value, (tuple, list)) else (value,)
    numbers = sorted(args.axis(entry, "axes", ndim, of) for entry in entries)
    if not (numbers and ndim):
        raise ValueError(f"axes must name at least one axis of an array of shape {of}, got axes={value!r}")
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"axes must name different axes of an array of shape {of}, got axes={value!r}")
    return tuple(numbers)


def not_empty(x, w, axes):
    for array, name in ((x, "in1"), (w, "in2")):
        if not all(array.shape[axis] for axis in axes):
            raise ValueError(f"{name} must have at least one element along axes {axes}, got shape {array.shape}")


def inside(x, w, axes):
    """For mode "valid": whether the roles are exchanged, because in1 lies inside in2."""
    lengths = [(x.shape[axis], w.shape[axis]) for axis in axes]
    if all(a >= b for a, b in lengths):
        return False
    if all(a <= b for a, b in lengths):
        return True
    raise ValueError(
        f"mode='valid' needs one array at least as long as the other along each of the axes {axes}, got in1 of shape "
        f"{x.shape} and in2 of shape {w.shape}"
    )


def fill(value, dtype):
    """fillvalue as one of `dtype`'s numbers; fractions are cut off for integers."""
    number = np.asarray(value)
    if number.size != 1:
        raise ValueError(f"fillvalue must be one number, got fillvalue={value!r}")
    number = number.reshape(())[()]
    if not isinstance(number, (int, float, np.bool_, np.integer, np.floating)):
        raise TypeError(f"fillvalue must be a real number, got fillvalue={value!r}")
    number = int(number) if isinstance(number, (int, np.bool_, np.integer)) else float(number)
    if dtype.kind == "b":
        return np.bool_(number)
    if dtype.kind == "f":
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there, as in NumPy's conversions
                return dtype.type(number)
        except OverflowError:
            raise ValueError(f"fillvalue must fit into {dtype}, got fillvalue={value!r}") from None
    limits = np.iinfo(dtype)
    if not limits.min - 1 < number < limits.max + 1:
        raise ValueError(
            f"fillvalue must lie between {limits.min} and {limits.max} for a result in {dtype}, got fillvalue={value!r}"
        )
    return dtype.type(int(number))
