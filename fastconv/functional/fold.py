"""Sliding windows as columns (unfold, im2col) and the sum of columns back into an image (fold, col2im)."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import fold as kernels


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of each image as columns of a matrix: torch.nn.functional.unfold on arrays. Also called im2col.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, dilation, stride: an integer or a pair of at least 1.
        padding: an integer or a pair of at least 0; pixels beyond the image are zero.

    Returns:
        (N, C * KH * KW, L) or (C * KH * KW, L), with a column for each of the L = OH * OW windows, rows first.

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers.
        ValueError: a window larger than the padded input, no channels or pixels.

    Example:
        >>> unfold(np.arange(9.0).reshape(1, 3, 3), 2)
        array([[0., 1., 3., 4.],
               [1., 2., 4., 5.],
               [3., 4., 6., 7.],
               [4., 5., 7., 8.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html
    """
    x = args.floats(input, "input")
    args.unfold_input(x.shape)
    (N, C, KH, KW, OH, OW), geometry = args.unfold(x.shape, kernel_size, dilation, padding, stride)
    columns = np.empty((N, C * KH * KW, OH * OW), x.dtype)
    batched = x.ndim == 4
    if x.size:
        windows = columns.reshape(N, C * KH * KW, OH, OW)
        kernels.unfold(args.contiguous(x if batched else x[None]), windows, *geometry)
    return columns if batched else columns[0]


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Adds columns back into images, each value to the pixel it came from: torch.nn.functional.fold on arrays.

    It is the gradient of unfold, and unfold is the gradient of fold. Also called col2im.

    Args:
        input: (N, C * KH * KW, L) or (C * KH * KW, L), float32 or float64.
        output_size: the image's (H, W).
        kernel_size, dilation, padding, stride: as given to unfold.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        TypeError: arrays other than float32 or float64, sizes that are not integers.
        ValueError: rows that are no multiple of KH * KW, or a number of columns other than the number of windows.

    Example:
        >>> fold(np.ones((4, 4)), (3, 3), 2)
        array([[[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html
    """
    columns = args.floats(input, "input")
    image, (N, C, KH, KW, OH, OW), geometry = args.fold(
        columns.shape, output_size, kernel_size, dilation, padding, stride
    )
    result = np.empty(image, columns.dtype)
    if columns.size:
        windows = args.contiguous(columns).reshape(N, C * KH * KW, OH, OW)
        kernels.fold(windows, result, *geometry)
    return result if columns.ndim == 3 else result[0]


im2col = unfold
col2im = fold
