"""Layers with a weight and a bias, drawn when first asked for: a network can be counted without being built."""

from threading import Lock

import numpy as np

from fastconv import _arguments as args
from fastconv.nn.init import SCHEMES
from fastconv.nn.layer import Layer

# One lock for all layers: two threads that share a network must see one draw, and a layer of its own lock could not be
# copied.
_drawing = Lock()


class Parametric(Layer):
    """A layer with `weight` and perhaps `bias`.

    Args:
        weight_shape: the weight's shape, output channels or features first.
        bias: whether there is a bias, one value an output.
        init: "torch" or "xavier" (fastconv.nn.init).
        seed: an integer for the same values every time, or None.
        dtype: np.float32 or np.float64.
    """

    _arrays = None
    _gradients = None

    def __init__(self, weight_shape, bias, init, seed, dtype):
        self._shapes = {"weight": weight_shape}
        if args.flag(bias, "bias"):
            self._shapes["bias"] = weight_shape[:1]
        self.init = args.choice(init, "init", tuple(SCHEMES))
        self.seed = args.seed(seed)
        self.dtype = args.dtype(dtype)

    @property
    def weight(self):
        """The live weight, drawn at the first access."""
        return self._drawn()["weight"]

    @property
    def bias(self):
        """The live bias, drawn at the first access; None where the layer has none."""
        return self._drawn().get("bias")

    def _drawn(self):
        arrays = self._arrays
        if arrays is None:
            with _drawing:
                if self._arrays is None:
                    args.check_parameters(self._shapes["weight"], "weight")
                    generator = np.random.default_rng(self.seed)
                    self._arrays = SCHEMES[self.init](generator, self._shapes, self.dtype)
                arrays = self._arrays
        return arrays

    def parameters(self):
        return dict(self._drawn())

    def parameter_shapes(self):
        return dict(self._shapes)

    def gradients(self):
        if self._gradients is None:
            raise ValueError(f"{type(self).__name__}.gradients needs a backward before it")
        return dict(self._gradients)

    def gradient_arrays(self):
        """(grad_weight, grad_bias or None): what `gradients()` shows from now on, for kernels to write into."""
        self._gradients = {key: np.zeros(sizes, self.dtype) for key, sizes in self._shapes.items()}
        return self._gradients["weight"], self._gradients.get("bias")

    def _keep_gradients(self, grad_weight, grad_bias):
        self._gradients = {"weight": grad_weight}
        if "bias" in self._shapes:
            self._gradients["bias"] = grad_bias

    def _output_mask(self, need_input_grad):
        return need_input_grad, True, "bias" in self._shapes

    def _slots(self):
        return {key: (self, key) for key in self._shapes}

    def _fill(self, arrays):
        with _drawing:
            if self._arrays is None:  # drawing values only to overwrite them would be a waste
                self._arrays = {key: np.array(arrays[key], order="C") for key in self._shapes}
            else:
                for key, array in arrays.items():
                    self._arrays[key][...] = array

    def _seed_from(self, stream):
        if self.seed is None and self._arrays is None:
            self.seed = stream
