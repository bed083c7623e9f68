"""Pooling layers."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _MaxPool(Layer):
    """What the maxima of all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        self.kernel_size = args.extents(kernel_size, "kernel_size", self._rank, 1)
        self.stride = self.kernel_size if stride is None else args.extents(stride, "stride", self._rank, 1)
        self.padding = args.pool_padding(padding, self.kernel_size)
        self.dilation = args.extents(dilation, "dilation", self._rank, 1)
        self.return_indices = args.flag(return_indices, "return_indices")
        self.ceil_mode = args.flag(ceil_mode, "ceil_mode")
        self._options = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        self._text = (  # torch shows the sizes as they were given
            f"kernel_size={kernel_size}, stride={kernel_size if stride is None else stride}, padding={padding}, "
            f"dilation={dilation}, ceil_mode={ceil_mode}"
        )

    def forward(self, x):
        x = args.floats(x, "input")
        if not (self.training or self.return_indices):
            self._keep()
            return self._function(x, *self._options)
        y, indices = self._function(x, *self._options, True)
        self._keep(indices, x.shape)
        return (y, indices) if self.return_indices else y

    def backward(self, grad_output, need_input_grad=True):
        indices, input_shape = self._kept()
        if not need_input_grad:
            return None
        return self._derivative(grad_output, indices, input_shape, *self._options)

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return self._shape(sizes, *self._options, "input_shape")[0]

    def extra_repr(self):
        return self._text


class MaxPool1d(_MaxPool):
    """The maximum of each window of a signal.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as functional.max_pool1d takes them.
        return_indices: whether forward gives (output, indices), for MaxUnpool1d; backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.max_pool1d.

    Example:
        >>> MaxPool1d(2).output_shape((6, 28))
        (6, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html
    """

    _rank = 1
    _function = staticmethod(F.max_pool1d)
    _derivative = staticmethod(F.max_pool1d_backward)
    _shape = staticmethod(args.pool1d)


class MaxPool2d(_MaxPool):
    """The maximum of each window.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as functional.max_pool2d takes them.
        return_indices: whether forward gives (output, indices), for MaxUnpool2d; backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.max_pool2d.

    Example:
        >>> MaxPool2d(2).output_shape((6, 28, 28))
        (6, 14, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    _rank = 2
    _function = staticmethod(F.max_pool2d)
    _derivative = staticmethod(F.max_pool2d_backward)
    _shape = staticmethod(args.pool2d)


class MaxPool3d(_MaxPool):
    """The maximum of each window of a volume.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as functional.max_pool3d takes them.
        return_indices: whether forward gives (output, indices), for MaxUnpool3d; backward takes the output's gradient.

    Raises:
        TypeError, ValueError: as functional.max_pool3d.

    Example:
        >>> MaxPool3d(2).output_shape((6, 8, 28, 28))
        (6, 4, 14, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html
    """

    _rank = 3
    _function = staticmethod(F.max_pool3d)
    _derivative = staticmethod(F.max_pool3d_backward)
    _shape = staticmethod(args.pool3d)


class _AvgPool(Layer):
    """What the means of all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        self.kernel_size = args.extents(kernel_size, "kernel_size", self._rank, 1)
        self.stride = self.kernel_size if stride is None else args.extents(stride, "stride", self._rank, 1)
        self.padding = args.pool_padding(padding, self.kernel_size)
        self.ceil_mode = args.flag(ceil_mode, "ceil_mode")
        self.count_include_pad = args.flag(count_include_pad, "count_include_pad")
        self.divisor_override = args.divisor(divisor_override) or None
        self._options = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        if self._rank > 1:
            self._options += (self.divisor_override,)
        self._text = (  # torch shows the sizes as they were given
            f"kernel_size={kernel_size}, stride={kernel_size if stride is None else stride}, padding={padding}"
        )

    def forward(self, x):
        x = args.floats(x, "input")
        y = self._function(x, *self._options)
        self._keep(x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (input_shape,) = self._kept()
        return self._derivative(grad_output, input_shape, *self._options) if need_input_grad else None

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return self._shape(sizes, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode, "input_shape")[0]

    def extra_repr(self):
        return self._text


class AvgPool1d(_AvgPool):
    """The mean of each window of a signal.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad: as functional.avg_pool1d has them.

    Raises:
        TypeError, ValueError: as functional.avg_pool1d.

    Example:
        >>> AvgPool1d(2).output_shape((6, 28))
        (6, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html
    """

    _rank = 1
    _function = staticmethod(F.avg_pool1d)
    _derivative = staticmethod(F.avg_pool1d_backward)
    _shape = staticmethod(args.pool1d)

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as functional.avg_pool2d has them.

    Raises:
        TypeError, ValueError: as functional.avg_pool2d.

    Example:
        >>> AvgPool2d(2).output_shape((6, 28, 28))
        (6, 14, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html
    """

    _rank = 2
    _function = staticmethod(F.avg_pool2d)
    _derivative = staticmethod(F.avg_pool2d_backward)
    _shape = staticmethod(args.pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of a volume.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as functional.avg_pool3d has them.

    Raises:
        TypeError, ValueError: as functional.avg_pool3d.

    Example:
        >>> AvgPool3d(2).output_shape((6, 8, 28, 28))
        (6, 4, 14, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html
    """

    _rank = 3
    _function = staticmethod(F.avg_pool3d)
    _derivative = staticmethod(F.avg_pool3d_backward)
    _shape = staticmethod(args.pool3d)
