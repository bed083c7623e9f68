"""Sliding windows as columns (unfold, im2col) and the sum of columns back into an image (fold, col2im)."""

import numpy as np

from fastconv import _arguments as args
from fastconv.functional._repeated import once
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
        windows, images = columns.reshape(N, C * KH * KW, OH, OW), x if batched else x[None]
        if args.repeats(images):
            once(kernels.unfold, images, (windows,), *geometry)
        else:
            kernels.unfold(args.contiguous(images), windows, *geometry)
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
        repeated = columns.ndim == 3 and args.repeats(columns)
        windows = args.contiguous(columns[:1] if repeated else columns).reshape(-1, C * KH * KW, OH, OW)
        if repeated:
            once(kernels.fold, windows, (result,), *geometry)
        else:
            kernels.fold(windows, result, *geometry)
    return result if columns.ndim == 3 else result[0]


def unfold_backward(grad_output, input_shape, kernel_size, dilation=1, padding=0, stride=1):
    """The gradient of unfold with respect to its input: fold.

    Args:
        grad_output: the gradient of the columns, of their shape.
        input_shape: the shape of unfold's input.
        kernel_size, dilation, padding, stride: as given to unfold.

    Returns:
        grad_input, of input_shape.

    Raises:
        TypeError, ValueError: as unfold, and where grad_output's shape is not the output's.

    Example:
        >>> unfold_backward(np.ones((4, 4)), (1, 3, 3), 2)
        array([[[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.unfold.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", (3, 4))
    (N, C, KH, KW, OH, OW), _ = args.unfold(sizes, kernel_size, dilation, padding, stride, "input_shape")
    expected = (N, C * KH * KW, OH * OW)[4 - len(sizes) :]
    if gy.shape != expected:
        args.same_shape(gy, "grad_output", expected, "the forward's output")
    return fold(gy, sizes[-2:], kernel_size, dilation, padding, stride)


def fold_backward(grad_output, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The gradient of fold with respect to its input: unfold.

    Args:
        grad_output: the gradient of the images, (N, C, H, W) or (C, H, W).
        output_size, kernel_size, dilation, padding, stride: as given to fold.

    Returns:
        grad_input, (N, C * KH * KW, L) or (C * KH * KW, L).

    Raises:
        TypeError, ValueError: as fold, and where grad_output is not of output_size.

    Example:
        >>> fold_backward(np.arange(4.0).reshape(1, 2, 2), (2, 2), 1)
        array([[0., 1., 2., 3.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.fold.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    args.fold_output(gy.shape, output_size)
    return unfold(gy, kernel_size, dilation, padding, stride)


im2col, im2col_backward = unfold, unfold_backward
col2im, col2im_backward = fold, fold_backward
