"""Dropout, where nothing is left to chance; what is random is for test_against_torch.py's own test of it."""

import fastconv.functional as F
from specs.spec import Operator


def _draw(d):
    p = d.choice(0.0, 1.0, 0, 1, 0.5, 0.2)
    training = d.chance() if p in (0, 1) else False
    return {"input": d.floats(*d.sizes(d.integer(0, 4), 1, 6)), "p": p, "training": training, "inplace": False}


def _large(d, batch):
    return {"input": d.floats(batch, 161, 503), "p": 0.3, "seed": 5}


def _backward(grad, a, results):
    options = {key: value for key, value in a.items() if key not in ("input", "inplace")}
    return {"input": F.dropout_backward(grad, **options)}


def _reference(a, grad):
    share = 0 if a["training"] and a["p"] == 1 else 1
    return {"output": a["input"] * share, "input": grad * share}


OPERATORS = [
    Operator(
        name="dropout",
        draw=_draw,
        backward=_backward,
        reference=_reference,
        exact=("output", "input"),
        large=_large,
        images=(),  # which element goes depends on where in the array it stands
    )
]
