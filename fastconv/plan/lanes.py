"""Networks that are computed with the images of a batch in the lanes: which, and how they are described to the kernels.

In small networks a layer has too few channels and too short rows to fill vectors; its images are many and alike. A
vector then holds one element of several images, every operation is written as if for one image, and what lies between
the operations stays in the cache of the thread that computes those images.
"""

from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv import nn, settings
from fastconv.kernels.lanes import Network
from fastconv.nn.locks import Locked

LEAST_IMAGES = 5  # from which on lanes pay, though some stay empty

# Layers with more fill the vectors by themselves, and have fewer products to compute by Winograd's algorithm.
_MOST_CHANNELS = 32
_MOST_PARAMETERS = 2**18  # they are read once a chunk of images
_MOST_PAIRS = 100  # of channels in and out, of a convolution that stands alone: images are moved for it alone
_MOST_ELEMENTS = 2**16  # of an image between the operations, in all: a chunk has as many vectors

_ACTIVATIONS = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}


class LaneNetwork(Locked):
    """A network with the images in the lanes: inference on the weights as they are, and training steps.

    Args:
        operations: what `describe` gave.
        input_shape: (C, H, W).
        dtype: of the weights, which are read where they lie.
        train: whether `step` is to compute gradients, which it leaves in the layers.
        names: of the operations, for a profile.
        winograd: whether convolutions may use Winograd's algorithm where it is allowed: those do that use it in a plan.
    """

    def __init__(self, operations, input_shape, dtype, train=False, names=(), winograd=False):
        gradients = None
        if train:
            gradients = [layer.gradient_arrays() for layer, _ in operations if isinstance(layer, nn.Parametric)]
        super().__init__()
        self.names = names
        described = [operation for _, operation in operations]
        self._network = Network(dtype.itemsize, input_shape, described, gradients, winograd)

    def forward(self, x, y):
        """y = the network's output for the images x, both contiguous and of the network's dtype."""
        with self.lock:
            self._network.forward(x, y)

    @property
    def memory(self):
        """Bytes of one thread's arena."""
        return self._network.arena_bytes

    def threads(self, images):
        """How many compute so many images, where the work pays for them."""
        return min(settings.get_num_threads(), -(-images // self._network.lanes))

    def profile(self, images, labels=None, scale=1.0, shift=0.0):
        """(loading, [forward of each operation], loss, [backward of each]) in seconds: timed on one thread, and shared
        by those that compute so many images."""
        with self.lock:
            loading, ahead, loss, back = self._network.profile(images, labels, scale, shift)
        threads = self.threads(len(images))
        return loading / threads, [took / threads for took in ahead], loss / threads, [took / threads for took in back]

    def step(self, images, labels, indices, count, scale, shift, moved, squared):
        """(loss, how many were right), and new gradients in the layers; None where a label is no class."""
        with self.lock:
            return self._network.step(images, labels, indices, 0, count, scale, shift, *moved, squared, True)

    def evaluate(self, images, labels, first, count, scale, shift, squared):
        """(loss, how many were right) with the weights as they are."""
        with self.lock:
            self._network.pack()
            return self._network.step(images, labels, None, first, count, scale, shift, 0, 0, squared, False)


def describe(layers, input_shape):
    """[(layer, its operation for the kernels)] of layers one after the other; None where they do not suit.

    It depends on the layers and the image's shape alone, never on a batch: the bits of a result do not depend on who is
    in the batch. Of layers that stand alone only the smallest convolutions suit.
    """
    if len(input_shape) != 3 or not all(input_shape):
        return None
    layers, shape, done = list(layers), tuple(input_shape), []
    elements = prod(shape)
    while layers:
        layer = layers.pop(0)
        rule = _RULES.get(type(layer))
        described = rule(layer, shape, layers) if rule else None
        if described is None:
            return None
        operation, shape = described
        elements += prod(shape)
        if operation is not None:
            done.append((layer, operation))
    parameters = sum(prod(sizes) for layer, _ in done for sizes in layer.parameter_shapes().values())
    small = elements <= _MOST_ELEMENTS and parameters <= _MOST_PARAMETERS
    convolutions = [layer for layer, (kind, *_) in done if kind == "conv"]
    if len(done) == 1 and convolutions:
        small = small and done[0][0].in_channels * done[0][0].out_channels <= _MOST_PAIRS
    return done if small and convolutions else None


def names(described, leaves):
    """What the operations compute, called as steps are: "0 Conv2d + 1 Sigmoid". leaves: (name, layer) of the net."""
    leaves = list(leaves)
    place = {id(layer): number for number, (_, layer) in enumerate(leaves)}
    found = []
    for layer, (kind, *rest) in described:
        number = place[id(layer)]
        along = kind in ("conv", "dense") and rest[2] is not None
        found.append(" + ".join(name for name, _ in leaves[number : number + 1 + along]))
    return found


def with_copies(described):
    """The same with copies of the weights."""
    return [
        (layer, tuple(np.array(told, order="C") if isinstance(told, np.ndarray) else told for told in operation))
        for layer, operation in described
    ]


def _conv2d(layer, shape, rest):
    if len(shape) != 3 or layer.groups != 1 or max(layer.out_channels, layer.in_channels) > _MOST_CHANNELS:
        return None
    if layer.padding_mode != "zeros":
        return None
    (_, *after), geometry = args.conv2d((1, *shape), layer.weight.shape, layer.stride, layer.padding, layer.dilation, 1)
    # A dense layer reads its features side by side, but the gradient of a convolution's output has a border.
    activation = None
    if rest and type(rest[0]) in _ACTIVATIONS and not (len(rest) > 1 and type(rest[1]) is nn.Flatten):
        activation = _ACTIVATIONS[type(rest.pop(0))]
    if rest and type(rest[0]) is nn.Flatten:
        return None
    return ("conv", layer.weight, layer.bias, activation, geometry[:6], tuple(after[1:])), tuple(after)


def _linear(layer, shape, rest):
    if len(shape) != 1:
        return None
    activation = _ACTIVATIONS[type(rest.pop(0))] if rest and type(rest[0]) in _ACTIVATIONS else None
    return ("dense", layer.weight, layer.bias, activation), (layer.out_features,)


def _max_pool2d(layer, shape, rest):
    if len(shape) != 3 or layer.return_indices:
        return None
    (_, *after), geometry = args.pool2d(
        (1, *shape), layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
    )
    return ("max", geometry, tuple(after[1:])), tuple(after)


def _avg_pool2d(layer, shape, rest):
    if len(shape) != 3:
        return None
    (_, *after), geometry = args.pool2d((1, *shape), layer.kernel_size, layer.stride, layer.padding, 1, layer.ceil_mode)
    KH, KW, stride_h, stride_w, pad_h, pad_w, _, _ = geometry
    override, padded = layer.divisor_override, layer.count_include_pad
    columns = [1] * after[2] if override else _window_counts(after[2], KW, stride_w, pad_w, shape[2], padded)
    rows = [override] * after[1] if override else _window_counts(after[1], KH, stride_h, pad_h, shape[1], padded)
    return ("mean", geometry, tuple(after[1:]), columns, rows), tuple(after)


def _window_counts(windows, kernel, stride, pad, size, padded):
    """The elements that count along one axis of each window (PyTorch's rule: clipped to the padded size)."""
    counts = []
    for start in range(-pad, -pad + windows * stride, stride):
        stop = min(start + kernel, size + pad)
        counts.append(max(stop - start if padded else min(stop, size) - max(start, 0), 1))
    return counts


def _flatten(layer, shape, rest):
    after = layer.output_shape(shape)
    return (None, after) if len(after) == 1 else None


def _activation(layer, shape, rest):
    return ("pointwise", _ACTIVATIONS[type(layer)]), shape


_RULES = {
    nn.Conv2d: _conv2d,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool2d,
    nn.AvgPool2d: _avg_pool2d,
    nn.Flatten: _flatten,
    **dict.fromkeys(_ACTIVATIONS, _activation),
}
