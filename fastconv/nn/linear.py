"""The dense layer."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.parametric import Parametric


class Linear(Parametric):
    """Every output from every input: weight (out_features, in_features), bias (out_features,).

    Args:
        in_features, out_features: integers of at least 1.
        bias: whether there is a bias.
        init: "torch" (uniform within 1 / sqrt(in_features)) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.linear.

    Example:
        >>> Linear(400, 120).output_shape((400,))
        (120,)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """

    def __init__(self, in_features, out_features, bias=True, *, init="torch", seed=None, dtype=np.float32):
        self.in_features = args.integer(in_features, "in_features", 1)
        self.out_features = args.integer(out_features, "out_features", 1)
        super().__init__((self.out_features, self.in_features), bias, init, seed, dtype)

    def forward(self, x):
        arrays = self._drawn()
        y = F.linear(x, arrays["weight"], arrays.get("bias"))
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        grad_input, grad_weight, grad_bias = F.linear_backward(
            grad_output, x, self.weight, self._output_mask(need_input_grad)
        )
        self._keep_gradients(grad_weight, grad_bias)
        return grad_input

    def output_shape(self, input_shape):
        """(..., out_features) for (..., in_features)."""
        return args.linear(args.shape(input_shape, "input_shape", None), self._shapes["weight"])[0]

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={'bias' in self._shapes}"
