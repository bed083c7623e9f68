"""A branch and a shortcut around it."""

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer, check_layers, repeated
from fastconv.nn.sequential import Sequential


class Residual(Layer):
    """main(x) + shortcut(x): what a residual block is, before its last activation.

    Keys of states are "main.0.weight", ... (the branch being a Sequential) and "shortcut.weight", ...

    Args:
        main: the layers of the branch, in order.
        shortcut: the layer or container beside it; None: x itself.
        seed: an integer, from which every layer without a seed of its own gets a stream of its own; or None.

    Raises:
        TypeError: something that is no layer.
        ValueError: by forward and output_shape, where branch and shortcut give different shapes.

    Example:
        >>> block = Residual(Conv2d(8, 8, 3, padding=1), ReLU(), Conv2d(8, 8, 3, padding=1), seed=0)
        >>> block.output_shape((8, 14, 14))
        (8, 14, 14)

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, section 3.2
    """

    def __init__(self, *main, shortcut=None, seed=None):
        check_layers(main, "main")
        if shortcut is not None and not isinstance(shortcut, Layer):
            raise TypeError(f"shortcut must be a layer of fastconv.nn or None, got {type(shortcut).__name__}")
        self.main = main[0] if len(main) == 1 and type(main[0]) is Sequential else Sequential(*main)
        self.shortcut = shortcut
        self._seed(seed)
        self._repeated = repeated(self)

    def children(self):
        main = ("main", self.main)
        return (main,) if self.shortcut is None else (main, ("shortcut", self.shortcut))

    def forward(self, x):
        y = self.main.forward(x)
        beside = x if self.shortcut is None else self.shortcut.forward(x)
        _check_shapes(y.shape, args.floats(beside, "input").shape)
        return F.add(y, beside)

    def backward(self, grad_output, need_input_grad=True):
        if self._repeated is not None:
            raise ValueError(
                f"{self._repeated} stands twice in this Residual, so it keeps the input of its last place only: "
                f"backward needs a layer object for each place"
            )
        grad_main = self.main.backward(grad_output, need_input_grad)
        if self.shortcut is None:
            return F.add(grad_main, grad_output) if need_input_grad else None
        grad_shortcut = self.shortcut.backward(grad_output, need_input_grad)
        return F.add(grad_main, grad_shortcut) if need_input_grad else None

    def output_shape(self, input_shape):
        """The shape without the batch that both branches give."""
        sizes = args.shape(input_shape, "input_shape", None)
        result = self.main.output_shape(sizes)
        _check_shapes(result, sizes if self.shortcut is None else self.shortcut.output_shape(sizes))
        return result


def _check_shapes(main, shortcut):
    if tuple(main) != tuple(shortcut):
        raise ValueError(f"shortcut gives shape {tuple(shortcut)}, expected {tuple(main)}, the shape that main gives")
