"""Locally connected layers: between a convolution, whose weights are shared, and a dense layer."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn import untie
from fastconv.nn.parametric import Parametric


class _LocallyConnected(Parametric):
    """What both ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        input_size,
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
        self.kernel_size = args.extents(kernel_size, "kernel_size", self._rank, 1)
        self.input_size = args.extents(input_size, "input_size", self._rank, 1)
        self.stride = args.extents(stride, "stride", self._rank, 1)
        self.dilation = args.extents(dilation, "dilation", self._rank, 1)
        self.padding = args.conv_padding(padding, self.stride)
        self.groups = args.groups(groups, self.in_channels, self.out_channels)
        self._options = self.stride, self.padding, self.dilation, self.groups
        filters = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        result, _ = self._shape((self.in_channels, *self.input_size), filters, *self._options)
        super().__init__((*filters, *result[1:]), bias, init, seed, dtype, result, filters)

    def forward(self, x):
        arrays = self._drawn()
        y = self._function(x, arrays["weight"], arrays.get("bias"), *self._options)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        grad_input, grad_weight, grad_bias = self._derivative(
            grad_output, x, self.weight, *self._options, self._output_mask(need_input_grad)
        )
        self._keep_gradients(grad_weight, grad_bias)
        return grad_input

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return args.local(self._rank, sizes, self._shapes["weight"], *self._options)[0]

    def to_dense(self):
        """The dense layer that computes the same: every output from every input, most of its weights zeros.

        It maps flattened images to flattened outputs: ``dense(x.reshape(N, -1)).reshape(local(x).shape)``.

        Returns:
            A Linear with a copy of the weights.

        Raises:
            ValueError: weights of more than 2 GiB.

        Example:
            >>> LocallyConnected2d(1, 6, 5, 28, padding=2).to_dense()
            Linear(in_features=784, out_features=4704, bias=True)

        Source: "Dive into Deep Learning", section 7.1
        """
        return untie.dense(self, (self.in_channels, *self.input_size), is_shared=False)

    def geometry(self, sizes):
        """(stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups), a line being an image of one row."""
        filters = self._shapes["weight"][: 2 + self._rank]
        return self._shape(sizes, filters, *self._options)[1]

    def extra_repr(self):
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, input_size={self.input_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * self._rank:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._rank:
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if "bias" in self._shapes else text + ", bias=False"


class LocallyConnected1d(_LocallyConnected):
    """A convolution of signals of one length, with weights of its own for each output pixel: weight (out_channels,
    in_channels / groups, K, OL), bias (out_channels, OL).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.locally_connected1d takes them.
        input_size: the length of the signals.
        bias: whether there is a bias.
        init: "torch" (uniform within 1 / sqrt(fan_in), as for a convolution) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.locally_connected1d.

    Example:
        >>> LocallyConnected1d(1, 6, 5, 100).parameter_shapes()
        {'weight': (6, 1, 5, 96), 'bias': (6, 96)}

    Source: "Dive into Deep Learning", section 7.1 (a convolution before its weights are shared)
    """

    _rank = 1
    _function = staticmethod(F.locally_connected1d)
    _derivative = staticmethod(F.locally_connected1d_backward)
    _shape = staticmethod(args.conv1d)


class LocallyConnected2d(_LocallyConnected):
    """A convolution of images of one size, with weights of its own for each output pixel: weight (out_channels,
    in_channels / groups, KH, KW, OH, OW), bias (out_channels, OH, OW).

    Args:
        in_channels, out_channels: integers of at least 1.
        kernel_size, stride, padding, dilation, groups: as functional.locally_connected2d takes them.
        input_size: an integer or a pair (H, W), the size of the images.
        bias: whether there is a bias.
        init: "torch" (uniform within 1 / sqrt(fan_in), as for a convolution) or "xavier" (bias zero).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.locally_connected2d.

    Example:
        >>> LocallyConnected2d(1, 6, 5, 28, padding=2).parameter_shapes()
        {'weight': (6, 1, 5, 5, 28, 28), 'bias': (6, 28, 28)}

    Source: "Dive into Deep Learning", section 7.1 (a convolution before its weights are shared)
    """

    _rank = 2
    _function = staticmethod(F.locally_connected2d)
    _derivative = staticmethod(F.locally_connected2d_backward)
    _shape = staticmethod(args.conv2d)
