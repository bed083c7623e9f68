"""Shapes of convolutions and transposed convolutions."""

from fastconv._arguments.numbers import extents, integer, pair
from fastconv._arguments.sizes import check_bytes, check_image, check_padded, image_rank, reach_error


def conv2d(sizes, weight_sizes, stride, padding, dilation, groups):
    """The output's shape (of the input's rank), and the numbers that the kernels take:
    (stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)."""
    if len(weight_sizes) != 4:
        raise ValueError(f"weight must have 4 dimensions (C_out, C_in / groups, KH, KW), got shape {weight_sizes}")
    image_rank(sizes, "input")
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
        raise _channel_error(sizes, weight_sizes, groups, C)
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
        check_padded(sizes, padded_h, padded_w, padding)
    if reach_h >= padded_h or reach_w >= padded_w:
        raise reach_error(sizes, (KH, KW), (dil_h, dil_w), padding, padded_h, padded_w)
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
        check_bytes(result, "the output")
    return result, (stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)


_AXES = {1: "L", 2: "H, W", 3: "D, H, W"}
_KERNEL = {1: "K", 2: "KH, KW", 3: "KD, KH, KW"}


def conv1d(sizes, weight_sizes, stride, padding, dilation, groups):
    """As conv2d, for lines, which the kernels take as images of one row."""
    result, ((stride,), (pad,), (dilation,)), groups = conv(1, sizes, weight_sizes, stride, padding, dilation, groups)
    return result, (1, stride, 0, pad, 1, dilation, groups)


def conv3d(sizes, weight_sizes, stride, padding, dilation, groups):
    """As conv2d, for volumes, whose depth comes first among the three numbers of each option."""
    result, (stride, pad, dilation), groups = conv(3, sizes, weight_sizes, stride, padding, dilation, groups)
    return result, (*stride, *pad, *dilation, groups)


def conv(rank, sizes, weight_sizes, stride, padding, dilation, groups):
    """A convolution's output shape (of the input's rank), its options as tuples of `rank` integers, and its groups."""
    stride, dilation = extents(stride, "stride", rank, 1), extents(dilation, "dilation", rank, 1)
    groups = _fitting(rank, sizes, weight_sizes, groups, "(C_out, C_in / groups, {})")
    Cout, Cin_group, *kernel = weight_sizes
    if Cout % groups:
        raise ValueError(
            f"groups must divide the output channels, weight.shape[0] (={Cout}), got groups={groups}; weight has shape "
            f"{weight_sizes}"
        )
    C = sizes[-1 - rank]
    if Cin_group * groups != C:
        raise _channel_error(sizes, weight_sizes, groups, C)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if isinstance(padding, str):
        totals = _named_totals(padding, reach, stride)
        pad = tuple([total // 2 for total in totals])  # an odd pixel goes behind
    else:
        pad = extents(padding, "padding", rank, 0)
        totals = [2 * p for p in pad]
    padded = [size + total for size, total in zip(sizes[-rank:], totals, strict=True)]
    check_image(sizes, C, padded, padding)
    for covered, size in zip(reach, padded, strict=True):
        if covered >= size:
            raise reach_error(sizes, tuple(kernel), dilation, padding, *padded)
    if not all(sizes[-rank:]):
        raise ValueError(f"input must have at least one pixel, got shape {sizes}")

    # A stride beyond the input, or the dilation of a single tap, changes nothing but could overflow in a kernel.
    stride, dilation = tuple(map(min, stride, padded)), tuple(map(min, dilation, padded))
    extent = [(size - covered - 1) // s + 1 for size, covered, s in zip(padded, reach, stride, strict=True)]
    result = (*sizes[: -1 - rank], Cout, *extent)
    check_bytes(result, "the output")
    return result, (stride, pad, dilation), groups


def conv_transpose1d(*arguments):
    """As conv_transpose2d, for lines, which the kernels take as images of one row."""
    result, ((stride,), (pad,), (dilation,)), groups = conv_transpose(1, *arguments)
    return result, (1, stride, 0, pad, 1, dilation, groups)


def conv_transpose2d(*arguments):
    """The output's shape (of the input's rank), and the numbers that the kernels take of the convolution whose gradient
    this is: (stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)."""
    result, (stride, pad, dilation), groups = conv_transpose(2, *arguments)
    return result, (*stride, *pad, *dilation, groups)


def conv_transpose3d(*arguments):
    """As conv_transpose2d, for volumes, whose depth comes first among the three numbers of each option."""
    result, (stride, pad, dilation), groups = conv_transpose(3, *arguments)
    return result, (*stride, *pad, *dilation, groups)


def conv_transpose(rank, sizes, weight_sizes, stride, padding, output_padding, groups, dilation):
    """A transposed convolution's output shape (of the input's rank), its options as tuples of `rank` integers, and its
    groups."""
    stride, dilation = extents(stride, "stride", rank, 1), extents(dilation, "dilation", rank, 1)
    pad, extra = extents(padding, "padding", rank, 0), extents(output_padding, "output_padding", rank, 0)
    groups = _fitting(rank, sizes, weight_sizes, groups, "(C_in, C_out / groups, {})")
    Cin, Cout_group, *kernel = weight_sizes
    if Cin % groups:
        raise ValueError(
            f"groups must divide the input channels, weight.shape[0] (={Cin}), got groups={groups}; weight has shape "
            f"{weight_sizes}"
        )
    if sizes[-1 - rank] != Cin:
        raise ValueError(
            f"input has {sizes[-1 - rank]} channels (shape {sizes}), expected {Cin} = weight.shape[0]; weight has "
            f"shape {weight_sizes}"
        )
    if not (Cin and Cout_group):
        raise ValueError(f"weight must hold at least one channel on either side, got shape {weight_sizes}")
    if not all(sizes[-rank:]):
        raise ValueError(f"input must have at least one pixel, got shape {sizes}")
    for more, s, d in zip(extra, stride, dilation, strict=True):
        if more >= s and more >= d:
            raise ValueError(
                f"output_padding must be smaller than stride or dilation, got output_padding={extra}, stride={stride}, "
                f"dilation={dilation}"
            )
    spread = [
        (size - 1) * s + d * (k - 1) + 1 + more
        for size, s, d, k, more in zip(sizes[-rank:], stride, dilation, kernel, extra, strict=True)
    ]
    extent = [size - 2 * p for size, p in zip(spread, pad, strict=True)]
    if min(extent) < 1:
        raise ValueError(
            f"padding={pad} leaves no pixel of the output, {' x '.join(map(str, spread))} without it (input has shape "
            f"{sizes}, weight {weight_sizes}, stride={stride}, dilation={dilation}, output_padding={extra})"
        )
    C = Cout_group * groups
    check_image(sizes, C, spread, padding)
    # The stride of one pixel, or the dilation of a single tap, changes nothing but could overflow in a kernel.
    stride, dilation = tuple(map(min, stride, spread)), tuple(map(min, dilation, spread))
    result = (*sizes[: -1 - rank], C, *extent)
    check_bytes(result, "the output")
    return result, (stride, pad, dilation), groups


def _fitting(rank, sizes, weight_sizes, groups, weight_axes):
    """The groups as an integer, once the numbers of dimensions and the kernel are known to be right."""
    if len(weight_sizes) != rank + 2:
        raise ValueError(
            f"weight must have {rank + 2} dimensions {weight_axes.format(_KERNEL[rank])}, got shape {weight_sizes}"
        )
    if len(sizes) != rank + 2 and len(sizes) != rank + 1:
        raise ValueError(
            f"input must have {rank + 2} dimensions (N, C, {_AXES[rank]}) or {rank + 1} (C, {_AXES[rank]}), got shape "
            f"{sizes}"
        )
    if not (weight_sizes[0] and all(weight_sizes[2:])):
        raise ValueError(
            f"weight must hold at least one channel and a kernel of at least {' x '.join('1' * rank)}, got shape "
            f"{weight_sizes}"
        )
    return integer(groups, "groups", 1)


def _named_totals(padding, reach, stride):
    if padding == "valid":
        return [0] * len(reach)
    if padding != "same":
        raise ValueError(f"padding must be integers, 'same' or 'valid', got padding={padding!r}")
    if max(stride) > 1:
        raise ValueError(f"padding='same' needs stride 1, got stride={stride}")
    return reach


def _named_padding(padding, reach_h, reach_w, stride_h, stride_w):
    total_h, total_w = _named_totals(padding, (reach_h, reach_w), (stride_h, stride_w))
    return total_h // 2, total_w // 2, total_h, total_w  # an odd pixel goes below and to the right


def conv_padding(value, stride):
    """A layer's padding: as many integers as stride has, "same" or "valid"."""
    if isinstance(value, str):
        _named_totals(value, [0] * len(stride), stride)
        return value
    return extents(value, "padding", len(stride), 0)


def groups(value, in_channels, out_channels):
    """A layer's groups, which divide both its channels."""
    value = integer(value, "groups", 1)
    if in_channels % value or out_channels % value:
        raise ValueError(
            f"groups must divide in_channels (={in_channels}) and out_channels (={out_channels}), got groups={value}"
        )
    return value


def _channel_error(sizes, weight_sizes, groups, channels):
    return ValueError(
        f"input has {channels} channels (shape {sizes}), expected {weight_sizes[1] * groups} = weight.shape[1] "
        f"(={weight_sizes[1]}) * groups (={groups}); weight has shape {weight_sizes}"
    )
