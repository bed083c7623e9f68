"""Matrix products."""

import numpy as np

from reference.common import Sum


def matmul(a, b, terms=None):
    """(M, K) times (K, N), column of a by row of b."""
    value = np.zeros((a.shape[0], b.shape[1]))
    magnitude = np.zeros_like(value)
    with np.errstate(all="ignore"):
        for k in range(a.shape[1]):
            product = a[:, k, None].astype(np.float64) * b[None, k, :].astype(np.float64)
            value += product
            magnitude += np.abs(product)
    return Sum(value, magnitude, a.shape[1] if terms is None else terms)


def linear(input, weight, bias=None):
    value, magnitude, terms = matmul(input.reshape(-1, input.shape[-1]), weight.T)
    if bias is not None:
        with np.errstate(all="ignore"):
            value = value + bias.astype(np.float64)
            magnitude = magnitude + np.abs(bias.astype(np.float64))
    shape = (*input.shape[:-1], weight.shape[0])
    return Sum(value.reshape(shape), magnitude.reshape(shape), terms + 1)


def linear_backward(grad_output, input, weight):
    """Three Sums: of the input, the weight, the bias."""
    gradient = grad_output.reshape(-1, grad_output.shape[-1])
    rows = input.reshape(-1, input.shape[-1])
    grad_input = matmul(gradient, weight)
    grad_input = Sum(*(each.reshape(input.shape) for each in grad_input[:2]), grad_input.terms)
    gradient64 = gradient.astype(np.float64)
    with np.errstate(all="ignore"):
        grad_bias = Sum(gradient64.sum(axis=0), np.abs(gradient64).sum(axis=0), len(gradient))
    return grad_input, matmul(gradient.T, rows), grad_bias
