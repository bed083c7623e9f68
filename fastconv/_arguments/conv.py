"""Shapes of convolutions."""

from fastconv._arguments.numbers import integer, pair
from fastconv._arguments.sizes import check_bytes, check_padded, image_rank, reach_error


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


def conv1d(*a):
    raise NotImplementedError
