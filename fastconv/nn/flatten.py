"""The layers between images and dense layers, and back."""

from fastconv import _arguments as args
from fastconv.nn.layer import Layer


class Flatten(Layer):
    """Makes one axis of the axes start_dim to end_dim, the batch being axis 0. The result is a view where it can be.

    Raises:
        TypeError: axes that are no integers.
        ValueError: axes that the input does not have, or in the wrong order.

    Example:
        >>> Flatten().output_shape((16, 5, 5))
        (400,)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html
    """

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim = args.integer(start_dim, "start_dim")
        self.end_dim = args.integer(end_dim, "end_dim")

    def forward(self, x):
        x = args.floats(x, "input")
        self._keep(x.shape)
        return x.reshape(args.flatten(x.shape, self.start_dim, self.end_dim))

    def backward(self, grad_output, need_input_grad=True):
        (sizes,) = self._kept()
        if not need_input_grad:
            return None
        grad_output = args.floats(grad_output, "grad_output")
        expected = args.flatten(sizes, self.start_dim, self.end_dim)
        args.same_shape(grad_output, "grad_output", expected, "the forward's output")
        return grad_output.reshape(sizes)

    def output_shape(self, input_shape):
        """The shape without the batch, for an input's shape without it."""
        sizes = args.shape(input_shape, "input_shape", None)
        return args.flatten_without_batch(sizes, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Layer):
    """Makes several axes of the axis dim, the batch being axis 0. The result is a view where it can be.

    Args:
        dim: the axis.
        unflattened_size: their sizes, whose product is the axis's; one may be -1, for what is left.

    Raises:
        TypeError: a dim or sizes that are no integers.
        ValueError: an axis that the input does not have, or sizes that do not multiply to its size.

    Example:
        >>> Unflatten(1, (16, 5, 5)).output_shape((400,))
        (16, 5, 5)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Unflatten.html
    """

    def __init__(self, dim, unflattened_size):
        self.dim = args.integer(dim, "dim")
        self.unflattened_size = args.shape(unflattened_size, "unflattened_size", None, -1)

    def forward(self, x):
        x = args.floats(x, "input")
        y = x.reshape(args.unflattened(x.shape, self.dim, self.unflattened_size))
        self._keep(x.shape, y.shape)
        return y

    def backward(self, grad_output, need_input_grad=True):
        sizes, expected = self._kept()
        if not need_input_grad:
            return None
        grad_output = args.floats(grad_output, "grad_output")
        args.same_shape(grad_output, "grad_output", expected, "the forward's output")
        return grad_output.reshape(sizes)

    def output_shape(self, input_shape):
        """The shape without the batch, for an input's shape without it."""
        sizes = (1, *args.shape(input_shape, "input_shape", None))
        if args.axis(self.dim, "dim", len(sizes), sizes) == 0:
            raise ValueError(f"dim must come after the batch, axis 0, got dim={self.dim} for shape {sizes}")
        return args.unflattened(sizes, self.dim, self.unflattened_size)[1:]

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
