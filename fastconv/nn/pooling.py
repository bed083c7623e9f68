"""Pooling layers."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class MaxPool2d(Layer):
    """The maximum of each window.

    Args:
        kernel_size, stride, padding, dilation, ceil_mode: as functional.max_pool2d takes them.

    Raises:
        TypeError, ValueError: as functional.max_pool2d.

    Example:
        >>> MaxPool2d(2).output_shape((6, 28, 28))
        (6, 14, 14)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html
    """

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        self.kernel_size = args.pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else args.pair(stride, "stride", 1)
        self.padding = args.pool_padding(padding, self.kernel_size)
        self.dilation = args.pair(dilation, "dilation", 1)
        self.ceil_mode = args.flag(ceil_mode, "ceil_mode")
        self._options = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        self._text = (  # torch shows the sizes as they were given
            f"kernel_size={kernel_size}, stride={kernel_size if stride is None else stride}, padding={padding}, "
            f"dilation={dilation}, ceil_mode={ceil_mode}"
        )

    def forward(self, x):
        x = args.floats(x, "input")
        if not self.training:
            self._keep()
            return F.max_pool2d(x, *self._options)
        y, indices = F.max_pool2d(x, *self._options, True)
        self._keep(indices, x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        indices, input_shape = self._kept()
        if not need_input_grad:
            return None
        return F.max_pool2d_backward(grad_output, indices, input_shape, *self._options)

    def output_shape(self, input_shape):
        """(C, H, W) of the output for an image (C, H, W)."""
        return args.pool2d(args.shape(input_shape, "input_shape", (3,)), *self._options, "input_shape")[0]

    def extra_repr(self):
        return self._text


class AvgPool2d(Layer):
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

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        self.kernel_size = args.pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else args.pair(stride, "stride", 1)
        self.padding = args.pool_padding(padding, self.kernel_size)
        self.ceil_mode = args.flag(ceil_mode, "ceil_mode")
        self.count_include_pad = args.flag(count_include_pad, "count_include_pad")
        self.divisor_override = args.divisor(divisor_override) or None
        self._options = (
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        self._text = (  # torch shows the sizes as they were given
            f"kernel_size={kernel_size}, stride={kernel_size if stride is None else stride}, padding={padding}"
        )

    def forward(self, x):
        x = args.floats(x, "input")
        y = F.avg_pool2d(x, *self._options)
        self._keep(x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (input_shape,) = self._kept()
        return F.avg_pool2d_backward(grad_output, input_shape, *self._options) if need_input_grad else None

    def output_shape(self, input_shape):
        """(C, H, W) of the output for an image (C, H, W)."""
        sizes = args.shape(input_shape, "input_shape", (3,))
        return args.pool2d(sizes, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode, "input_shape")[0]

    def extra_repr(self):
        return self._text
