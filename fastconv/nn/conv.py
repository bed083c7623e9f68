"""Convolution layers."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn import untie
from fastconv.nn.local import LocallyConnected1d, LocallyConnected2d
from fastconv.nn.parametric import Parametric


class _Conv(Parametric):
    """What the convolutions of all ranks share; `_rank` is the number of axes behind the channels."""

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
        self.dilation = args.extents(dilation, "dilation", self._rank, 1)
        self.padding = args.conv_padding(padding, self.stride)
        self.groups = args.groups(groups, self.in_channels, self.out_channels)
        self.padding_mode = args.choice(padding_mode, "padding_mode", ("zeros", "reflect", "replicate", "circular"))
        self._sides = None  # where the padding is not zeros: of the pad that comes before the convolution
        if self.padding_mode != "zeros":
            self._sides = args.conv_sides(self.padding, self.kernel_size, self.dilation)
        inside = self.padding if self._sides is None else 0
        self._options = self.stride, inside, self.dilation, self.groups
        weight_shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        super().__init__(weight_shape, bias, init, seed, dtype)

    def forward(self, x):
        arrays = self._drawn()
        x = args.floats(x, "input")
        padded = x if self._sides is None else F.pad(x, self._sides, self.padding_mode)
        y = self._function(padded, arrays["weight"], arrays.get("bias"), *self._options)
        self._keep(padded, x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        padded, input_shape = self._kept()
        grad_input, grad_weight, grad_bias = self._derivative(
            grad_output, padded, self.weight, *self._options, self._output_mask(need_input_grad)
        )
        self._keep_gradients(grad_weight, grad_bias)
        if self._sides is not None and need_input_grad:
            grad_input = F.pad_backward(grad_input, input_shape, self._sides, self.padding_mode)
        return grad_input

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        if self._sides is not None:
            sizes = args.pad(sizes, self._sides, self.padding_mode, None, "input_shape")[0]
        return self._shape(sizes, self._shapes["weight"], *self._options)[0]

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self._rank:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._rank:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if "bias" not in self._shapes:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else text + f", padding_mode={self.padding_mode}"


class _Untied(_Conv):
    """Of the ranks that have a locally connected layer, `_local`; what they share, and the others do not."""

    def untie(self, input_shape=None):
        """The locally connected layer that computes the same: at each output the same weights, but its own.

        Args:
            input_shape: that of one image, without the batch; None: that of the last forward in training mode.

        Returns:
            A LocallyConnected1d or LocallyConnected2d with a copy of the weights at each output.

        Raises:
            TypeError, ValueError: a shape that the layer does not take, none at all, a padding that is not zeros,
                weights of more than 2 GiB.

        Example:
            >>> Conv2d(1, 6, 5, padding=2).untie((1, 28, 28)).parameter_shapes()
            {'weight': (6, 1, 5, 5, 28, 28), 'bias': (6, 28, 28)}

        Source: "Dive into Deep Learning", section 7.1
        """
        return untie.untied(self, self._local, input_shape)

    def to_dense(self, input_shape=None):
        """The dense layer that computes the same: every output from every input, most of its weights zeros.

        It maps flattened images to flattened outputs: ``dense(x.reshape(N, -1)).reshape(conv(x).shape)``.

        Args:
            input_shape: that of one image, without the batch; None: that of the last forward in training mode.

        Returns:
            A Linear with a copy of the weights.

        Raises:
            TypeError, ValueError: a shape that the layer does not take, none at all, a padding that is not zeros,
                weights of more than 2 GiB.

        Example:
            >>> Conv2d(1, 6, 5, padding=2).to_dense((1, 28, 28))
            Linear(in_features=784, out_features=4704, bias=True)

        Source: "Dive into Deep Learning", section 7.1
        """
        return untie.dense(self, input_shape, is_shared=True)

    def geometry(self, sizes):
        """(stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups), a line being an image of one row."""
        return self._shape(sizes, self._shapes["weight"], *self._options)[1]

    def seen_shape(self):
        """The shape without the batch of what the last forward in training mode was given, or None."""
        return None if self._saved is None else self._saved[1][-1 - self._rank :]


class Conv1d(_Untied):
    """Convolution of signals with its own weight (out_channels, in_channels / groups, K) and bias (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.conv1d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular": what the padding holds.
        init: "torch" (uniform within 1 / sqrt(fan_in)) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv1d.

    Example:
        >>> Conv1d(1, 6, 5, padding=2).output_shape((1, 100))
        (6, 100)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html
    """

    _rank = 1
    _local = LocallyConnected1d
    _function = staticmethod(F.conv1d)
    _derivative = staticmethod(F.conv1d_backward)
    _shape = staticmethod(args.conv1d)


class Conv2d(_Untied):
    """Convolution with its own weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.conv2d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular": what the padding holds.
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

    _rank = 2
    _local = LocallyConnected2d
    _function = staticmethod(F.conv2d)
    _derivative = staticmethod(F.conv2d_backward)
    _shape = staticmethod(args.conv2d)


class Conv3d(_Conv):
    """Convolution of volumes with its own weight (out_channels, in_channels / groups, KD, KH, KW) and bias
    (out_channels,).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.conv3d takes them.
        bias: whether there is a bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular": what the padding holds.
        init: "torch" (uniform within 1 / sqrt(fan_in)) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.conv3d.

    Example:
        >>> Conv3d(1, 6, 3, padding=1).output_shape((1, 8, 28, 28))
        (6, 8, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html
    """

    _rank = 3
    _function = staticmethod(F.conv3d)
    _derivative = staticmethod(F.conv3d_backward)
    _shape = staticmethod(args.conv3d)
