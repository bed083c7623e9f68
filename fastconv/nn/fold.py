"""Layers between images and the columns of their windows."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class Unfold(Layer):
    """The windows of each image as columns of a matrix.

    Args:
        kernel_size, dilation, padding, stride: as functional.unfold takes them.

    Raises:
        TypeError, ValueError: as functional.unfold.

    Example:
        >>> Unfold(3, padding=1).output_shape((2, 8, 8))
        (18, 64)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Unfold.html
    """

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        self.kernel_size = args.window(kernel_size, "kernel_size", 1)
        self.dilation = args.window(dilation, "dilation", 1)
        self.padding = args.window(padding, "padding", 0)
        self.stride = args.window(stride, "stride", 1)
        self._options = self.kernel_size, self.dilation, self.padding, self.stride

    def forward(self, x):
        x = args.floats(x, "input")
        y = F.unfold(x, *self._options)
        self._keep(x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (input_shape,) = self._kept()
        return F.unfold_backward(grad_output, input_shape, *self._options) if need_input_grad else None

    def output_shape(self, input_shape):
        """(C * KH * KW, L) for an image (C, H, W)."""
        sizes = args.shape(input_shape, "input_shape", (3,))
        _, C, KH, KW, OH, OW = args.unfold(sizes, *self._options, "input_shape")[0]
        return C * KH * KW, OH * OW

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Layer):
    """Adds columns back into images, each value to the pixel it came from.

    Args:
        output_size: the image's (H, W), or an integer for both.
        kernel_size, dilation, padding, stride: as given to Unfold.

    Raises:
        TypeError, ValueError: as functional.fold.

    Example:
        >>> Fold(8, 3, padding=1).output_shape((18, 64))
        (2, 8, 8)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Fold.html
    """

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        self.output_size = args.window(output_size, "output_size", 1)
        self.kernel_size = args.window(kernel_size, "kernel_size", 1)
        self.dilation = args.window(dilation, "dilation", 1)
        self.padding = args.window(padding, "padding", 0)
        self.stride = args.window(stride, "stride", 1)
        self._options = self.output_size, self.kernel_size, self.dilation, self.padding, self.stride

    def forward(self, x):
        x = args.floats(x, "input")
        y = F.fold(x, *self._options)
        self._keep(y.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (output_shape,) = self._kept()
        if not need_input_grad:
            return None
        gradient = args.floats(grad_output, "grad_output")
        args.same_shape(gradient, "grad_output", output_shape, "the forward's output")
        return F.fold_backward(gradient, *self._options)

    def output_shape(self, input_shape):
        """(C, H, W) for columns (C * KH * KW, L)."""
        sizes = args.shape(input_shape, "input_shape", (2,))
        return args.fold(sizes, *self._options)[0][1:]

    def extra_repr(self):
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
