"""The layer that does nothing."""

from fastconv import _arguments as args
from fastconv.nn.layer import Layer


class Identity(Layer):
    """x itself; arguments are taken and ignored, so that it stands in for any layer.

    Example:
        >>> Identity()(np.ones(2))
        array([1., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Identity.html
    """

    def __init__(self, *_, **__):
        pass

    def forward(self, x):
        x = args.floats(x, "input")
        self._keep(x.shape)
        return x

    def backward(self, grad_output, need_input_grad=True):
        (sizes,) = self._kept()
        if not need_input_grad:
            return None
        grad_output = args.floats(grad_output, "grad_output")
        args.same_shape(grad_output, "grad_output", sizes, "the forward's output")
        return grad_output

    def output_shape(self, input_shape):
        """input_shape itself."""
        return args.shape(input_shape, "input_shape", None)
