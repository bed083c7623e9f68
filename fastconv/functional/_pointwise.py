"""What the elementwise functions share: one array in, one of its shape out."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import elementwise as kernels


def forward(function, input, out, parameter=0.0):
    """A function of kernels/src/elementwise.def, by its number there, of every element."""
    x = args.floats(input, "input")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x)
    kernels.forward(function, args.contiguous(x), result, parameter)
    return result


def backward(function, grad_output, kept, name, parameter=0.0):
    """Its gradient, from what the forward was given (or returned), the argument `name`."""
    kept = args.floats(kept, name)
    gy = args.gradient(grad_output, kept.shape, kept, name)
    grad_input = np.empty(kept.shape, kept.dtype)
    kernels.backward(function, args.contiguous(gy), args.contiguous(kept), grad_input, parameter)
    return grad_input
