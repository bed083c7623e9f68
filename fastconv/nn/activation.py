"""Activation layers."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _Activation(Layer):
    """An elementwise function: the output has the input's shape."""

    def output_shape(self, input_shape):
        """input_shape itself."""
        return args.shape(input_shape, "input_shape", None)


class ReLU(_Activation):
    """max(0, x).

    Args:
        inplace: must be False; inputs are never written.

    Example:
        >>> ReLU()(np.array([-1.0, 2.0]))
        array([0., 2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def __init__(self, inplace=False):
        args.not_inplace(inplace)

    def forward(self, x):
        y = F.relu(x)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.relu_backward(grad_output, x) if need_input_grad else None


class ReLU6(_Activation):
    """min(max(0, x), 6).

    Args:
        inplace: must be False; inputs are never written.

    Example:
        >>> ReLU6()(np.array([-1.0, 2.0, 7.0]))
        array([0., 2., 6.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReLU6.html
    """

    def __init__(self, inplace=False):
        args.not_inplace(inplace)

    def forward(self, x):
        y = F.relu6(x)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.relu6_backward(grad_output, x) if need_input_grad else None


class LeakyReLU(_Activation):
    """x where it is positive, else negative_slope * x.

    Args:
        negative_slope: a number.
        inplace: must be False; inputs are never written.

    Example:
        >>> LeakyReLU(0.5)(np.array([-1.0, 2.0]))
        array([-0.5,  2. ])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html
    """

    def __init__(self, negative_slope=0.01, inplace=False):
        self.negative_slope = args.number(negative_slope, "negative_slope")
        args.not_inplace(inplace)

    def forward(self, x):
        y = F.leaky_relu(x, self.negative_slope)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.leaky_relu_backward(grad_output, x, self.negative_slope) if need_input_grad else None

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(_Activation):
    """x where it is positive, else alpha * (exp(x) - 1).

    Args:
        alpha: a number.
        inplace: must be False; inputs are never written.

    Example:
        >>> ELU()(np.array([-np.inf, 2.0]))
        array([-1.,  2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ELU.html
    """

    def __init__(self, alpha=1.0, inplace=False):
        self.alpha = args.number(alpha, "alpha")
        args.not_inplace(inplace)

    def forward(self, x):
        y = F.elu(x, self.alpha)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.elu_backward(grad_output, x, self.alpha) if need_input_grad else None

    def extra_repr(self):
        return f"alpha={self.alpha}"


class GELU(_Activation):
    """x times the normal distribution's cumulative function.

    Args:
        approximate: "none", or "tanh" for the formula that takes a hyperbolic tangent.

    Example:
        >>> GELU()(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.GELU.html
    """

    def __init__(self, approximate="none"):
        self.approximate = args.choice(approximate, "approximate", ("none", "tanh"))

    def forward(self, x):
        y = F.gelu(x, approximate=self.approximate)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.gelu_backward(grad_output, x, approximate=self.approximate) if need_input_grad else None

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class SiLU(_Activation):
    """x / (1 + exp(-x)).

    Args:
        inplace: must be False; inputs are never written.

    Example:
        >>> SiLU()(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.SiLU.html
    """

    def __init__(self, inplace=False):
        args.not_inplace(inplace)

    def forward(self, x):
        y = F.silu(x)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.silu_backward(grad_output, x) if need_input_grad else None


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)).

    Example:
        >>> Sigmoid()(np.zeros(1))
        array([0.5])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html
    """

    def forward(self, x):
        y = F.sigmoid(x)
        self._keep(y)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (y,) = self._kept()
        return F.sigmoid_backward(grad_output, y) if need_input_grad else None


class Tanh(_Activation):
    """The hyperbolic tangent.

    Example:
        >>> Tanh()(np.zeros(1))
        array([0.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Tanh.html
    """

    def forward(self, x):
        y = F.tanh(x)
        self._keep(y)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (y,) = self._kept()
        return F.tanh_backward(grad_output, y) if need_input_grad else None
