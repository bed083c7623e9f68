"""Layers that put the maxima of a pooling layer back where they stood. They take two arrays: not for a Sequential."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _MaxUnpool(Layer):
    """What all ranks share; `_rank` is the number of axes behind the channels."""

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size = args.extents(kernel_size, "kernel_size", self._rank, 1)
        self.stride = self.kernel_size if stride is None else args.extents(stride, "stride", self._rank, 1)
        self.padding = args.extents(padding, "padding", self._rank, 0)
        self._options = self.kernel_size, self.stride, self.padding

    def forward(self, x, indices, output_size=None):
        """The output for `x`, which has zeros but where `indices` point; output_size: as the function takes it."""
        x = args.floats(x, "input")
        y = self._function(x, indices, *self._options, output_size)
        self._keep(indices, x.shape, output_size)
        return y

    def backward(self, grad_output, need_input_grad=True):
        indices, input_shape, output_size = self._kept()
        if not need_input_grad:
            return None
        return self._derivative(grad_output, indices, input_shape, *self._options, output_size)

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch, where no output_size is given."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return args.unpool(sizes, *self._options, None, self._rank, "input_shape")

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of MaxPool1d(..., return_indices=True) back where they stood in the signal, among zeros.

    Called with the pooled array and the indices, and perhaps output_size, the length wanted.

    Args:
        kernel_size, stride, padding: as given to MaxPool1d; stride=None means kernel_size.

    Raises:
        TypeError, ValueError: as functional.max_unpool1d.

    Example:
        >>> y, indices = MaxPool1d(2, return_indices=True)(np.array([[1.0, 3.0, 4.0, 2.0]]))
        >>> MaxUnpool1d(2)(y, indices)
        array([[0., 3., 4., 0.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxUnpool1d.html
    """

    _rank = 1
    _function = staticmethod(F.max_unpool1d)
    _derivative = staticmethod(F.max_unpool1d_backward)


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of MaxPool2d(..., return_indices=True) back where they stood in the image, among zeros.

    Called with the pooled array and the indices, and perhaps output_size, the pixels wanted.

    Args:
        kernel_size, stride, padding: as given to MaxPool2d; stride=None means kernel_size.

    Raises:
        TypeError, ValueError: as functional.max_unpool2d.

    Example:
        >>> MaxUnpool2d(2).output_shape((6, 14, 14))
        (6, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html
    """

    _rank = 2
    _function = staticmethod(F.max_unpool2d)
    _derivative = staticmethod(F.max_unpool2d_backward)


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of MaxPool3d(..., return_indices=True) back where they stood in the volume, among zeros.

    Called with the pooled array and the indices, and perhaps output_size, the voxels wanted.

    Args:
        kernel_size, stride, padding: as given to MaxPool3d; stride=None means kernel_size.

    Raises:
        TypeError, ValueError: as functional.max_unpool3d.

    Example:
        >>> MaxUnpool3d(2).output_shape((6, 4, 14, 14))
        (6, 8, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.MaxUnpool3d.html
    """

    _rank = 3
    _function = staticmethod(F.max_unpool3d)
    _derivative = staticmethod(F.max_unpool3d_backward)
