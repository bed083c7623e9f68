"""Shapes of pooling."""

import numpy as np

from fastconv._arguments.arrays import INT64, contiguous, integers, same_shape
from fastconv._arguments.numbers import INT64_MAX, extents, flag, integer, pair
from fastconv._arguments.sizes import check_bytes, check_image, check_padded, image_rank, reach_error

_BATCHED = {1: "3 dimensions (N, C, L) or 2 (C, L)", 3: "5 dimensions (N, C, D, H, W) or 4 (C, D, H, W)"}
_BATCHED[2] = "4 dimensions (N, C, H, W) or 3 (C, H, W)"


def pool2d(sizes, kernel_size, stride, padding, dilation, ceil_mode, name="input"):
    """The output's shape, and (kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)."""
    if len(sizes) != 4:
        image_rank(sizes, name)
    C, H, W = sizes[-3:]
    KH, KW = pair(kernel_size, "kernel_size", 1)
    if stride is None or (type(stride) is not int and _no_entries(stride)):
        stride_h, stride_w = KH, KW
    else:
        stride_h, stride_w = pair(stride, "stride", 1)
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
        check_padded(sizes, padded_h, padded_w, (pad_h, pad_w))
    span_h, span_w = padded_h - dil_h * (KH - 1) - 1, padded_w - dil_w * (KW - 1) - 1
    if ceil_mode:
        OH, OW = _pooled_up(H, pad_h, span_h, stride_h), _pooled_up(W, pad_w, span_w, stride_w)
    else:
        OH, OW = span_h // stride_h + 1, span_w // stride_w + 1
    if OH < 1 or OW < 1:
        raise reach_error(sizes, (KH, KW), (dil_h, dil_w), (pad_h, pad_w), padded_h, padded_w)
    # What lies beyond the padded input is never looked at: cut it off, so that no kernel counts up to it. A stride or a
    # kernel that long leaves a single window.
    if OH == 1 or OW == 1 or dil_h > 1 or dil_w > 1:
        dil_h, dil_w = min(dil_h, padded_h), min(dil_w, padded_w)
        KH, KW = min(KH, (padded_h - 1) // dil_h + 1), min(KW, (padded_w - 1) // dil_w + 1)
        stride_h, stride_w = min(stride_h, padded_h), min(stride_w, padded_w)
    result = (*sizes[:-2], OH, OW)
    if large:
        check_bytes(result, "the output")
    return result, (KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)


def pool1d(sizes, kernel_size, stride, padding, dilation, ceil_mode, name="input"):
    """The output's shape, and (kernel, stride, pad, dil)."""
    return _pool(sizes, 1, kernel_size, stride, padding, dilation, ceil_mode, name)


def pool3d(sizes, kernel_size, stride, padding, dilation, ceil_mode, name="input"):
    """The output's shape, and the kernel, the stride, the padding and the dilation of each of the axes D, H, W."""
    return _pool(sizes, 3, kernel_size, stride, padding, dilation, ceil_mode, name)


def mean3d(sizes, kernel_size, stride, padding, ceil_mode, name="input"):
    """The same for means, whose windows torch wants inside the input without its padding, in three dimensions alone."""
    kernel = extents(kernel_size, "kernel_size", 3, 1)
    result = _pool(sizes, 3, kernel, stride, padding, 1, ceil_mode, name)
    for size, k in zip(sizes[-3:], kernel, strict=True):
        if size < k:
            raise ValueError(f"kernel_size={kernel} is larger than {name}, which has shape {sizes}")
    return result


def _pool(sizes, dims, kernel_size, stride, padding, dilation, ceil_mode, name):
    if len(sizes) != dims + 1 and len(sizes) != dims + 2:
        raise _rank_error(sizes, dims, name)
    kernel = extents(kernel_size, "kernel_size", dims, 1)
    steps = kernel if stride is None or _no_entries(stride) else extents(stride, "stride", dims, 1)
    pads = extents(padding, "padding", dims, 0)
    gaps = extents(dilation, "dilation", dims, 1)
    if ceil_mode is not False:
        ceil_mode = flag(ceil_mode, "ceil_mode")
    if 0 in sizes[-dims - 1 :]:
        raise ValueError(f"{name} must have at least one channel and one pixel, got shape {sizes}")
    outs, padded = [], []
    for size, k, step, pad, gap in zip(sizes[-dims:], kernel, steps, pads, gaps, strict=True):
        if pad > k // 2:
            raise _padding_error(pads, kernel)
        padded.append(size + 2 * pad)
        span = padded[-1] - gap * (k - 1) - 1
        outs.append(_pooled_up(size, pad, span, step) if ceil_mode else span // step + 1)
    check_image(sizes, sizes[-dims - 1], padded, padding)
    if min(outs) < 1:
        raise reach_error(sizes, kernel, gaps, pads, *padded)
    # As in pool2d: no kernel counts up to what lies beyond the padded input.
    gaps = tuple(map(min, gaps, padded))
    kernel = tuple(min(k, (size - 1) // gap + 1) for k, size, gap in zip(kernel, padded, gaps, strict=True))
    steps = tuple(map(min, steps, padded))
    result = (*sizes[:-dims], *outs)
    check_bytes(result, "the output")
    return result, (*kernel, *steps, *pads, *gaps)


def _no_entries(value):
    """torch takes an empty stride for kernel_size too."""
    return isinstance(value, (tuple, list)) and not value


def _rank_error(sizes, dims, name):
    return ValueError(f"{name} must have {_BATCHED[dims]}, got shape {sizes}")


def adaptive(sizes, output_size, dims, no_channels=False):
    """The output's shape. None stands for the input's size, but for signals."""
    _adaptive_input(sizes, dims, no_channels, "input")
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != dims:
            raise ValueError(f"output_size must be {_sizes_wanted(dims)}, got output_size={output_size!r}")
        outs = list(output_size)
        if dims > 1:
            outs = [size if out is None else out for out, size in zip(outs, sizes[-dims:], strict=True)]
    else:
        outs = [output_size] * dims
    for place, out in enumerate(outs):
        if type(out) is not int or not 0 <= out <= INT64_MAX:
            outs[place] = integer(out, "output_size", 0)
    result = (*sizes[:-dims], *outs)
    check_bytes(result, "the output")
    _check_products(sizes, result, dims)
    return result


def _sizes_wanted(dims):
    return "an integer or a tuple of one" if dims == 1 else f"an integer or {dims} of them (or None) in a tuple"


def _adaptive_input(sizes, dims, no_channels, name):
    if len(sizes) != dims + 1 and len(sizes) != dims + 2:
        raise _rank_error(sizes, dims, name)
    # As torch has it: the first dimension may be empty, and for some the channels behind a batch.
    if 0 in sizes[-dims:] or (len(sizes) == dims + 2 and sizes[1] == 0 and not no_channels):
        raise ValueError(f"{name} must have at least one channel and one pixel, got shape {sizes}")


def _check_products(sizes, result, dims):
    """Where windows begin is a quotient of such a product."""
    for size, out in zip(sizes[-dims:], result[-dims:], strict=True):
        if size * (out + 2) > INT64_MAX:
            raise ValueError(f"output_size (={result[-dims:]}) times the input's (shape {sizes}) must fit into 64 bits")


def adaptive_gradient(sizes, grad_sizes, dims, no_channels=False):
    """The shapes of an adaptive pooling's input and of the gradient of its output, whose size is the output_size."""
    _adaptive_input(sizes, dims, no_channels, "input_shape")
    if len(grad_sizes) != len(sizes) or grad_sizes[:-dims] != sizes[:-dims]:
        raise ValueError(
            f"grad_output has shape {grad_sizes}, expected {len(sizes)} dimensions, {sizes[:-dims]} and the output's "
            f"size, for input_shape={sizes}"
        )
    _check_products(sizes, grad_sizes, dims)


def unpool(sizes, kernel_size, stride, padding, output_size, dims, name="input"):
    """The output's shape, as torch derives it: sizes need not be positive, but for the strides of volumes."""
    if len(sizes) != dims + 1 and len(sizes) != dims + 2:
        raise _rank_error(sizes, dims, name)
    if 0 in sizes[1:]:
        raise ValueError(f"{name} must have at least one channel and one pixel, got shape {sizes}")
    kernel = _exact(kernel_size, "kernel_size", dims)
    steps = kernel if stride is None else _exact(stride, "stride", dims)
    pads = _exact(padding, "padding", dims)
    if dims == 3 and min(steps) < 1:
        raise ValueError(f"stride must be at least 1, got stride={steps}")
    wanted = [(size - 1) * s + k - 2 * p for size, s, k, p in zip(sizes[-dims:], steps, kernel, pads, strict=True)]
    if output_size is not None:
        wanted = _unpooled(output_size, wanted, steps, dims)
    if min(wanted) < 0:
        raise ValueError(
            f"kernel_size={kernel}, stride={steps} and padding={pads} make an output of {tuple(wanted)}, less than "
            f"nothing (input has shape {sizes})"
        )
    result = (*sizes[:-dims], *wanted)
    check_bytes(result, "the output")
    return result


def _exact(value, name, dims):
    if isinstance(value, (tuple, list)) and len(value) != dims:
        raise ValueError(f"{name} must be an integer or {dims} of them in a tuple, got {name}={value!r}")
    return extents(value, name, dims, -INT64_MAX - 1)


def _unpooled(output_size, default, steps, dims):
    """output_size, checked: less than a stride from the size that it would be by default."""
    if not isinstance(output_size, (tuple, list)):
        raise TypeError(f"output_size must be a tuple of {dims} integers or None, got output_size={output_size!r}")
    if len(output_size) != dims and len(output_size) != dims + 2:
        raise ValueError(f"output_size must have {dims} or {dims + 2} entries, got output_size={output_size!r}")
    wanted = [integer(size, "output_size") for size in output_size[-dims:]]
    for size, usual, step in zip(wanted, default, steps, strict=True):
        if not usual - step < size < usual + step:
            raise ValueError(
                f"output_size must lie less than a stride (={steps}) from {tuple(default)}, got "
                f"output_size={output_size!r}"
            )
    return wanted


def pool_padding(value, kernel_size):
    """A layer's padding: as many integers as kernel_size has, of at most half the kernel."""
    padding = extents(value, "padding", len(kernel_size), 0)
    for pad, kernel in zip(padding, kernel_size, strict=True):
        if pad > kernel // 2:
            raise _padding_error(padding, kernel_size)
    return padding


def _padding_error(padding, kernel_size):
    return ValueError(f"padding must be at most half of kernel_size={kernel_size}, got padding={padding}")


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


def plane_indices(value, expected, expected_name="the forward's output"):
    """Indices of a maximum as contiguous int64; whether they lie inside the plane is for the kernel to find out."""
    array = value if type(value) is np.ndarray and value.dtype is INT64 else integers(value, "indices")
    if array.shape != expected:
        same_shape(array, "indices", expected, expected_name)
    return contiguous(array if array.dtype is INT64 or array.dtype == INT64 else array.astype(np.int64))


def unpool_indices(value, expected):
    """The same for max_unpool, which takes int64 alone, as torch does."""
    array = integers(value, "indices")
    if array.dtype != INT64:
        raise TypeError(
            f"indices must be int64, got dtype {array.dtype} (shape {array.shape}): "
            "convert with indices.astype(np.int64)"
        )
    same_shape(array, "indices", expected, "input")
    return contiguous(array)


def plane_indices_error(array, plane):
    low, high = int(array.min()), int(array.max())
    return ValueError(f"indices must lie between 0 and {plane - 1}, inside the plane, got {low} to {high}")
