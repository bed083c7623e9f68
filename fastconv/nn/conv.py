"""The convolution layer."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.parametric import Parametric


class Conv2d(Parametric):
    """Convolution with its own weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.conv2d takes them.
        bias: whether there is a bias.
        init: "torch" (uniform within 1 / sqrt(fan_in)) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv2d.

    Example:
        >>> Conv2d(1, 6, 5, padding=2).output_shape((1, 28, 28))
        (6, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        *,
        init="torch",
        seed=None,
        dtype=np.float32,
    ):
        self.in_channels = args.integer(in_channels, "in_channels", 1)
        self.out_channels = args.integer(out_channels, "out_channels", 1)
        self.kernel_size = args.pair(kernel_size, "kernel_size", 1)
        self.stride = args.pair(stride, "stride", 1)
        self.dilation = args.pair(dilation, "dilation", 1)
        self.padding = args.conv_padding(padding, self.stride)
        self.groups = args.groups(groups, self.in_channels, self.out_channels)
        weight_shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        super().__init__(weight_shape, bias, init, seed, dtype)

    def forward(self, x):
        arrays = self._drawn()
        y = F.conv2d(x, arrays["weight"], arrays.get("bias"), self.stride, self.padding, self.dilation, self.groups)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        grad_input, grad_weight, grad_bias = F.conv2d_backward(
            grad_output,
            x,
            self.weight,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self._output_mask(need_input_grad),
        )
        self._keep_gradients(grad_weight, grad_bias)
        return grad_input

    def output_shape(self, input_shape):
        """(C, H, W) of the output for an image (C, H, W)."""
        sizes = args.shape(input_shape, "input_shape", (3,))
        weight_shape = self._shapes["weight"]
        return args.conv2d(sizes, weight_shape, self.stride, self.padding, self.dilation, self.groups)[0]

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if "bias" in self._shapes else text + ", bias=False"
