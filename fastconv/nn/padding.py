"""Padding layers: they differ in the number of axes and in what the padding holds."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class _Pad(Layer):
    """What all share; `_rank` is the number of axes behind the channels."""

    value = None

    def __init__(self, padding):
        self.padding = args.pad_sides(padding, self._rank)

    def forward(self, x):
        x = args.floats(x, "input")
        y = F.pad(x, self.padding, self._mode, self.value)
        self._keep(x.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        (input_shape,) = self._kept()
        if not need_input_grad:
            return None
        return F.pad_backward(grad_output, input_shape, self.padding, self._mode, self.value)

    def output_shape(self, input_shape):
        """The output's shape for an input's, both without the batch."""
        sizes = args.shape(input_shape, "input_shape", (self._rank + 1,))
        return args.pad(sizes, self.padding, self._mode, self.value, "input_shape")[0]

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = args.number(value, "value")

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads signals with one number.

    Args:
        padding: an integer for all sides, or (left, right); negative numbers crop.
        value: the number.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ConstantPad1d((1, 2), 0.5).output_shape((3, 10))
        (3, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad1d.html
    """

    _rank = 1


class ConstantPad2d(_ConstantPad):
    """Pads images with one number.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom); negative numbers crop.
        value: the number.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ConstantPad2d((1, 2, 0, 0), 0.5).output_shape((3, 10, 10))
        (3, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad2d.html
    """

    _rank = 2


class ConstantPad3d(_ConstantPad):
    """Pads volumes with one number.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom, front, back); negative numbers crop.
        value: the number.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ConstantPad3d((1, 2, 0, 0, 0, 0), 0.5).output_shape((3, 10, 10, 10))
        (3, 10, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ConstantPad3d.html
    """

    _rank = 3


class ZeroPad1d(_Pad):
    """Pads signals with zeros.

    Args:
        padding: an integer for all sides, or (left, right); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ZeroPad1d((1, 2)).output_shape((3, 10))
        (3, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad1d.html
    """

    _rank = 1
    _mode = "constant"


class ZeroPad2d(_Pad):
    """Pads images with zeros.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ZeroPad2d((1, 2, 0, 0)).output_shape((3, 10, 10))
        (3, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html
    """

    _rank = 2
    _mode = "constant"


class ZeroPad3d(_Pad):
    """Pads volumes with zeros.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom, front, back); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ZeroPad3d((1, 2, 0, 0, 0, 0)).output_shape((3, 10, 10, 10))
        (3, 10, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ZeroPad3d.html
    """

    _rank = 3
    _mode = "constant"


class ReflectionPad1d(_Pad):
    """Pads signals with the image mirrored at its border, which is not repeated.

    Args:
        padding: an integer for all sides, or (left, right); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReflectionPad1d((1, 2)).output_shape((3, 10))
        (3, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad1d.html
    """

    _rank = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pads images with the image mirrored at its border, which is not repeated.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReflectionPad2d((1, 2, 0, 0)).output_shape((3, 10, 10))
        (3, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad2d.html
    """

    _rank = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """Pads volumes with the image mirrored at its border, which is not repeated.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom, front, back); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReflectionPad3d((1, 2, 0, 0, 0, 0)).output_shape((3, 10, 10, 10))
        (3, 10, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReflectionPad3d.html
    """

    _rank = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """Pads signals with the border repeated.

    Args:
        padding: an integer for all sides, or (left, right); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReplicationPad1d((1, 2)).output_shape((3, 10))
        (3, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad1d.html
    """

    _rank = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pads images with the border repeated.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReplicationPad2d((1, 2, 0, 0)).output_shape((3, 10, 10))
        (3, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad2d.html
    """

    _rank = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """Pads volumes with the border repeated.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom, front, back); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> ReplicationPad3d((1, 2, 0, 0, 0, 0)).output_shape((3, 10, 10, 10))
        (3, 10, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.ReplicationPad3d.html
    """

    _rank = 3
    _mode = "replicate"


class CircularPad1d(_Pad):
    """Pads signals with the image from the other side.

    Args:
        padding: an integer for all sides, or (left, right); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> CircularPad1d((1, 2)).output_shape((3, 10))
        (3, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.CircularPad1d.html
    """

    _rank = 1
    _mode = "circular"


class CircularPad2d(_Pad):
    """Pads images with the image from the other side.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> CircularPad2d((1, 2, 0, 0)).output_shape((3, 10, 10))
        (3, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.CircularPad2d.html
    """

    _rank = 2
    _mode = "circular"


class CircularPad3d(_Pad):
    """Pads volumes with the image from the other side.

    Args:
        padding: an integer for all sides, or (left, right, top, bottom, front, back); negative numbers crop.

    Raises:
        TypeError, ValueError: as functional.pad.

    Example:
        >>> CircularPad3d((1, 2, 0, 0, 0, 0)).output_shape((3, 10, 10, 10))
        (3, 10, 10, 13)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.CircularPad3d.html
    """

    _rank = 3
    _mode = "circular"
