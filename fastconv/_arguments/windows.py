"""Shapes of unfold and fold."""

from fastconv._arguments.numbers import pair
from fastconv._arguments.sizes import check_bytes, check_padded, image_rank, reach_error


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
    check_padded(sizes, padded_h, padded_w, (pad_h, pad_w))
    span_h, span_w = padded_h - dil_h * (KH - 1) - 1, padded_w - dil_w * (KW - 1) - 1
    if span_h < 0 or span_w < 0:
        raise reach_error(sizes, (KH, KW), (dil_h, dil_w), (pad_h, pad_w), padded_h, padded_w)
    stride_h, stride_w = min(stride_h, padded_h), min(stride_w, padded_w)
    dil_h, dil_w = min(dil_h, padded_h), min(dil_w, padded_w)
    N = sizes[0] if len(sizes) == 4 else 1
    columns = (N, C, KH, KW, span_h // stride_h + 1, span_w // stride_w + 1)
    check_bytes(columns, "the column matrix")
    return columns, (KH, KW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)


def unfold_input(sizes):
    image_rank(sizes, "input")


def fold_output(sizes, output_size):
    """Whether an image of `sizes`, the gradient of fold's output, is of output_size."""
    image_rank(sizes, "grad_output")
    expected = pair(output_size, "output_size", 1, 2)
    if sizes[-2:] != expected:
        raise ValueError(f"grad_output has images of {sizes[-2:]} (shape {sizes}), expected output_size={expected}")


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
    check_bytes(image, "the output")
    columns, geometry = unfold(image, (KH, KW), dilation, padding, stride, "the output")
    if columns[4] * columns[5] != length:
        raise ValueError(
            f"input has {length} columns (shape {sizes}), expected {columns[4]} * {columns[5]} = "
            f"{columns[4] * columns[5]} for output_size={(H, W)}, kernel_size={(KH, KW)}, dilation={dilation}, "
            f"padding={padding}, stride={stride}"
        )
    return image, columns, geometry
