"""Limits on shapes: what does not fit into 64 bits is refused before anything is allocated."""

from fastconv._arguments.numbers import INT64_MAX, is_limited

# Elements of one padded image. No memory holds so many, and with it no size or index in a kernel can leave 64 bits.
_LARGEST_IMAGE = 2**46


def check_bytes(sizes, name):
    """Refuses an array of more than 2^63 - 1 bytes. Zeros count as ones: strides are multiplied all the same."""
    total = 8
    for size in sizes:
        total *= size or 1
    if total > INT64_MAX and is_limited():
        raise ValueError(f"{name} of shape {tuple(sizes)} needs more than 2^63 - 1 bytes")


def check_parameters(sizes, name):
    """A parameter's shape, before it is drawn."""
    check_bytes(sizes, name)


def check_padded(sizes, padded_h, padded_w, padding):
    check_image(sizes, sizes[-3], (padded_h, padded_w), padding)


def check_image(sizes, channels, padded, padding):
    """Refuses what padding, or a transposed convolution, makes too large; `sizes` are the input's."""
    total = channels or 1
    for size in padded:
        total *= size
    if total > _LARGEST_IMAGE and is_limited():
        raise ValueError(
            f"padding={padding} makes an image of {' x '.join(map(str, (channels, *padded)))}, more than the "
            f"{_LARGEST_IMAGE} elements that an operator takes (input has shape {sizes})"
        )


def image_rank(sizes, name):
    if len(sizes) != 4 and len(sizes) != 3:
        raise ValueError(f"{name} must have 4 dimensions (N, C, H, W) or 3 (C, H, W), got shape {sizes}")


def reach_error(sizes, kernel, dilation, padding, *padded):
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    return ValueError(
        f"kernel_size={kernel} with dilation={dilation} covers {' x '.join(map(str, span))} pixels, more than "
        f"the padded input of {' x '.join(map(str, padded))} (input has shape {sizes}, padding={padding})"
    )
