"""The activation with a weight."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.parametric import Affine


class PReLU(Affine):
    """x where it is positive, else weight * x, the weight being one number or one a channel.

    Args:
        num_parameters: 1, or the number of channels.
        init: the weight at first.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.prelu.

    Example:
        >>> PReLU(dtype=np.float64)(np.array([-1.0, 2.0]))
        array([-0.25,  2.  ])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.PReLU.html
    """

    def __init__(self, num_parameters=1, init=0.25, *, dtype=np.float32):
        self.num_parameters = args.integer(num_parameters, "num_parameters", 1)
        self.init = args.number(init, "init")
        super().__init__((self.num_parameters,), True, False, dtype)

    def _draw(self, generator):
        return {"weight": np.full(self._shapes["weight"], self.init, self.dtype)}

    def forward(self, x):
        y = F.prelu(x, self.weight)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        grad_input, grad_weight = F.prelu_backward(grad_output, x, self.weight, (need_input_grad, True))
        self._keep_gradients(grad_weight)
        return grad_input

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", None)
        if self.num_parameters > 1:
            args.channels_of(sizes, 0, self.num_parameters, "input_shape", "num_parameters")
        return sizes

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"
