"""Pooling layers to a given size of the output."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _AdaptiveMaxPool(Layer):
    """What the maxima of all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(self, output_size, return_indices=False):
        self.output_size = args.adaptive_size(output_size, self._rank)
        self.return_indices = args.flag(return_indices, "return_indices")

    def forward(self, x):
        x = args.floats(x, "input")
        if not (self.training or self.return_indices):
            self._keep()
            return self._function(x, self.output_size)
        y, indices = self._function(x, self.output_size, True)
        self._keep(indices, x.shape)
        return (y, indices) if self.return_indices else y

    def backward(self, grad_output, need_input_grad=True):
        indices, input_shape = self._kept()
        return self._derivative(grad_output, indices, input_shape) if need_input_grad else None

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return args.adaptive(sizes, self.output_size, self._rank)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(Layer):
    """What the means of all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(self, output_size):
        self.output_size = args.adaptive_size(output_size, self._rank)

    def forward(self, x):
        x = args.floats(x, "input")
        y = self._function(x, self.output_size)
        self._keep(x.shape, y.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        input_shape, output_shape = self._kept()
        if not need_input_grad:
            return None
        gradient = args.floats(grad_output, "grad_output")
        args.same_shape(gradient, "grad_output", output_shape, "the forward's output")
        return self._derivative(gradient, input_shape)

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return args.adaptive(sizes, self.output_size, self._rank)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maximum of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer or a tuple of one.
        return_indices: whether forward gives (output, indices); backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.adaptive_max_pool1d.

    Example:
        >>> AdaptiveMaxPool1d(5).output_shape((6, 28))
        (6, 5)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool1d.html
    """

    _rank = 1
    _function = staticmethod(F.adaptive_max_pool1d)
    _derivative = staticmethod(F.adaptive_max_pool1d_backward)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maximum of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer, or 2 of them in a tuple; None keeps the input's size.
        return_indices: whether forward gives (output, indices); backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.adaptive_max_pool2d.

    Example:
        >>> AdaptiveMaxPool2d((5, None)).output_shape((6, 28, 28))
        (6, 5, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html
    """

    _rank = 2
    _function = staticmethod(F.adaptive_max_pool2d)
    _derivative = staticmethod(F.adaptive_max_pool2d_backward)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maximum of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer, or 3 of them in a tuple; None keeps the input's size.
        return_indices: whether forward gives (output, indices); backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.adaptive_max_pool3d.

    Example:
        >>> AdaptiveMaxPool3d(5).output_shape((6, 8, 28, 28))
        (6, 5, 5, 5)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool3d.html
    """

    _rank = 3
    _function = staticmethod(F.adaptive_max_pool3d)
    _derivative = staticmethod(F.adaptive_max_pool3d_backward)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer or a tuple of one.

    Raises:
        TypeError, ValueError: as functional.adaptive_avg_pool1d.

    Example:
        >>> AdaptiveAvgPool1d(5).output_shape((6, 28))
        (6, 5)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html
    """

    _rank = 1
    _function = staticmethod(F.adaptive_avg_pool1d)
    _derivative = staticmethod(F.adaptive_avg_pool1d_backward)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer, or 2 of them in a tuple; None keeps the input's size.

    Raises:
        TypeError, ValueError: as functional.adaptive_avg_pool2d.

    Example:
        >>> AdaptiveAvgPool2d((5, None)).output_shape((6, 28, 28))
        (6, 5, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
    """

    _rank = 2
    _function = staticmethod(F.adaptive_avg_pool2d)
    _derivative = staticmethod(F.adaptive_avg_pool2d_backward)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean of each of so many windows, which cover the input evenly.

    Args:
        output_size: an integer, or 3 of them in a tuple; None keeps the input's size.

    Raises:
        TypeError, ValueError: as functional.adaptive_avg_pool3d.

    Example:
        >>> AdaptiveAvgPool3d(5).output_shape((6, 8, 28, 28))
        (6, 5, 5, 5)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool3d.html
    """

    _rank = 3
    _function = staticmethod(F.adaptive_avg_pool3d)
    _derivative = staticmethod(F.adaptive_avg_pool3d_backward)
