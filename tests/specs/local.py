"""Locally connected layers: a convolution whose weights differ from pixel to pixel. torch has none."""

from math import prod

import numpy as np
import reference

import fastconv.functional as F
from specs import conv
from specs.draw import per_axis
from specs.spec import Operator


def _pixels(a, dims):
    """The output's extents, as a convolution has them."""
    padding = a["padding"]
    pads = (0,) * dims if isinstance(padding, str) else per_axis(padding, dims)
    image = a["input"].shape[-dims:]
    if padding == "same":
        return image
    kernel = a["weight"].shape[2:]
    sizes = zip(image, pads, kernel, *(per_axis(a[each], dims) for each in ("dilation", "stride")), strict=True)
    return tuple((n + 2 * p - r * (k - 1) - 1) // s + 1 for n, p, k, r, s in sizes)


def _untie(d, a, dims):
    """The arguments of a convolution, with a weight and a bias for each pixel."""
    pixels = _pixels(a, dims)
    weight = d.floats(*a["weight"].shape, *pixels)
    bias = None if a["bias"] is None else d.floats(len(weight), *pixels)
    return {**a, "weight": weight, "bias": bias}


def _draw(dims):
    return lambda d: _untie(d, conv._draw(dims)(d), dims)


def _large(dims):
    image = {1: (250,), 2: (15, 17)}[dims]
    return lambda d, batch: _untie(d, conv._large(dims, image=image)(d, batch), dims)


def _terms(dims):
    def terms(a):
        batch = len(a["input"]) if a["input"].ndim == dims + 2 else 1
        taps = prod(a["weight"].shape[2 : 2 + dims])
        of_input = a["weight"].shape[0] // a["groups"] * taps
        return {"output": a["weight"].shape[1] * taps + 1, "input": of_input, "weight": batch, "bias": batch}

    return terms


def _reference(name, dims):
    def expected(a, grad):
        batched = a["input"].ndim == dims + 2
        x, g = (a["input"], grad) if batched else (a["input"][None], grad[None])
        options = {key: value for key, value in a.items() if key not in ("input", "weight", "bias")}
        output = getattr(reference, name)(x, a["weight"], a["bias"], **options)
        gx = getattr(reference, f"{name}_backward_input")(g, x.shape, a["weight"], **options)
        gw = getattr(reference, f"{name}_backward_weight")(g, x, a["weight"].shape, **options)
        if not batched:
            output, gx = (reference.Sum(each.value[0], each.magnitude[0], each.terms) for each in (output, gx))
        g = g.astype(np.float64)
        gb = {} if a["bias"] is None else {"bias": reference.Sum(g.sum(axis=0), np.abs(g).sum(axis=0), len(g))}
        return {"output": output, "input": gx, "weight": gw, **gb}

    return expected


def _backward(name):
    def backward(grad, a, results):
        options = {key: value for key, value in a.items() if key != "bias"}
        gx, gw, gb = getattr(F, f"{name}_backward")(grad, **options)
        return {"input": gx, "weight": gw, "bias": None if a.get("bias") is None else gb}

    return backward


OPERATORS = [
    Operator(
        name=f"locally_connected{dims}d",
        draw=_draw(dims),
        backward=_backward(f"locally_connected{dims}d"),
        reference=_reference(f"locally_connected{dims}d", dims),
        terms=_terms(dims),
        in_torch=False,
        large=_large(dims),
    )
    for dims in (1, 2)
]
