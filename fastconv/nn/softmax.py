"""Softmax layers."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _Softmax(Layer):
    """What both share."""

    def __init__(self, dim=None):
        self.dim = None if dim is None else args.integer(dim, "dim")

    def _axis(self, ndim):
        """torch's choice where none is given: the channels of a batch, the first axis of what may be without one."""
        if self.dim is None:
            return 0 if ndim in (0, 1, 3) else 1
        return self.dim

    def forward(self, x):
        x = args.floats(x, "input")
        y = self._function(x, self._axis(x.ndim))
        self._keep(y)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (y,) = self._kept()
        return self._derivative(grad_output, y, self._axis(y.ndim)) if need_input_grad else None

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", None)
        args.axis(self._axis(len(sizes) + 1), "dim", len(sizes) + 1, (1, *sizes))
        return sizes

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(_Softmax):
    """exp(x) over its sum along an axis.

    Args:
        dim: the axis, the batch being axis 0; None: axis 0 of 1 or 3 dimensions, else axis 1.

    Raises:
        TypeError, ValueError: as functional.softmax.

    Example:
        >>> Softmax(1)(np.zeros((1, 4)))
        array([[0.25, 0.25, 0.25, 0.25]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Softmax.html
    """

    _function = staticmethod(F.softmax)
    _derivative = staticmethod(F.softmax_backward)


class LogSoftmax(_Softmax):
    """The logarithm of softmax, computed without its underflow.

    Args:
        dim: the axis, the batch being axis 0; None: axis 0 of 1 or 3 dimensions, else axis 1.

    Raises:
        TypeError, ValueError: as functional.log_softmax.

    Example:
        >>> np.exp(LogSoftmax(1)(np.zeros((1, 2))))
        array([[0.5, 0.5]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html
    """

    _function = staticmethod(F.log_softmax)
    _derivative = staticmethod(F.log_softmax_backward)
