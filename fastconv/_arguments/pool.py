"""Shapes of pooling."""

import numpy as np

from fastconv._arguments.arrays import INT64, contiguous, integers, same_shape
from fastconv._arguments.numbers import flag, integer, pair
from fastconv._arguments.sizes import check_bytes, check_padded, image_rank, reach_error


def pool2d(sizes, kernel_size, stride, padding, dilation, ceil_mode, name="input"):
    """The output's shape, and (kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)."""
    if len(sizes) != 4:
        image_rank(sizes, name)
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
    array = value if type(value) is np.ndarray and value.dtype is INT64 else integers(value, "indices")
    if array.shape != expected:
        same_shape(array, "indices", expected, "the forward's output")
    return contiguous(array if array.dtype is INT64 or array.dtype == INT64 else array.astype(np.int64))


def plane_indices_error(array, plane):
    low, high = int(array.min()), int(array.max())
    return ValueError(f"indices must lie between 0 and {plane - 1}, inside the plane, got {low} to {high}")
