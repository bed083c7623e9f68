"""Normalisation layers whose statistics are those of each image alone."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer
from fastconv.nn.parametric import Affine


class LayerNorm(Affine):
    """The last axes of each image to mean 0 and variance 1, then times the weight plus the bias.

    Args:
        normalized_shape: the sizes of those axes: an integer or a tuple.
        eps: what is added to the variance.
        elementwise_affine: whether there is a weight (ones at first), of normalized_shape.
        bias: whether there is a bias (zeros at first) beside the weight.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.layer_norm.

    Example:
        >>> LayerNorm(120).output_shape((7, 120))
        (7, 120)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, *, dtype=np.float32):
        if not isinstance(normalized_shape, (tuple, list)):
            normalized_shape = (args.integer(normalized_shape, "normalized_shape", 1),)
        self.normalized_shape = args.shape(normalized_shape, "normalized_shape", None, 1)
        self.eps = args.number(eps, "eps")
        self.elementwise_affine = args.flag(elementwise_affine, "elementwise_affine")
        super().__init__(self.normalized_shape, self.elementwise_affine, bias, dtype)

    def forward(self, x):
        y, *statistics = F.layer_norm(
            x, self.normalized_shape, self.weight, self.bias, self.eps, return_statistics=True
        )
        self._keep(x, *statistics)
        return y

    def backward(self, grad_output, need_input_grad=True):
        x, mean, rstd = self._kept()
        mask = self._output_mask(need_input_grad)
        grad_input, *gradients = F.layer_norm_backward(
            grad_output, x, self.normalized_shape, self.weight, self.eps, mask, mean=mean, rstd=rstd
        )
        self._keep_gradients(*gradients)
        return grad_input

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", None)
        if sizes[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ValueError(f"input_shape must end with normalized_shape={self.normalized_shape}, got {sizes}")
        return sizes

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={'bias' in self._shapes}"
        )


class GroupNorm(Affine):
    """Each group of channels of each image to mean 0 and variance 1, then times the channel's weight plus its bias.

    Args:
        num_groups: a divisor of num_channels.
        num_channels: the number of channels.
        eps: what is added to the variance.
        affine: whether there are a weight (ones at first) and a bias (zeros).
        bias: False leaves the bias out.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.group_norm.

    Example:
        >>> GroupNorm(4, 16).output_shape((16, 28, 28))
        (16, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, *, bias=True, dtype=np.float32):
        self.num_groups = args.integer(num_groups, "num_groups", 1)
        self.num_channels = args.integer(num_channels, "num_channels", 1)
        if self.num_channels % self.num_groups:
            raise ValueError(f"num_groups must divide num_channels (={num_channels}), got num_groups={num_groups}")
        self.eps = args.number(eps, "eps")
        self.affine = args.flag(affine, "affine")
        super().__init__((self.num_channels,), self.affine, bias, dtype)

    def forward(self, x):
        x = args.floats(x, "input")
        args.channels_of(x.shape, 1, self.num_channels, "input", "num_channels")
        y, mean, rstd = F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps, return_statistics=True)
        self._keep(x, mean, rstd)
        return y

    def backward(self, grad_output, need_input_grad=True):
        x, mean, rstd = self._kept()
        mask = self._output_mask(need_input_grad)
        grad_input, *gradients = F.group_norm_backward(
            grad_output, x, self.num_groups, self.weight, self.eps, mask, mean=mean, rstd=rstd
        )
        self._keep_gradients(*gradients)
        return grad_input

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", None)
        args.channels_of(sizes, 0, self.num_channels, "input_shape", "num_channels")
        return sizes

    def extra_repr(self):
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={'bias' in self._shapes}"
        )


class LocalResponseNorm(Layer):
    """Each pixel over a power of the squares of its neighbours among the channels.

    Args:
        size, alpha, beta, k: as functional.local_response_norm takes them.

    Raises:
        TypeError, ValueError: as functional.local_response_norm.

    Example:
        >>> LocalResponseNorm(5).output_shape((96, 55, 55))
        (96, 55, 55)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.LocalResponseNorm.html
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        self.size = args.integer(size, "size", 1)
        self.alpha, self.beta, self.k = args.number(alpha, "alpha"), args.number(beta, "beta"), args.number(k, "k")
        self._options = self.size, self.alpha, self.beta, self.k

    def forward(self, x):
        y = F.local_response_norm(x, *self._options)
        self._keep(x)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (x,) = self._kept()
        return F.local_response_norm_backward(grad_output, x, *self._options) if need_input_grad else None

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", None)
        if len(sizes) < 2:
            raise ValueError(f"input_shape must have at least 2 entries, got input_shape={sizes}")
        return sizes

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
