"""Rectifiers, whose negative side is cut off, leaks or levels out, forward and backward."""

from fastconv import _arguments as args
from fastconv.functional import _pointwise
from fastconv.kernels.elementwise import function_number

_RELU, _LEAKY_RELU, _RELU6, _ELU = map(function_number, ("relu", "leaky_relu", "relu6", "elu"))


def relu(input, inplace=False, *, out=None):
    """max(0, input), elementwise: torch.nn.functional.relu on arrays. NaN and -0.0 stay as they are.

    Args:
        input: float32 or float64, any shape.
        inplace: must be False; inputs are never written.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: inplace=True, or an `out` that does not fit.

    Example:
        >>> relu(np.array([-1.0, 2.0]))
        array([0., 2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html
    """
    args.not_inplace(inplace)
    return _pointwise.forward(_RELU, input, out)


def relu_backward(grad_output, input):
    """The gradient of relu: grad_output where input > 0 or NaN, else 0. The output will do for the input.

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> relu_backward(np.ones(2), np.array([-1.0, 2.0]))
        array([0., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu.html (its derivative)
    """
    return _pointwise.backward(_RELU, grad_output, input, "input")


def leaky_relu(input, negative_slope=0.01, inplace=False, *, out=None):
    """input where it is positive, else negative_slope * input: torch.nn.functional.leaky_relu on arrays.

    Args:
        input: float32 or float64, any shape.
        negative_slope: a number.
        inplace: must be False; inputs are never written.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64, a negative_slope that is no number.
        ValueError: inplace=True, or an `out` that does not fit.

    Example:
        >>> leaky_relu(np.array([-1.0, 2.0]), 0.25)
        array([-0.25,  2.  ])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html
    """
    args.not_inplace(inplace)
    return _pointwise.forward(_LEAKY_RELU, input, out, args.number(negative_slope, "negative_slope"))


def leaky_relu_backward(grad_output, input, negative_slope=0.01):
    """The gradient of leaky_relu: grad_output where input > 0, else negative_slope * grad_output.

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.
        negative_slope: as given to leaky_relu.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as leaky_relu, and dtypes or shapes that differ.

    Example:
        >>> leaky_relu_backward(np.ones(2), np.array([-1.0, 2.0]), 0.25)
        array([0.25, 1.  ])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html (its derivative)
    """
    return _pointwise.backward(_LEAKY_RELU, grad_output, input, "input", args.number(negative_slope, "negative_slope"))


def relu6(input, inplace=False, *, out=None):
    """min(max(0, input), 6), elementwise: torch.nn.functional.relu6 on arrays. NaN and -0.0 stay as they are.

    Args:
        input: float32 or float64, any shape.
        inplace: must be False; inputs are never written.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: inplace=True, or an `out` that does not fit.

    Example:
        >>> relu6(np.array([-1.0, 2.0, 7.0]))
        array([0., 2., 6.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html
    """
    args.not_inplace(inplace)
    return _pointwise.forward(_RELU6, input, out)


def relu6_backward(grad_output, input):
    """The gradient of relu6: grad_output where 0 < input < 6, else 0 (at NaN too, as torch has it).

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> relu6_backward(np.ones(3), np.array([-1.0, 2.0, 7.0]))
        array([0., 1., 0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html (its derivative)
    """
    return _pointwise.backward(_RELU6, grad_output, input, "input")


def elu(input, alpha=1.0, inplace=False, *, out=None):
    """input where it is positive, else alpha * (exp(input) - 1): torch.nn.functional.elu on arrays.

    Without the cancellation near zero: within 5 units in the last place of what float64 gives.

    Args:
        input: float32 or float64, any shape.
        alpha: a number.
        inplace: must be False; inputs are never written.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64, a alpha that is no number.
        ValueError: inplace=True, or an `out` that does not fit.

    Example:
        >>> elu(np.array([-np.inf, 2.0]))
        array([-1.,  2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.elu.html
    """
    args.not_inplace(inplace)
    return _pointwise.forward(_ELU, input, out, args.number(alpha, "alpha"))


def elu_backward(grad_output, input, alpha=1.0):
    """The gradient of elu from its input: grad_output where input > 0, else grad_output * alpha * exp(input).

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.
        alpha: as given to elu.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as elu, and dtypes or shapes that differ.

    Example:
        >>> elu_backward(np.ones(2), np.array([0.0, 2.0]), 3.0)
        array([3., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.elu.html (its derivative)
    """
    return _pointwise.backward(_ELU, grad_output, input, "input", args.number(alpha, "alpha"))
