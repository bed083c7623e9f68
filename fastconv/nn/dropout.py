"""Dropout."""

import os

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.layer import Layer


class Dropout(Layer):
    """In training each element is zero with probability p, and the others are divided by 1 - p; in eval mode x itself.

    Every forward draws anew; which elements stay follows from the seed and the number of forwards before, which
    `rewind(forwards)` sets.

    Args:
        p: between 0 and 1.
        inplace: must be False; inputs are never written.
        seed: an integer for the same draws every time, or None.

    Raises:
        TypeError, ValueError: as functional.dropout.

    Example:
        >>> Dropout(0.5).eval()(np.ones(3))
        array([1., 1., 1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html
    """

    def __init__(self, p=0.5, inplace=False, *, seed=None):
        self.p = args.probability(p, "p")
        args.not_inplace(inplace)
        self.seed = args.seed(seed)
        self._stream = None
        self._forwards = 0

    def rewind(self, forwards=0):
        self._forwards = args.integer(forwards, "forwards", 0)

    def forward(self, x):
        x = args.floats(x, "input")
        if not self.training:
            self._keep()
            return x
        if self._stream is None:
            entropy = int.from_bytes(os.urandom(16), "little") if self.seed is None else self.seed
            self._stream = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
        seed = 2**64 * self._stream + self._forwards
        self._forwards += 1
        y = F.dropout(x, self.p, seed=seed)
        self._keep(x.shape, seed)
        return y

    def backward(self, grad_output, need_input_grad=True):
        sizes, seed = self._kept()
        if not need_input_grad:
            return None
        gradient = args.floats(grad_output, "grad_output")
        args.same_shape(gradient, "grad_output", sizes, "the forward's output")
        return F.dropout_backward(gradient, self.p, seed=seed)

    def output_shape(self, input_shape):
        """input_shape itself."""
        return args.shape(input_shape, "input_shape", None)

    def extra_repr(self):
        return f"p={self.p}, inplace=False"

    def _seed_from(self, stream):
        if self.seed is None and self._stream is None:
            self.seed = stream
