"""Layers one after the other."""

from fastconv import _arguments as args
from fastconv.nn.layer import Layer, check_layers, repeated


class Sequential(Layer):
    """Each layer takes what the one before gave. Keys are "0.weight", "0.bias", ... as torch's.

    Args:
        layers: layers or containers.
        seed: an integer, from which every layer without a seed of its own gets a stream of its own; or None.

    Raises:
        TypeError: something that is no layer.

    Example:
        >>> net = Sequential(Conv2d(1, 6, 5), ReLU(), MaxPool2d(2), seed=0)
        >>> net(np.zeros((2, 1, 28, 28), np.float32)).shape
        (2, 6, 12, 12)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html
    """

    def __init__(self, *layers, seed=None):
        check_layers(layers, "layers")
        self.layers = layers
        self._seed(seed)
        self._repeated = repeated(self)
        # Where a backward may end when nobody asks for the gradient of the input.
        with_parameters = (i for i, layer in enumerate(layers) if layer.parameter_shapes())
        self._first_with_parameters = next(with_parameters, len(layers))

    def children(self):
        return [(str(position), layer) for position, layer in enumerate(self.layers)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad_output, need_input_grad=True):
        if self._repeated is not None:
            raise ValueError(
                f"{self._repeated} stands twice in this Sequential, so it keeps the input of its last place only: "
                f"backward needs a layer object for each place"
            )
        last = 0 if need_input_grad else self._first_with_parameters
        for position in range(len(self.layers) - 1, last - 1, -1):
            grad_output = self.layers[position].backward(grad_output, need_input_grad or position > last)
        return grad_output if need_input_grad else None

    def output_shape(self, input_shape):
        """The shape without the batch that comes out at the end."""
        sizes = args.shape(input_shape, "input_shape", None)
        for position, layer in enumerate(self.layers):
            try:
                sizes = layer.output_shape(sizes)
            except ValueError as error:
                raise ValueError(f"layer {position}, {layer}: {error}") from None
        return sizes

    def __len__(self):
        return len(self.layers)

    def __iter__(self):
        return iter(self.layers)

    def __getitem__(self, position):
        if isinstance(position, slice):
            return Sequential(*self.layers[position])
        return self.layers[args.position(position, "position", len(self.layers))]
