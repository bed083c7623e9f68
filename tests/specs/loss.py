"""Losses."""

from math import prod

import numpy as np
import reference

import fastconv.functional as F
from specs.spec import Operator


def _logits_shape(d):
    """(C,), (N, C) or (N, C, d1, ...), and the shape of the class indices."""
    classes = d.choice(d.integer(1, 8), d.integer(1, 40))
    lead = d.sizes(d.integer(0, 3), 1, 5)
    return ((lead[0], classes, *lead[1:]) if lead else (classes,)), lead


def _classes(d, classes, shape, ignored):
    target = d.integers(0, classes - 1, shape)
    if ignored is not None and target.shape and d.chance():
        target = np.where(d.rng.random(shape) < 0.3, ignored, target.astype(np.int64))
    return d.lay(target)


def _options(d, classes):
    return {
        "weight": d.floats(classes, low=0.1, high=2) if d.chance() else None,
        "size_average": None,
        "ignore_index": d.choice(-100, -100, d.integer(0, classes - 1), -1),
        "reduce": None,
        "reduction": d.choice("mean", "sum", "none"),
    }


def _draw_cross_entropy(d):
    shape, indices = _logits_shape(d)
    classes = shape[1 if len(shape) > 1 else 0]
    options = _options(d, classes)
    if d.chance(0.35):
        target = d.floats(*shape, low=0, high=1)
        options["ignore_index"] = d.choice(-100, -1)
    else:
        target = _classes(d, classes, indices, options["ignore_index"])
    x = d.floats(*shape) * d.dtype.type(d.choice(1, 4, 30))
    return {"input": d.lay(np.asarray(x)), "target": target, **options, "label_smoothing": d.choice(0.0, 0.1, 1.0, 0.3)}


def _draw_nll(d):
    shape, indices = _logits_shape(d)
    classes = shape[1 if len(shape) > 1 else 0]
    options = _options(d, classes)
    return {"input": d.floats(*shape), "target": _classes(d, classes, indices, options["ignore_index"]), **options}


def _large_classes(d, batch):
    return {
        "input": d.floats(batch, 23, 61, 67),
        "target": d.integers(0, 22, (batch, 61, 67)),
        "weight": d.floats(23, low=0.1, high=2),
        "reduction": d.choice("mean", "sum", "none"),
    }


def _a_loss_each(large):
    """Where no image sees another."""
    return lambda d, batch: large(d, batch) | {"reduction": "none"}


def _backward(name):
    def backward(grad, a, results):
        return {"input": getattr(F, f"{name}_backward")(grad, **a)}

    return backward


def _reference(name):
    def expected(a, grad):
        options = {key: value for key, value in a.items() if key not in ("input", "target", "size_average", "reduce")}
        return {
            "output": np.asarray(getattr(reference, name)(a["input"], a["target"], **options)),
            "input": getattr(reference, f"{name}_backward")(grad, a["input"], a["target"], **options),
        }

    return expected


def _axis(x):
    return 1 if x.ndim > 1 else 0


def _counts(a):
    """How many numbers a result sums: the classes, and over all targets."""
    x = a["input"]
    classes = x.shape[_axis(x)]
    total = classes if a["reduction"] == "none" else 2 * x.size
    return {"output": total, "input": total}


def _shares(a):
    """(N, C, ...): the magnitude of the factor of each log-probability, and what a mean divides by."""
    x, target = a["input"].astype(np.float64), a["target"]
    axis = _axis(x)
    classes = x.shape[axis]
    weight = np.ones(classes) if a["weight"] is None else a["weight"].astype(np.float64)
    weight = np.abs(weight).reshape([-1 if each == axis else 1 for each in range(x.ndim)])
    smoothing = a.get("label_smoothing", 0.0)
    if target.dtype.kind == "f":
        return weight * (np.abs(target) * (1 - smoothing) + smoothing / classes), prod(x.shape) / classes
    picked = np.expand_dims(target.astype(np.int64), axis)
    chosen = np.arange(classes).reshape(weight.shape) == picked
    counted = picked != a["ignore_index"]
    divisor = (chosen * weight * counted).sum() or 1.0  # the mean over nothing is NaN whatever the size
    return weight * (chosen * (1 - smoothing) + smoothing / classes) * counted, divisor


def _losses(a, grad, logs):
    """The magnitudes of a loss and of its gradient with respect to the log-probabilities."""
    share, divisor = _shares(a)
    axis = _axis(a["input"])
    each = (share * logs).sum(axis=axis)
    seed = np.abs(grad)
    with np.errstate(all="ignore"):
        if a["reduction"] == "none":
            return each, share * np.expand_dims(seed, axis)
        if a["reduction"] == "sum":
            return each.sum(), share * seed
        return each.sum() / divisor, share * seed / divisor


@np.errstate(invalid="ignore")
def _cross_entropy(a, grad, expected):
    x = a["input"].astype(np.float64)
    axis = _axis(x)
    below = x.max(axis=axis, keepdims=True) - x
    powers = np.exp(-below)
    total = powers.sum(axis=axis, keepdims=True)
    logs = 2 * below + np.log(total) + 1
    loss, slope = _losses(a, grad, logs)
    # A denormal probability is rounded like the smallest normal number, before the gradient multiplies it.
    shares = np.maximum(powers / total, np.finfo(a["input"].dtype).tiny)
    spread = shares * logs * slope.sum(axis=axis, keepdims=True)
    return {"output": loss, "input": slope + spread}


def _nll(a, grad, expected):
    loss, slope = _losses(a, grad, np.abs(a["input"].astype(np.float64)))
    return {"output": loss, "input": slope}


def _draw_mse(d):
    shape = d.sizes(d.integer(0, 4), 1, 6)
    return {
        "input": d.floats(*shape),
        "target": d.floats(*shape),
        "size_average": None,
        "reduce": None,
        "reduction": d.choice("mean", "sum", "none"),
        "weight": d.floats(*shape, low=0.1, high=2) if d.chance(0.3) else None,
    }


def _large_mse(d, batch):
    return {
        "input": d.floats(batch, 161, 503),
        "target": d.floats(batch, 161, 503),
        "reduction": d.choice("mean", "sum", "none"),
    }


def _backward_mse(grad, a, results):
    return {"input": F.mse_loss_backward(grad, **a)}


def _mse_terms(a):
    count = 1 if a.get("reduction") == "none" else a["input"].size
    return {"output": count + 2, "input": 2 + (0 if a.get("weight") is None else count)}


def _mse(a, grad, expected):
    x, t = (a[name].astype(np.float64) for name in ("input", "target"))
    w = 1.0 if a["weight"] is None else a["weight"].astype(np.float64)
    # Only the difference is rounded, and a float's difference is exact where it cancels.
    each, slope = w * (x - t) ** 2, 2 * w * np.abs(x - t) * np.abs(grad)
    total = x.size if a["weight"] is None else w.sum()
    if a["reduction"] == "none":
        return {"output": each, "input": slope}
    if a["reduction"] == "sum":
        return {"output": each.sum(), "input": slope}
    return {"output": each.sum() / total, "input": slope / total}


OPERATORS = [
    Operator(
        name="cross_entropy",
        draw=_draw_cross_entropy,
        backward=_backward("cross_entropy"),
        reference=_reference("cross_entropy"),
        terms=_counts,
        magnitudes=_cross_entropy,
        large=_large_classes,
        images_large=_a_loss_each(_large_classes),
        images=("input", "target"),
        cases=240,
    ),
    Operator(
        name="nll_loss",
        draw=_draw_nll,
        backward=_backward("nll_loss"),
        reference=_reference("nll_loss"),
        terms=_counts,
        magnitudes=_nll,
        large=_large_classes,
        images_large=_a_loss_each(_large_classes),
        images=("input", "target"),
    ),
    Operator(
        name="mse_loss",
        draw=_draw_mse,
        backward=_backward_mse,
        reference=_reference("mse_loss"),
        terms=_mse_terms,
        magnitudes=_mse,
        large=_large_mse,
        images_large=_a_loss_each(_large_mse),
        images=("input", "target"),
    ),
]
