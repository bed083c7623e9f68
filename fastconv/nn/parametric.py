"""Layers with a weight and a bias, drawn when first asked for: a network can be counted without being built."""

import numpy as np

from fastconv import _arguments as args
from fastconv.nn.init import SCHEMES
from fastconv.nn.layer import Layer
from fastconv.nn.locks import Locked

# One lock for all layers: two threads that share a network must see one draw, and a layer of its own lock could not be
# copied.
_drawing = Locked()


class Parametric(Layer):
    """A layer with `weight` and perhaps `bias`, under the keys of torch.

    Args:
        weight_shape: the weight's shape, output channels or features first.
        bias: whether there is a bias, one value an output.
        init: "torch" or "xavier" (fastconv.nn.init).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.
        bias_shape: the bias's shape; None: one value an output channel or feature, the weight's first axis.
        fan_shape: that of one filter bank, (outputs, inputs, ...), from which the initialisation counts what an output
            sums; None: weight_shape.
    """

    _arrays = None
    _gradients = None

    def __init__(self, weight_shape, bias, init, seed, dtype, bias_shape=None, fan_shape=None):
        self._shapes = {"weight": weight_shape}
        if args.flag(bias, "bias"):
            self._shapes["bias"] = weight_shape[:1] if bias_shape is None else bias_shape
        self._fan_shape = weight_shape if fan_shape is None else fan_shape
        self.init = args.choice(init, "init", tuple(SCHEMES))
        self.seed = args.seed(seed)
        self.dtype = args.dtype(dtype)

    @property
    def weight(self):
        """The live weight, drawn at the first access; None where the layer has none."""
        return self._drawn().get("weight")

    @property
    def bias(self):
        """The live bias, drawn at the first access; None where the layer has none."""
        return self._drawn().get("bias")

    def _drawn(self):
        arrays = self._arrays
        if arrays is None:
            with _drawing.lock:
                if self._arrays is None:
                    for key, shape in self._shapes.items():
                        args.check_parameters(shape, key)
                    self._arrays = self._draw(_generator(self.seed))
                arrays = self._arrays
        return arrays

    def _draw(self, generator):
        return SCHEMES[self.init](generator, self._shapes, self.dtype, self._fan_shape)

    def set_arrays(self, arrays):
        """Takes these as its live arrays, of the shapes of `parameter_shapes()` and its dtype, instead of drawing."""
        with _drawing.lock:
            self._arrays = arrays

    def parameters(self):
        return dict(self._drawn())

    def parameter_shapes(self):
        return dict(self._shapes)

    def gradients(self):
        if self._gradients is None and self._shapes:
            raise ValueError(f"{type(self).__name__}.gradients needs a backward before it")
        return dict(self._gradients or {})

    def gradient_arrays(self):
        """(grad_weight, grad_bias or None): what `gradients()` shows from now on, for kernels to write into."""
        self._gradients = {key: np.zeros(sizes, self.dtype) for key, sizes in self._shapes.items()}
        return self._gradients.get("weight"), self._gradients.get("bias")

    def _keep_gradients(self, *gradients):
        """Those of weight and bias, of which the layer may have fewer."""
        self._gradients = {
            key: gradient for key, gradient in zip(("weight", "bias"), gradients, strict=False) if key in self._shapes
        }

    def _output_mask(self, need_input_grad):
        return need_input_grad, "weight" in self._shapes, "bias" in self._shapes

    def _owned(self):
        return {key: (shape, self.dtype) for key, shape in self._shapes.items()}

    def _live(self):
        return self._drawn()

    def _fill(self, arrays):
        with _drawing.lock:
            if self._arrays is None:  # drawing values only to overwrite them would be a waste
                self._arrays = {key: np.array(arrays[key], order="C") for key in self._shapes}
            else:
                for key in self._shapes:
                    self._arrays[key][...] = arrays[key]

    def _seed_from(self, stream):
        if self.seed is None and self._arrays is None:
            self.seed = stream


class Affine(Parametric):
    """A layer whose weight, if it has one, is one at first, and whose bias is zero.

    Args:
        shape: of the weight and of the bias.
        affine: whether there is a weight.
        bias: whether there is a bias beside the weight.
        dtype: np.float32 or np.float64.
    """

    seed = None

    def __init__(self, shape, affine, bias, dtype):
        bias = args.flag(bias, "bias")
        self._shapes = {"weight": shape} if affine else {}
        if affine and bias:
            self._shapes["bias"] = shape
        self.dtype = args.dtype(dtype)

    def _draw(self, generator):
        start = {"weight": 1, "bias": 0}
        return {key: np.full(shape, start[key], self.dtype) for key, shape in self._shapes.items()}

    def _seed_from(self, stream):
        """Nothing is random here."""


def _generator(seed):
    try:
        return np.random.default_rng(seed)
    except RuntimeError as error:  # "can't allocate lock" is what it says of memory that is not there
        raise MemoryError(str(error)) from None
