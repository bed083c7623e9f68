"""Smooth activations, forward and backward. Sigmoid and tanh take their output for the gradient, which is cheap."""

from fastconv import _arguments as args
from fastconv.functional import _pointwise
from fastconv.kernels.elementwise import function_number

_SIGMOID, _TANH, _SILU = map(function_number, ("sigmoid", "tanh", "silu"))
_GELU = {"none": function_number("gelu"), "tanh": function_number("gelu_tanh")}


def sigmoid(input, *, out=None):
    """1 / (1 + exp(-input)), elementwise: torch.nn.functional.sigmoid on arrays.

    Within 3 units in the last place of the true value, over all of float32 and float64.

    Args:
        input: float32 or float64, any shape.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: an `out` that does not fit.

    Example:
        >>> sigmoid(np.zeros(1))
        array([0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html
    """
    return _pointwise.forward(_SIGMOID, input, out)


def sigmoid_backward(grad_output, output):
    """The gradient of sigmoid from its output y: grad_output * y * (1 - y).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> sigmoid_backward(np.ones(1), sigmoid(np.zeros(1)))
        array([0.25])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html (its derivative)
    """
    return _pointwise.backward(_SIGMOID, grad_output, output, "output")


def tanh(input, *, out=None):
    """The hyperbolic tangent, elementwise: torch.nn.functional.tanh on arrays.

    Within 3 units in the last place of the true value, over all of float32 and float64.

    Args:
        input: float32 or float64, any shape.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: an `out` that does not fit.

    Example:
        >>> tanh(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html
    """
    return _pointwise.forward(_TANH, input, out)


def tanh_backward(grad_output, output):
    """The gradient of tanh from its output y: grad_output * (1 - y * y).

    Args:
        grad_output, output: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of output's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> tanh_backward(np.ones(1), tanh(np.zeros(1)))
        array([1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.tanh.html (its derivative)
    """
    return _pointwise.backward(_TANH, grad_output, output, "output")


def silu(input, inplace=False, *, out=None):
    """input * sigmoid(input), elementwise: torch.nn.functional.silu on arrays. At -inf it is NaN, as torch has it.

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
        >>> silu(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.silu.html
    """
    args.not_inplace(inplace)
    return _pointwise.forward(_SILU, input, out)


def silu_backward(grad_output, input):
    """The gradient of silu: grad_output * s * (1 + input * (1 - s)) with s = sigmoid(input).

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: dtypes or shapes that differ.

    Example:
        >>> silu_backward(np.ones(1), np.zeros(1))
        array([0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.silu.html (its derivative)
    """
    return _pointwise.backward(_SILU, grad_output, input, "input")


def gelu(input, *, approximate="none", out=None):
    """input * Phi(input), Phi being the normal distribution: torch.nn.functional.gelu on arrays.

    Phi has no cancellation: large negative inputs keep their relative accuracy. At -inf gelu is NaN, as torch has it.

    Args:
        input: float32 or float64, any shape.
        approximate: "none" (Phi itself), or "tanh" for
            input * (1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))) / 2. Keyword only, as in torch.
        out: a C-contiguous array for the result, which must not overlap the input.

    Returns:
        An array of input's shape and dtype.

    Raises:
        TypeError: an array other than float32 or float64.
        ValueError: an unknown approximate, or an `out` that does not fit.

    Example:
        >>> gelu(np.array([0.0, 10.0]))
        array([ 0., 10.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html
    """
    return _pointwise.forward(_gelu(approximate), input, out)


def gelu_backward(grad_output, input, *, approximate="none"):
    """The gradient of gelu: grad_output * (Phi(input) + input * phi(input)), or that of its form with tanh.

    Args:
        grad_output, input: arrays of the same shape and dtype, float32 or float64.
        approximate: as given to gelu.

    Returns:
        grad_input, of input's shape.

    Raises:
        TypeError, ValueError: as gelu, and dtypes or shapes that differ.

    Example:
        >>> gelu_backward(np.ones(1), np.zeros(1))
        array([0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html (its derivative)
    """
    return _pointwise.backward(_gelu(approximate), grad_output, input, "input")


def _gelu(approximate):
    return _GELU[args.choice(approximate, "approximate", ("none", "tanh"))]
