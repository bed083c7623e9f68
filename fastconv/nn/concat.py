"""Branches side by side."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer, check_layers, repeated


class Concat(Layer):
    """What several branches make of the same input, one behind the other along an axis: an Inception block.

    Keys of states are "0.weight", "1.0.weight", ...: the branch's number, then the branch's key.

    Args:
        branches: layers or containers, at least one.
        dim: the axis of the outputs (the batch being axis 0) along which they are joined; 1: the channels.
        seed: an integer, from which every layer without a seed of its own gets a stream of its own; or None.

    Raises:
        TypeError: something that is no layer, a dim that is no integer.
        ValueError: no branch; by forward and output_shape, where the branches' shapes differ in another axis than dim.

    Example:
        >>> block = Concat(Conv2d(8, 4, 1), Conv2d(8, 6, 3, padding=1), MaxPool2d(3, 1, 1), seed=0)
        >>> block.output_shape((8, 14, 14))
        (18, 14, 14)

    Source: Szegedy et al., "Going Deeper with Convolutions", 2014, section 4
    """

    def __init__(self, *branches, dim=1, seed=None):
        check_layers(branches, "branches")
        if not branches:
            raise ValueError("branches must hold at least one layer, got none")
        self.branches = branches
        self.dim = args.integer(dim, "dim")
        self._seed(seed)
        self._repeated = repeated(self)

    def children(self):
        return [(str(position), branch) for position, branch in enumerate(self.branches)]

    def forward(self, x):
        parts = [branch.forward(x) for branch in self.branches]
        axis = self._joined([part.shape for part in parts])[0]
        self._keep([part.shape[axis] for part in parts])
        return F.cat(parts, axis)

    def backward(self, grad_output, need_input_grad=True):
        if self._repeated is not None:
            raise ValueError(
                f"{self._repeated} stands twice in this Concat, so it keeps the input of its last place only: "
                f"backward needs a layer object for each place"
            )
        (sizes,) = self._kept()
        total = None
        for branch, part in zip(self.branches, F.cat_backward(grad_output, sizes, self.dim), strict=True):
            gradient = branch.backward(part, need_input_grad)
            if need_input_grad:
                total = gradient if total is None else F.add(total, gradient)
        return total

    def output_shape(self, input_shape):
        """The shape without the batch that comes out."""
        sizes = args.shape(input_shape, "input_shape", None)
        return self._joined([(1, *branch.output_shape(sizes)) for branch in self.branches])[1][1:]

    def extra_repr(self):
        return f"dim={self.dim}"

    def _joined(self, shapes):
        """The axis, counted from the front, and the whole shape; shapes count the batch."""
        axis, whole = args.cat(shapes, self.dim, "branches")
        if axis == 0:
            raise ValueError(f"dim must not be the batch, axis 0, got dim={self.dim} for shape {shapes[0]}")
        return axis, whole
