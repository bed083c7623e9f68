"""Batch normalisation folded into the convolution before it: its running statistics scale and shift each channel."""

import numpy as np

from fastconv import nn


def folded(layers):
    """(name, layer)s in which a convolution stands for itself and the batch normalisation behind it.

    The scale goes into the weights, the shift into the bias, both computed in float64 and rounded once (Jacob et al.,
    2018, https://arxiv.org/abs/1712.05877, section 3.2). What would not be finite stays as it is.
    """
    done = []
    for name, layer in layers:
        fold = _fold(done[-1][1], layer) if done else None
        if fold is None:
            done.append((name, layer))
        else:
            done[-1] = f"{done[-1][0]} + {name}", fold
    return done


def _fold(convolution, norm):
    """A convolution that does both, or None."""
    if not (isinstance(convolution, nn.Conv2d) and type(convolution).forward is nn.Conv2d.forward):
        return None
    if not (isinstance(norm, nn.BatchNorm2d) and type(norm).forward is nn.BatchNorm2d.forward):
        return None
    if not norm.track_running_stats or norm.num_features != convolution.out_channels:
        return None
    try:
        weight, bias = _weights(convolution, norm)
    except SystemError as error:  # so NumPy says that there is no memory for the buffers of an operation
        raise MemoryError(str(error)) from None
    if weight is None:
        return None
    both = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        convolution.groups,
        padding_mode=convolution.padding_mode,
        dtype=convolution.dtype,
    )
    both.set_arrays({"weight": weight, "bias": bias})
    return both


def _weights(convolution, norm):
    """Weight and bias of both together, or None twice where they would not be finite."""
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(norm.running_var.astype(np.float64) + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight
        shift = (0.0 if convolution.bias is None else convolution.bias) - norm.running_mean.astype(np.float64)
        bias = (shift * scale + (0.0 if norm.bias is None else norm.bias)).astype(convolution.dtype)
        weight = (convolution.weight * scale[:, None, None, None]).astype(convolution.dtype)
    return (weight, bias) if np.isfinite(weight).all() and np.isfinite(bias).all() else (None, None)
