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

    Example:
        >>> ReLU()(np.array([-1.0, 2.0]))
        array([0., 2.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReLU.html
    """

    def forward(self, x):
        y = F.relu(x)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.relu_backward(grad_output, x) if need_input_grad else None


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
