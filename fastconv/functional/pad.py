"""Padding and cropping."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import pad as kernels


def pad(input, pad, mode="constant", value=None, *, out=None):
    """Adds elements around an array, or takes them away: torch.nn.functional.pad on arrays.

    Args:
        input: float32 or float64. With mode="constant" any shape, otherwise (N, C, ...) or (C, ...) with as many
            dimensions behind the channels as pad names.
        pad: (low, high) of the last dimension, then of the one before it, and so on. Negative numbers crop.
        mode: "constant" (the value), "reflect" (mirrored at the border, which is not repeated), "replicate" (the border
            repeated) or "circular" (from the other side). All but the first pad 1 to 3 dimensions.
        value: what mode="constant" fills in; None means zero.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array whose dimensions are larger by low + high.

    Raises:
        TypeError: arrays other than float32 or float64, sides that are not integers.
        ValueError: sides that do not fit input's shape or the mode, an unknown mode.

    Example:
        >>> pad(np.array([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
        array([[3., 2., 1., 2., 3., 2.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html
    """
    x = args.floats(input, "input")
    shape, sides, number, filler = args.pad(x.shape, pad, mode, value)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x)
    if result.size:
        kernels.pad_forward(args.contiguous(x), result, x.shape or (1,), sides, number, filler)
    return result


def pad_backward(grad_output, input_shape, pad, mode="constant", value=None):
    """The gradient of pad with respect to its input: each gradient is added to the element that was copied.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input_shape: the shape of pad's input.
        pad, mode, value: as given to pad.

    Returns:
        grad_input, of input_shape; zero where an element was cropped.

    Raises:
        TypeError, ValueError: as pad, and where grad_output's shape is not the output's.

    Example:
        >>> pad_backward(np.ones((1, 6)), (1, 3), (2, 1), mode="reflect")
        array([[1., 3., 2.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html (its derivative)
    """
    gy = args.floats(grad_output, "grad_output")
    sizes = args.shape(input_shape, "input_shape", None)
    shape, sides, number, _ = args.pad(sizes, pad, mode, value, "input_shape")
    if gy.shape != shape:
        args.same_shape(gy, "grad_output", shape, "the forward's output")
    grad_input = np.empty(sizes, gy.dtype)
    if not gy.size:
        grad_input[...] = 0
    elif grad_input.size and mode == "constant":  # what was padded is cropped, what was cropped is padded with zeros
        kernels.pad_forward(args.contiguous(gy), grad_input, shape or (1,), tuple(-side for side in sides), number, 0)
    elif grad_input.size:
        kernels.pad_backward(args.contiguous(gy), grad_input, sizes or (1,), sides, number)
    return grad_input
