"""Arguments of the operators: parsing, shape arithmetic, and the words of every error.

Nothing compiled is imported here and nothing is computed on the data. The functions are called once per operator call,
and LeNet at batch 1 takes microseconds: the cheap test comes first, and an error is worded only when there is one.

Sizes are Python integers throughout, so no product can wrap; `_check_bytes` refuses what does not fit into 64 bits
before anything is allocated.
"""

from math import prod
from operator import index

import numpy as np

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)
FLOATS = (FLOAT32, FLOAT64)

INT64_MAX = 2**63 - 1
# Elements of one padded image. No memory holds so many, and with it no size or index in a kernel can leave 64 bits.
_LARGEST_IMAGE = 2**46

_ndarray = np.ndarray


# --- arrays ---------------------------------------------------------------------------------------------------------


def floats(value, name, like=None, like_name="input"):
    """The float32 or float64 array behind `value` (its memory, not a copy), of `like`'s dtype where one is given."""
    array = value if type(value) is _ndarray else _foreign(value, name)
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


def integers(value, name):
    """The integer array behind `value` (its memory, not a copy), of any integer dtype."""
    array = value if type(value) is _ndarray else _foreign(value, name, "np.int64")
    if array.dtype.kind not in "iu" or not array.dtype.isnative:
        raise TypeError(
            f"{name} must hold integers in native byte order, got dtype {array.dtype.str} (shape {array.shape}): "
            f"convert with {name}.astype(np.int64)"
        )
    return array


def _foreign(value, name, wanted="np.float32"):
    """An ndarray over the memory of an ndarray subclass, a DLPack object on the CPU, or a buffer."""
    if isinstance(value, _ndarray):
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array: convert with {name}.filled(value)")
        return value.view(_ndarray)
    if isinstance(value, np.generic):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise TypeError(
                f"{name} (a {_type_name(value)}) cannot be taken as an array on the CPU: {error}"
            ) from error
    if not isinstance(value, (list, tuple, int, float, str)):
        try:
            return np.asarray(memoryview(value))
        except (TypeError, ValueError, BufferError):
            pass
    raise TypeError(
        f"{name} must be a NumPy array (or speak DLPack or the buffer protocol), got {_type_name(value)}: "
        f"convert with np.asarray({name}, dtype={wanted})"
    )


def _type_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _dtype_error(array, name):
    dtype = array.dtype
    if dtype.kind == "f" and not dtype.isnative and dtype.itemsize in (4, 8):
        return TypeError(
            f"{name} has dtype {dtype.str} (shape {array.shape}), whose bytes are swapped: "
            f"convert with {name}.astype(np.float{8 * dtype.itemsize})"
        )
    return TypeError(
        f"{name} must be float32 or float64, got dtype {dtype} (shape {array.shape}): "
        f"convert with {name}.astype(np.float32)"
    )


def contiguous(array):
    """`array` itself where a kernel can read it as it lies, else an aligned C-contiguous copy."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, order="C")


def output(out, shape, dtype, *inputs):
    """`out=`, checked: a writable C-contiguous array of this shape and dtype that shares no memory with an input."""
    if not isinstance(out, _ndarray):
        raise TypeError(f"out must be a NumPy array of shape {shape} and dtype {dtype}, got {_type_name(out)}")
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


# --- numbers --------------------------------------------------------------------------------------------------------


def integer(value, name, low=-INT64_MAX - 1, high=INT64_MAX):
    """`value` as a Python int between low and high; bool and float are refused."""
    if type(value) is not int:
        value = _index(value, name, "an integer")
    if not low <= value <= high:
        raise _range_error(value, name, low, high)
    return value


def _index(value, name, expected):
    if not isinstance(value, (bool, np.bool_)):
        try:
            return index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be {expected}, got {name}={value!r} ({_type_name(value)})")


def _range_error(value, name, low, high):
    if low <= value:
        return ValueError(f"{name} must be at most {high}, got {name}={value}")
    if value >= -INT64_MAX - 1:
        return ValueError(f"{name} must be at least {low}, got {name}={value}")
    return ValueError(f"{name} must fit into 64 bits, got {name}={value}")


def pair(value, name, low, shortest=1):
    """An integer, or one or two of them in a tuple or list, as two Python ints of at least `low`."""
    if type(value) is int:
        if low <= value <= INT64_MAX:
            return value, value
        first = second = value
    elif type(value) is tuple and len(value) == 2 and type(value[0]) is int and type(value[1]) is int:
        first, second = value
        if low <= first <= INT64_MAX and low <= second <= INT64_MAX:
            return value
    elif isinstance(value, (tuple, list)):
        if not shortest <= len(value) <= 2:
            raise ValueError(f"{name} must be an integer or a pair of integers, got {name}={value!r}")
        numbers = [_index(number, name, "an integer or a pair of integers") for number in value]
        first, second = numbers[0], numbers[-1]
    else:
        first = second = _index(value, name, "an integer or a pair of integers")
    if not (low <= first <= INT64_MAX and low <= second <= INT64_MAX):
        if max(first, second) > INT64_MAX:
            raise ValueError(f"{name} must fit into 64 bits, got {name}={value!r}")
        raise ValueError(f"{name} must be at least {low}, got {name}={value!r}")
    return first, second


def flag(value, name):
    """`value` as a bool; integers are refused, as torch refuses them."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {name}={value!r} ({_type_name(value)})")


def mask(value, name, length):
    """A sequence of `length` booleans."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a tuple of {length} booleans, got {name}={value!r}")
    if len(value) != length:
        raise ValueError(f"{name} must hold {length} booleans, got {name}={value!r}")
    return [flag(entry, name) for entry in value]


def choice(value, name, choices):
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {name}={value!r}")


def not_inplace(inplace):
    if inplace is not False and flag(inplace, "inplace"):
        raise ValueError("inplace must be False, got inplace=True: inputs are never written, use out= for the result")


def shape(value, name, ranks, low=0):
    """A tuple of Python ints from a tuple or list, with one of the `ranks` (None: any)."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a tuple of integers, got {name}={value!r} ({_type_name(value)})")
    if type(value) is tuple and (ranks is None or len(value) in ranks):
        for number in value:
            if type(number) is not int or not low <= number <= INT64_MAX:
                break
        else:
            return value
    numbers = tuple(integer(number, f"{name}[{place}]") for place, number in enumerate(value))
    if ranks is not None and len(numbers) not in ranks:
        expected = " or ".join(map(str, ranks))
        raise ValueError(f"{name} must have {expected} entries, got {name}={numbers}")
    if numbers and min(numbers) < low:
        raise ValueError(f"{name} must hold integers of at least {low}, got {name}={numbers}")
    return numbers


def axis(value, name, ndim, of):
    """An axis of an array of shape `of`, counted from the front."""
    number = integer(value, name)
    span = max(ndim, 1)
    if not -span <= number < span:
        raise ValueError(f"{name} must lie between {-span} and {span - 1} for shape {of}, got {name}={number}")
    return number % span


def position(value, name, length):
    """A place in a sequence of `length`, as a sequence takes it; IndexError beyond it, so that iteration ends."""
    number = integer(value, name)
    if not -length <= number < length:
        raise IndexError(f"{name} must lie between {-length} and {length - 1}, got {name}={number}")
    return number


def dtype(value):
    """float32 or float64, for what is drawn rather than given."""
    try:
        kind = np.dtype(value)
    except TypeError:
        kind = None
    if value is None or kind not in FLOATS:
        raise TypeError(f"dtype must be np.float32 or np.float64, got dtype={value!r}")
    return FLOAT32 if kind == FLOAT32 else FLOAT64


def seed(value):
    """None, or what numpy.random.default_rng takes as a reproducible seed: integers that are not negative."""
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return tuple(integer(number, "seed", 0, 2**128 - 1) for number in value)
    return integer(value, "seed", 0, 2**128 - 1)


# --- sizes ----------------------------------------------------------------------------------------------------------


def _check_bytes(sizes, name):
    """Refuses an array of more than 2^63 - 1 bytes. Zeros count as ones: strides are multiplied all the same."""
    total = 8
    for size in sizes:
        total *= size or 1
    if total > INT64_MAX:
        raise ValueError(f"{name} of shape {tuple(sizes)} needs more than 2^63 - 1 bytes")


def check_parameters(sizes, name):
    """A parameter's shape, before it is drawn."""
    _check_bytes(sizes, name)


def _check_padded(sizes, padded_h, padded_w, padding):
    if (sizes[-3] or 1) * padded_h * padded_w > _LARGEST_IMAGE:
        raise ValueError(
            f"padding={padding} makes an image of {sizes[-3]} x {padded_h} x {padded_w}, more than the "
            f"{_LARGEST_IMAGE} elements that an operator takes (input has shape {sizes})"
        )


def _image_rank(sizes, name):
    if len(sizes) != 4 and len(sizes) != 3:
        raise ValueError(f"{name} must have 4 dimensions (N, C, H, W) or 3 (C, H, W), got shape {sizes}")


def _reach_error(sizes, kernel, dilation, padding, padded_h, padded_w):
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    return ValueError(
        f"kernel_size={kernel} with dilation={dilation} covers {span[0]} x {span[1]} pixels, more than the padded "
        f"input of {padded_h} x {padded_w} (input has shape {sizes}, padding={padding})"
    )


# --- convolution ----------------------------------------------------------------------------------------------------


def conv2d(sizes, weight_sizes, stride, padding, dilation, groups):
    """The output's shape (of the input's rank), and the numbers that the kernels take:
    (stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)."""
    if len(weight_sizes) != 4:
        raise ValueError(f"weight must have 4 dimensions (C_out, C_in / groups, KH, KW), got shape {weight_sizes}")
    _image_rank(sizes, "input")
    C, H, W = sizes[-3:]
    Cout, Cin_group, KH, KW = weight_sizes
    stride_h, stride_w = pair(stride, "stride", 1)
    dil_h, dil_w = pair(dilation, "dilation", 1)
    if type(groups) is not int or groups < 1:
        groups = integer(groups, "groups", 1)
    if Cout % groups:
        raise ValueError(
            f"groups must divide the output channels, weight.shape[0] (={Cout}), got groups={groups}; weight has shape "
            f"{weight_sizes}"
        )
    if Cin_group * groups != C:
        raise _channel_error(sizes, weight_sizes, groups)
    if not (Cout and KH and KW):
        raise ValueError(
            f"weight must hold at least one output channel and a kernel of at least 1 x 1, got shape {weight_sizes}"
        )

    reach_h, reach_w = dil_h * (KH - 1), dil_w * (KW - 1)
    if isinstance(padding, str):
        pad_h, pad_w, total_h, total_w = _named_padding(padding, reach_h, reach_w, stride_h, stride_w)
    else:
        pad_h, pad_w = pair(padding, "padding", 0)
        total_h, total_w = 2 * pad_h, 2 * pad_w
    padded_h, padded_w = H + total_h, W + total_w
    if C > 0x7FFF or padded_h > 0x7FFF or padded_w > 0x7FFF:
        _check_padded(sizes, padded_h, padded_w, padding)
    if reach_h >= padded_h or reach_w >= padded_w:
        raise _reach_error(sizes, (KH, KW), (dil_h, dil_w), padding, padded_h, padded_w)
    if not (H and W):
        raise ValueError(f"input must have at least one pixel, got shape {sizes}")

    # A stride beyond the input, or the dilation of a single tap, changes nothing but could overflow in a kernel.
    if stride_h > padded_h or stride_w > padded_w or dil_h > padded_h or dil_w > padded_w:
        stride_h, stride_w = min(stride_h, padded_h), min(stride_w, padded_w)
        dil_h, dil_w = min(dil_h, padded_h), min(dil_w, padded_w)
    OH = (padded_h - reach_h - 1) // stride_h + 1
    OW = (padded_w - reach_w - 1) // stride_w + 1
    result = (sizes[0], Cout, OH, OW) if len(sizes) == 4 else (Cout, OH, OW)
    if Cout > 0x7FFF or OH > 0x7FFF or OW > 0x7FFF or sizes[0] > 0x7FFF:
        _check_bytes(result, "the output")
    return result, (stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)


def _named_padding(padding, reach_h, reach_w, stride_h, stride_w):
    if padding == "valid":
        return 0, 0, 0, 0
    if padding != "same":
        raise ValueError(f"padding must be integers, 'same' or 'valid', got padding={padding!r}")
    if stride_h != 1 or stride_w != 1:
        raise ValueError(f"padding='same' needs stride 1, got stride={(stride_h, stride_w)}")
    return reach_h // 2, reach_w // 2, reach_h, reach_w  # an odd pixel goes below and to the right


def conv_padding(value, stride):
    """A layer's padding: a pair, "same" or "valid"."""
    if isinstance(value, str):
        _named_padding(value, 0, 0, *stride)
        return value
    return pair(value, "padding", 0)


def groups(value, in_channels, out_channels):
    """A layer's groups, which divide both its channels."""
    value = integer(value, "groups", 1)
    if in_channels % value or out_channels % value:
        raise ValueError(
            f"groups must divide in_channels (={in_channels}) and out_channels (={out_channels}), got groups={value}"
        )
    return value


def _channel_error(sizes, weight_sizes, groups):
    return ValueError(
        f"input has {sizes[-3]} channels (shape {sizes}), expected {weight_sizes[1] * groups} = weight.shape[1] "
        f"(={weight_sizes[1]}) * groups (={groups}); weight has shape {weight_sizes}"
    )


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


# --- pooling --------------------------------------------------------------------------------------------------------


def pool2d(sizes, kernel_size, stride, padding, dilation, ceil_mode, name="input"):
    """The output's shape, and (kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)."""
    if len(sizes) != 4:
        _image_rank(sizes, name)
    C, H, W = sizes[-3:]
    KH, KW = pair(kernel_size, "kernel_size", 1)
    stride_h, stride_w = (KH, KW) if stride is None else pair(stride, "stride", 1)
    pad_h, pad_w = pair(padding, "padding", 0)
    dil_h, dil_w = (1, 1) if type(dilation) is int and dilation == 1 else pair(dilation, "dilation", 1)
    if ceil_mode is not False:
        ceil_mode = flag(ceil_mode, "ceil_mode")
    if pad_h > KH // 2 or pad_w > KW // 2:
        pool_padding((pad_h, pad_w), (KH, KW))
    if not (H and W and C):
        raise ValueError(f"{name} must have at least one channel and one pixel, got shape {sizes}")
    padded_h, padded_w = H + 2 * pad_h, W + 2 * pad_w
    large = C > 0x7FFF or padded_h > 0x7FFF or padded_w > 0x7FFF or sizes[0] > 0x7FFF
    if large:
        _check_padded(sizes, padded_h, padded_w, (pad_h, pad_w))
    span_h, span_w = padded_h - dil_h * (KH - 1) - 1, padded_w - dil_w * (KW - 1) - 1
    if ceil_mode:
        OH, OW = _pooled_up(H, pad_h, span_h, stride_h), _pooled_up(W, pad_w, span_w, stride_w)
    else:
        OH, OW = span_h // stride_h + 1, span_w // stride_w + 1
    if OH < 1 or OW < 1:
        raise _reach_error(sizes, (KH, KW), (dil_h, dil_w), (pad_h, pad_w), padded_h, padded_w)
    # What lies beyond the padded input is never looked at: cut it off, so that no kernel counts up to it. A stride or a
    # kernel that long leaves a single window.
    if OH == 1 or OW == 1 or dil_h > 1 or dil_w > 1:
        dil_h, dil_w = min(dil_h, padded_h), min(dil_w, padded_w)
        KH, KW = min(KH, (padded_h - 1) // dil_h + 1), min(KW, (padded_w - 1) // dil_w + 1)
        stride_h, stride_w = min(stride_h, padded_h), min(stride_w, padded_w)
    result = (*sizes[:-2], OH, OW)
    if large:
        _check_bytes(result, "the output")
    return result, (KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)


def pool_padding(value, kernel_size):
    """A pair of at most half the kernel."""
    padding = pair(value, "padding", 0)
    if padding[0] > kernel_size[0] // 2 or padding[1] > kernel_size[1] // 2:
        raise ValueError(f"padding must be at most half of kernel_size={kernel_size}, got padding={padding}")
    return padding


def _pooled_up(size, pad, span, stride):
    """torch's rule in ceil mode: the last window must start inside the input or the padding before it."""
    windows = (span + stride - 1) // stride + 1
    return windows - 1 if (windows - 1) * stride >= size + pad else windows


def divisor(value):
    """divisor_override for the kernels, where 0 stands for None."""
    if value is None:
        return 0
    number = integer(value, "divisor_override")
    if number == 0:
        raise ValueError("divisor_override must not be zero, got divisor_override=0")
    return number


def plane_indices(value, expected):
    """Indices of max_pool2d as contiguous int64; whether they lie inside the plane is for the kernel to find out."""
    array = value if type(value) is _ndarray and value.dtype is INT64 else integers(value, "indices")
    if array.shape != expected:
        same_shape(array, "indices", expected, "the forward's output")
    return contiguous(array if array.dtype is INT64 or array.dtype == INT64 else array.astype(np.int64))


def plane_indices_error(array, plane):
    low, high = int(array.min()), int(array.max())
    return ValueError(f"indices must lie between 0 and {plane - 1}, inside the plane, got {low} to {high}")


# --- unfold and fold ------------------------------------------------------------------------------------------------


def unfold(sizes, kernel_size, dilation, padding, stride, name="input"):
    """(N, C, KH, KW, OH, OW) of the columns of an image of `sizes`, and the numbers that the kernels take:
    (kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)."""
    C, H, W = sizes[-3:]
    # torch takes a tuple of one for convolution and pooling, but not here.
    KH, KW = pair(kernel_size, "kernel_size", 1, 2)
    dil_h, dil_w = pair(dilation, "dilation", 1, 2)
    pad_h, pad_w = pair(padding, "padding", 0, 2)
    stride_h, stride_w = pair(stride, "stride", 1, 2)
    if not (C and H and W):
        raise ValueError(f"{name} must have at least one channel and one pixel, got shape {sizes}")
    padded_h, padded_w = H + 2 * pad_h, W + 2 * pad_w
    _check_padded(sizes, padded_h, padded_w, (pad_h, pad_w))
    span_h, span_w = padded_h - dil_h * (KH - 1) - 1, padded_w - dil_w * (KW - 1) - 1
    if span_h < 0 or span_w < 0:
        raise _reach_error(sizes, (KH, KW), (dil_h, dil_w), (pad_h, pad_w), padded_h, padded_w)
    stride_h, stride_w = min(stride_h, padded_h), min(stride_w, padded_w)
    dil_h, dil_w = min(dil_h, padded_h), min(dil_w, padded_w)
    N = sizes[0] if len(sizes) == 4 else 1
    columns = (N, C, KH, KW, span_h // stride_h + 1, span_w // stride_w + 1)
    _check_bytes(columns, "the column matrix")
    return columns, (KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)


def unfold_input(sizes):
    _image_rank(sizes, "input")


def fold(sizes, output_size, kernel_size, dilation, padding, stride):
    """As `unfold`, for columns of shape `sizes` = (N, C * KH * KW, L) or (C * KH * KW, L)."""
    if len(sizes) != 3 and len(sizes) != 2:
        raise ValueError(f"input must have 3 dimensions (N, C * KH * KW, L) or 2 (C * KH * KW, L), got shape {sizes}")
    H, W = pair(output_size, "output_size", 1, 2)
    KH, KW = pair(kernel_size, "kernel_size", 1, 2)
    rows, length = sizes[-2:]
    if not rows or rows % (KH * KW):
        raise ValueError(
            f"input has {rows} rows (shape {sizes}), expected a multiple of {KH * KW}, the product of "
            f"kernel_size={(KH, KW)}"
        )
    image = (sizes[0] if len(sizes) == 3 else 1, rows // (KH * KW), H, W)
    _check_bytes(image, "the output")
    columns, geometry = unfold(image, (KH, KW), dilation, padding, stride, "the output")
    if columns[4] * columns[5] != length:
        raise ValueError(
            f"input has {length} columns (shape {sizes}), expected {columns[4]} * {columns[5]} = "
            f"{columns[4] * columns[5]} for output_size={(H, W)}, kernel_size={(KH, KW)}, dilation={dilation}, "
            f"padding={padding}, stride={stride}"
        )
    return image, columns, geometry


# --- linear ---------------------------------------------------------------------------------------------------------


def linear(sizes, weight_sizes):
    """The output's shape, and (M, N, K) of the product behind it. A 1-D weight is one output without its axis."""
    if not 1 <= len(weight_sizes) <= 2:
        raise ValueError(f"weight must have 2 dimensions (out_features, in_features) or 1, got shape {weight_sizes}")
    if not sizes:
        raise ValueError("input must have at least 1 dimension (..., in_features), got shape ()")
    if sizes[-1] != weight_sizes[-1]:
        raise ValueError(
            f"input has {sizes[-1]} features (shape {sizes}), expected {weight_sizes[-1]}, the last dimension of "
            f"weight (shape {weight_sizes})"
        )
    M = sizes[0] if len(sizes) == 2 else prod(sizes[:-1])
    result = (*sizes[:-1], *weight_sizes[:-1])
    if M > 0x7FFF or weight_sizes[0] > 0x7FFF:
        _check_bytes(result, "the output")
    return result, (M, weight_sizes[0] if len(weight_sizes) == 2 else 1, weight_sizes[-1])


def linear_bias(value, weight_sizes, like):
    if value is not None and len(weight_sizes) == 1:
        raise ValueError(f"bias must be None where weight has 1 dimension (shape {weight_sizes})")
    return bias(value, weight_sizes[0], like)


# --- flatten --------------------------------------------------------------------------------------------------------


def flatten(sizes, start_dim, end_dim):
    """The shape with the axes start_dim to end_dim made one."""
    start = axis(start_dim, "start_dim", len(sizes), sizes)
    end = axis(end_dim, "end_dim", len(sizes), sizes)
    if start > end:
        raise ValueError(
            f"start_dim must not come after end_dim, got start_dim={start_dim}, end_dim={end_dim} for shape {sizes}"
        )
    return (*sizes[:start], prod(sizes[start : end + 1]), *sizes[end + 1 :])


def flatten_without_batch(sizes, start_dim, end_dim):
    """The same for a shape without its batch, which stays as it is."""
    whole = (1, *sizes)
    if axis(start_dim, "start_dim", len(whole), whole) == 0 and axis(end_dim, "end_dim", len(whole), whole) != 0:
        raise ValueError(f"start_dim must come after the batch, axis 0, got start_dim={start_dim} for shape {whole}")
    return flatten(whole, start_dim, end_dim)[1:]


# --- losses ---------------------------------------------------------------------------------------------------------

_REDUCTIONS = ("mean", "sum", "none")


def reduction(value, size_average, reduce):
    if size_average is not None or reduce is not None:
        raise ValueError(
            f"size_average and reduce must be None, got size_average={size_average!r}, reduce={reduce!r}: "
            f"use reduction='mean', 'sum' or 'none'"
        )
    return choice(value, "reduction", _REDUCTIONS)


def logits(input):
    """The logits of a cross entropy: (N, C), (C,) or (N, C, d1, ...)."""
    array = floats(input, "input")
    if array.ndim == 0:
        raise ValueError("input must have shape (C,), (N, C) or (N, C, d1, ...), got shape ()")
    return array


def class_weights(weight, classes, like):
    if weight is None:
        return None
    array = floats(weight, "weight", like)
    if array.shape != (classes,):
        raise ValueError(f"weight must have shape {(classes,)}, one value a class, got shape {array.shape}")
    return contiguous(array)


def class_targets(target, like, ignore_index):
    """The targets of a cross entropy over the logits `like`: probabilities where target has the logits' shape (torch's
    rule), else class indices, each a class or ignore_index. Returns (array, whether they are probabilities)."""
    array = target if type(target) is _ndarray else _foreign(target, "target", "np.int64")
    sizes = like.shape
    if array.shape == sizes:
        if array.dtype.kind in "iub":
            raise TypeError(
                f"target has the shape of input, {sizes}, so it must hold class probabilities ({like.dtype}), got "
                f"dtype {array.dtype}; class indices have shape {_class_shape(sizes)}"
            )
        if ignore_index >= 0:
            raise ValueError(
                f"ignore_index (={ignore_index}) needs class indices, but target of shape {sizes} holds probabilities"
            )
        return floats(array, "target", like), True
    expected = _class_shape(sizes)
    if array.shape != expected:
        raise ValueError(
            f"target has shape {array.shape}, expected {expected} (class indices) or {sizes} (class probabilities) for "
            f"input of shape {sizes}"
        )
    return _classes(integers(array, "target"), sizes[1 if len(sizes) > 1 else 0], ignore_index), False


def _class_shape(sizes):
    return (sizes[0], *sizes[2:]) if len(sizes) > 1 else ()


def _classes(array, classes, ignore_index):
    if array.size:
        wrong = (array < 0) | (array >= classes)
        if wrong.any():
            wrong &= array != ignore_index
            if wrong.any():
                raise ValueError(
                    f"target must hold classes between 0 and {classes - 1}, or ignore_index (={ignore_index}), got "
                    f"{int(array[wrong].flat[0])} (target has shape {array.shape})"
                )
    return array.astype(np.int64, copy=False)


def smoothing(value):
    """label_smoothing, a number between 0 and 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"label_smoothing must be a number, got label_smoothing={value!r} ({_type_name(value)})")
    if not 0 <= value <= 1:
        raise ValueError(f"label_smoothing must lie between 0 and 1, got label_smoothing={value!r}")
    return float(value)


def loss_gradient(value, expected, like):
    """grad_output of a loss: an array of the loss's shape; for a single number a Python number will do as well."""
    if expected == () and isinstance(value, (int, float)) and not isinstance(value, bool):
        return like.dtype.type(value)
    return gradient(value, expected, like)


def broadcast(sizes, target_sizes):
    """The shape of input and target together, as torch broadcasts them."""
    try:
        return np.broadcast_shapes(sizes, target_sizes)
    except ValueError:
        raise ValueError(f"target has shape {target_sizes}, which does not fit input of shape {sizes}") from None


def loss_weights(weight, sizes, like):
    if weight is None:
        return None
    array = floats(weight, "weight", like)
    same_shape(array, "weight", sizes, "input")
    return array
