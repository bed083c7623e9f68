"""The dense layer."""

from math import prod

import numpy as np
import reference
from reference import Sum

import fastconv.functional as F
from specs.spec import Operator


def _draw(d):
    lead = d.sizes(d.integer(0, 3), 1, 5)
    features = d.choice(d.integer(1, 12), d.integer(1, 90))
    if d.chance(0.1):  # one output feature without its axis
        weight = d.floats(features)
        bias = None if len(lead) == 1 else d.floats()  # torch takes it for any input but a matrix
    else:
        outputs = d.choice(d.integer(1, 12), d.integer(1, 70))
        weight, bias = d.floats(outputs, features), d.floats(outputs)
    return {"input": d.floats(*lead, features), "weight": weight, "bias": None if d.chance() else bias}


def _large(d, batch):
    return {"input": d.floats(batch, 11, 190), "weight": d.floats(130, 190), "bias": d.floats(130)}


def _backward(grad, a, results):
    gx, gw, gb = F.linear_backward(grad, a["input"], a["weight"])
    return {"input": gx, "weight": gw, "bias": None if a.get("bias") is None else gb}


def _terms(a):
    rows = prod(a["input"].shape[:-1])
    return {"output": a["weight"].shape[-1] + 1, "input": prod(a["weight"].shape[:-1]), "weight": rows, "bias": rows}


def _reference(a, grad):
    x, w = a["input"], np.atleast_2d(a["weight"])
    single = a["weight"].ndim == 1
    output = reference.linear(x, w, None if a["bias"] is None else a["bias"].reshape(-1))
    gx, gw, gb = reference.linear_backward(grad[..., None] if single else grad, x, w)
    if single:
        output = Sum(output.value[..., 0], output.magnitude[..., 0], output.terms)
        gw, gb = (Sum(each.value[0], each.magnitude[0], each.terms) for each in (gw, gb))
    results = {"output": output, "input": gx, "weight": gw}
    return results if a["bias"] is None else results | {"bias": gb}


OPERATORS = [
    Operator(
        name="linear",
        draw=_draw,
        backward=_backward,
        reference=_reference,
        terms=_terms,
        absolute=("input", "weight", "bias"),
        large=_large,
    )
]
