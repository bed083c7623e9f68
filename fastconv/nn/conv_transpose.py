"""Transposed convolution layers."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.parametric import Parametric


class _ConvTranspose(Parametric):
    """What the transposed convolutions of all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        *,
        init="torch",
        seed=None,
        dtype=np.float32,
    ):
        self.in_channels = args.integer(in_channels, "in_channels", 1)
        self.out_channels = args.integer(out_channels, "out_channels", 1)
        self.kernel_size = args.extents(kernel_size, "kernel_size", self._rank, 1)
        self.stride = args.extents(stride, "stride", self._rank, 1)
        self.padding = args.extents(padding, "padding", self._rank, 0)
        self.output_padding = args.extents(output_padding, "output_padding", self._rank, 0)
        self.dilation = args.extents(dilation, "dilation", self._rank, 1)
        self.groups = args.groups(groups, self.in_channels, self.out_channels)
        self.padding_mode = args.choice(padding_mode, "padding_mode", ("zeros",))
        weight_shape = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        super().__init__(weight_shape, bias, init, seed, dtype, (self.out_channels,))

    def forward(self, x, output_size=None):
        """The output for `x`; output_size: the pixels wanted, (H, W) or a whole shape, in place of output_padding."""
        arrays = self._drawn()
        x = args.floats(x, "input")
        options = self._options(x.shape, output_size)
        y = self._function(x, arrays["weight"], arrays.get("bias"), *options)
        self._keep(x, options)
        return y

    def backward(self, grad_output, need_input_grad=True):
        x, options = self._kept()
        grad_input, grad_weight, grad_bias = self._derivative(
            grad_output, x, self.weight, *options, self._output_mask(need_input_grad)
        )
        self._keep_gradients(grad_weight, grad_bias)
        return grad_input

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return self._shape(sizes, self._shapes["weight"], *self._options(sizes, None))[0]

    def _options(self, sizes, output_size):
        extra = self.output_padding
        if output_size is not None:
            extra = args.transposed_padding(
                output_size, sizes, self.kernel_size, self.stride, self.padding, self.dilation
            )
        return self.stride, self.padding, extra, self.groups, self.dilation

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self._rank:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._rank:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self._rank:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if "bias" in self._shapes else text + ", bias=False"


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of signals with its own weight (in_channels, out_channels / groups, K) and bias
    (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, output_padding, groups, dilation: as functional.conv_transpose1d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros" alone, as in torch.
        init: "torch" (uniform within 1 / sqrt(fan_in), the fan-in being out_channels / groups times the kernel, as
            torch has it) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv_transpose1d.

    Example:
        >>> ConvTranspose1d(6, 1, 4, stride=2, padding=1).output_shape((6, 50))
        (1, 100)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html
    """

    _rank = 1
    _function = staticmethod(F.conv_transpose1d)
    _derivative = staticmethod(F.conv_transpose1d_backward)
    _shape = staticmethod(args.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution with its own weight (in_channels, out_channels / groups, KH, KW) and bias (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, output_padding, groups, dilation: as functional.conv_transpose2d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros" alone, as in torch.
        init: "torch" (uniform within 1 / sqrt(fan_in), the fan-in being out_channels / groups times the kernel, as
            torch has it) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv_transpose2d.

    Example:
        >>> ConvTranspose2d(6, 1, 4, stride=2, padding=1).output_shape((6, 14, 14))
        (1, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html
    """

    _rank = 2
    _function = staticmethod(F.conv_transpose2d)
    _derivative = staticmethod(F.conv_transpose2d_backward)
    _shape = staticmethod(args.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes with its own weight (in_channels, out_channels / groups, KD, KH, KW) and bias
    (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, output_padding, groups, dilation: as functional.conv_transpose3d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros" alone, as in torch.
        init: "torch" (uniform within 1 / sqrt(fan_in), the fan-in being out_channels / groups times the kernel, as
            torch has it) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv_transpose3d.

    Example:
        >>> ConvTranspose3d(6, 1, 4, stride=2, padding=1).output_shape((6, 4, 14, 14))
        (1, 8, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html
    """

    _rank = 3
    _function = staticmethod(F.conv_transpose3d)
    _derivative = staticmethod(F.conv_transpose3d_backward)
    _shape = staticmethod(args.conv_transpose3d)
