"""Batch normalisation, forward and backward."""

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels import norm as kernels
from fastconv.kernels import norm_gradient


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
    *,
    out=None,
    return_statistics=False,
):
    """(input - mean) / sqrt(variance + eps) * weight + bias of each channel: torch.nn.functional.batch_norm on arrays.

    Args:
        input: (N, C, ...), float32 or float64.
        running_mean, running_var: (C,), of input's dtype; in training both may be None. Without training they are the
            statistics. In training, mean and variance are those of the batch, and the running ones are moved towards
            them in place (the variance as that of a sample, divided by one less than the number of values); they are
            the only arguments in this package that are written. An empty batch leaves them as they are.
        weight, bias: (C,) or None.
        training: whether the statistics are those of the batch.
        momentum: the batch's share of the new running statistics.
        eps: what is added to the variance; positive in training, else not negative.
        out: a C-contiguous array for the result, which must not overlap another argument.
        return_statistics: also return the mean and 1 / sqrt(variance + eps) of each channel, for the backward.

    Returns:
        An array of input's shape and dtype; with return_statistics (output, mean, rstd), the latter two float64 (C,).

    Raises:
        TypeError: arrays other than float32 or float64, mixed dtypes, a flag or a number that is none.
        ValueError: shapes that do not fit together, a single value a channel in training, running statistics that are
            missing or, in training, read-only, an eps out of range.

    Example:
        >>> batch_norm(np.array([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
        array([[-1.],
               [ 1.]])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html
    """
    x = args.floats(input, "input")
    training = args.flag(training, "training")
    (N, C, L), eps = args.batch_statistics(x.shape, training, eps)
    running = args.running_statistics(running_mean, running_var, C, x, training)
    w, b = args.vector(weight, "weight", C, x), args.vector(bias, "bias", C, x)
    momentum = args.number(momentum, "momentum")
    if return_statistics is not False:
        return_statistics = args.flag(return_statistics, "return_statistics")
    result = np.empty(x.shape, x.dtype) if out is None else args.output(out, x.shape, x.dtype, x, w, b, *running)
    mean, rstd = np.empty((2, C))
    if x.size:
        x3 = args.contiguous(x).reshape(N, C, L)
        moved = [None if array is None else args.contiguous(array) for array in running]
        if training:
            kernels.batch_norm_train(x3, w, b, *moved, momentum, eps, result, mean, rstd)
            for array, new in zip(running, moved, strict=True):
                if array is not new:
                    array[...] = new
        else:
            kernels.batch_norm_running(*moved, eps, mean, rstd)
            kernels.batch_norm_apply(x3, w, b, mean, rstd, result)
    elif return_statistics:
        mean[...] = rstd[...] = np.nan
    return (result, mean, rstd) if return_statistics else result


def batch_norm_backward(
    grad_output,
    input,
    running_mean,
    running_var,
    weight=None,
    training=False,
    eps=1e-5,
    output_mask=(True, True, True),
    *,
    mean=None,
    rstd=None,
):
    """The gradients of batch_norm with respect to its input, weight and bias.

    Args:
        grad_output: the gradient of the output, of the output's shape.
        input, running_mean, running_var, weight, training, eps: as given to batch_norm. The running statistics are only
            read, and only without training; in training, what they hold by now does not matter.
        output_mask: three booleans; a False puts None in its place and saves the work.
        mean, rstd: as batch_norm returned them with return_statistics, float64 (C,). Without them they are computed
            again, with the same result.

    Returns:
        (grad_input, grad_weight, grad_bias) of the shapes of input, (C,) and (C,), whether or not there was a weight.
        With an empty batch the gradients of weight and bias are zero.

    Raises:
        TypeError, ValueError: as batch_norm, and where grad_output's shape is not the output's.

    Example:
        >>> x = np.array([[1.0], [3.0]])
        >>> gx, gw, gb = batch_norm_backward(np.array([[1.0], [0.0]]), x, None, None, training=True)
        >>> gb
        array([1.])

    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html (its derivative)
    """
    x = args.floats(input, "input")
    training = args.flag(training, "training")
    (N, C, L), eps = args.batch_statistics(x.shape, training, eps)
    gy = args.gradient(grad_output, x.shape, x)
    w = args.vector(weight, "weight", C, x)
    wants = args.mask(output_mask, "output_mask", 3)
    given = mean is not None or rstd is not None
    if given:
        mean, rstd = args.statistics(mean, rstd, (C,))
    elif not training:
        running = args.running_statistics(running_mean, running_var, C, x, False)
    grads = [np.empty(sizes, x.dtype) if want else None for want, sizes in zip(wants, (x.shape, C, C), strict=True)]
    if not x.size:
        return tuple(None if grad is None else np.zeros_like(grad) for grad in grads)
    x3 = args.contiguous(x).reshape(N, C, L)
    if not given:
        mean, rstd = np.empty((2, C))
        if training:
            kernels.batch_norm_train(x3, None, None, None, None, 0.0, eps, None, mean, rstd)
        else:
            kernels.batch_norm_running(*map(args.contiguous, running), eps, mean, rstd)
    norm_gradient.batch_norm_backward(args.contiguous(gy), x3, w, mean, rstd, training, *grads)
    return tuple(grads)
