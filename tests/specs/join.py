"""Sums and joins of whole arrays: torch.add and torch.cat, which torch.nn.functional does not have."""

import numpy as np

import fastconv.functional as F
from specs.spec import Operator

PARTS = ("first", "second", "third")


def _draw_add(d):
    shape = d.sizes(d.integer(0, 4), 1, 7)
    return {"input": d.floats(*shape), "other": d.floats(*shape)}


def _large_add(d, batch):
    return {"input": d.floats(batch, 160, 501), "other": d.floats(batch, 160, 501)}


def _draw_cat(d):
    shape = d.sizes(d.integer(1, 4), 1, 6)
    dim = d.integer(-len(shape), len(shape) - 1)
    place = dim % len(shape)
    parts = {part: d.floats(*shape[:place], d.integer(0, 5), *shape[place + 1 :]) for part in PARTS}
    return {**parts, "dim": dim}


def _large_cat(d, batch):
    parts = {part: d.floats(batch, channels, 61, 67) for part, channels in zip(PARTS, (19, 3, 37), strict=True)}
    return {**parts, "dim": 1}


def _cat(where, a):
    return where.cat(tuple(a.get(part) for part in PARTS), **({"dim": a["dim"]} if "dim" in a else {}))


def _length(part, dim):
    return part.shape[dim] if -part.ndim <= dim < part.ndim else -1  # spoilt calls come here too


def _backward_cat(grad, a, results):
    dim = {"dim": a["dim"]} if "dim" in a else {}
    sizes = tuple(_length(a[part], a.get("dim", 0)) for part in PARTS)
    return dict(zip(PARTS, F.cat_backward(grad, sizes, **dim), strict=True))


def _reference_cat(a, grad):
    cuts = np.cumsum([a[part].shape[a["dim"]] for part in PARTS])[:-1]
    parts = np.split(np.ascontiguousarray(grad), cuts, a["dim"])
    return {"output": np.concatenate([a[part] for part in PARTS], a["dim"]), **dict(zip(PARTS, parts, strict=True))}


OPERATORS = [
    Operator(
        name="add",
        call=lambda where, a: where.add(a.get("input"), a.get("other")),
        draw=_draw_add,
        reference=lambda a, grad: {"output": np.add(a["input"], a["other"], dtype=np.float64)},
        absolute=("input", "other"),
        large=_large_add,
        images=("input", "other"),
    ),
    Operator(
        name="cat",
        call=_cat,
        draw=_draw_cat,
        backward=_backward_cat,
        reference=_reference_cat,
        exact=("output", *PARTS),
        large=_large_cat,
        images=PARTS,
        image_results=("output", *PARTS),
    ),
]
