"""The dense layer's product, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import gemm as kernels


def linear(input, weight, bias=None, *, out=None):
    """input @ weight.T + bias: torch.nn.functional.linear on arrays.

    Args:
        input: (..., in_features), float32 or float64.
        weight: (out_features, in_features), of input's dtype; or (in_features,), one output feature without its axis.
        bias: (out_features,), or () for one value alone, or None. Where weight has one dimension, () or None.
        out: a C-contiguous array for the result, which must not overlap an input.

    Returns:
        (..., out_features).

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes.
        ValueError: shapes that do not fit together.

    Example:
        >>> linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(4)).shape
        (2, 4)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, (M, N, K) = args.linear(x.shape, w.shape)
    b = None if bias is None else args.linear_bias(bias, w.shape, x)
    result = np.empty(shape, x.dtype) if out is None else args.output(out, shape, x.dtype, x, w, b)
    if not (result.size and K):  # nothing to compute, or a sum over nothing
        result[...] = 0 if b is None else b if w.ndim == 2 else b[0]
        return result
    if x.ndim > 1 and args.repeats(x):  # one row, or one image of them, is multiplied, and copied
        result[...] = linear(x[:1], w, b)
        return result
    x2, w2 = args.contiguous(x).reshape(M, K), args.contiguous(w).reshape(N, K)
    if b is not None:
        b = args.contiguous(b)
    kernels.linear_forward(x2, w2, b, result.reshape(M, N))
    return result


def linear_backward(grad_output, input, weight, output_mask=(True, True, True)):
    """The gradients of linear with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, weight: as given to linear.
        output_mask: three booleans; a False puts None in its place and saves the work.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, weight and (out_features,); grad_bias has shape ()
        where weight has one dimension. The gradient of a bias () beside several features is the sum of grad_bias.

    Raises:
        TypeError, ValueError: as linear, and where grad_output's shape is not the output's.

    Example:
        >>> gx, gw, gb = linear_backward(np.ones((2, 4)), np.ones((2, 3)), np.ones((4, 3)))
        >>> gx.shape, gw.shape, gb
        ((2, 3), (4, 3), array([2., 2., 2., 2.]))

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.linear.html (its derivative)
    """
    x = args.floats(input, "input")
    w = args.floats(weight, "weight", x)
    shape, (M, N, K) = args.linear(x.shape, w.shape)
    gy = args.gradient(grad_output, shape, x)
    want_input, want_weight, want_bias = args.mask(output_mask, "output_mask", 3)

    gy2 = args.contiguous(gy).reshape(M, N)
    grad_input = grad_weight = grad_bias = None
    if want_input:
        grad_input = np.empty(x.shape, x.dtype)
        if not (N and grad_input.size):
            grad_input[...] = 0
        else:
            kernels.linear_backward_input(gy2, args.contiguous(w).reshape(N, K), grad_input.reshape(M, K))
    if want_weight:
        grad_weight = np.empty(w.shape, w.dtype)
        if not (M and grad_weight.size):
            grad_weight[...] = 0
        else:
            kernels.linear_backward_weight(gy2, args.contiguous(x).reshape(M, K), grad_weight.reshape(N, K))
    if want_bias:
        grad_bias = np.empty(w.shape[:-1], x.dtype)
        if not gy2.size:
            grad_bias[...] = 0
        else:
            kernels.linear_backward_bias(gy2, grad_bias.reshape(N))
    return grad_input, grad_weight, grad_bias
