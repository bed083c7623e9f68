"""Normalisation."""

from math import prod

import numpy as np
import reference
from reference import Sum

import fastconv.functional as F
from specs.spec import Operator


def _options(d, shape):
    return {
        "weight": d.floats(*shape) if d.chance(0.7) else None,
        "bias": d.floats(*shape) if d.chance(0.7) else None,
    }


def _numbers(d, *shape):
    x = d.floats(*shape)
    return d.lay(x + d.dtype.type(d.choice(0, 0, 3)))


def _draw_batch_norm(d):
    channels = d.choice(d.integer(1, 5), d.integer(1, 20))
    shape = (d.integer(1, 4), channels, *d.sizes(d.integer(0, 3), 1, 5))
    training = d.chance()
    if training and prod(shape) // channels == 1:
        shape = (2, *shape[1:])
    running = not training or d.chance(0.7)
    options = _options(d, (channels,))
    mean, variance = (np.array(each) for each in (d.floats(channels), d.floats(channels, low=0.2, high=3)))
    return {
        "input": _numbers(d, *shape),
        "running_mean": mean if running else None,
        "running_var": variance if running else None,
        **options,
        "training": training,
        "momentum": d.choice(0.1, 0.3, 1.0, 0.0),
        "eps": d.choice(1e-5, 1e-3),
    }


def _draw_layer_norm(d):
    normalized = d.sizes(d.integer(1, 3), 1, 6)
    if d.chance(0.3):
        normalized = (d.integer(1, 200),)
    lead = d.sizes(d.integer(0, 3), 1, 4)
    shown = d.choice(normalized, list(normalized))
    return {
        "input": _numbers(d, *lead, *normalized),
        "normalized_shape": shown,
        **_options(d, normalized),
        "eps": d.choice(1e-5, 1e-3),
    }


def _draw_group_norm(d):
    groups, of_group = d.integer(1, 4), d.integer(1, 5)
    channels = groups * of_group
    shape = (d.integer(1, 4), channels, *d.sizes(d.integer(0, 3), 1, 5))
    if prod(shape) // (shape[0] * groups) == 1:  # torch refuses one value a group
        shape = (*shape, 2)
    return {
        "input": _numbers(d, *shape),
        "num_groups": groups,
        **_options(d, (channels,)),
        "eps": d.choice(1e-5, 1e-3),
    }


def _draw_response(d):
    shape = (d.integer(1, 3), d.integer(1, 9), *d.sizes(d.integer(1, 3), 1, 5))
    return {
        "input": d.floats(*shape),
        "size": d.integer(1, 7),
        "alpha": d.choice(1e-4, 0.5, 0.9),
        "beta": d.choice(0.75, 0.5, 1.0, 0.3),
        "k": d.choice(1.0, 2.0, 1),
    }


def _large_batch_norm(training):
    def large(d, batch):
        options = {"weight": d.floats(19), "bias": d.floats(19), "training": training}
        running = {"running_mean": d.floats(19), "running_var": d.floats(19, low=0.2, high=3)}
        return {"input": d.floats(batch, 19, 67, 71), **running, **options}

    return large


def _large_layer_norm(d, batch):
    return {
        "input": d.floats(batch, 130, 311),
        "normalized_shape": (311,),
        "weight": d.floats(311),
        "bias": d.floats(311),
    }


def _large_group_norm(d, batch):
    return {"input": d.floats(batch, 20, 67, 71), "num_groups": 4, "weight": d.floats(20), "bias": d.floats(20)}


def _large_response(d, batch):
    return {"input": d.floats(batch, 20, 67, 71), "size": 5, "alpha": 0.1, "beta": 0.75, "k": 1.0}


def _split(kind, a):
    """Which axes a mean runs over, of which view of the input; the weight in that view."""
    x = np.asarray(a["input"], np.float64)
    if kind == "batch":
        axes, affine = tuple(axis for axis in range(x.ndim) if axis != 1), (1, -1, *(1,) * (x.ndim - 2))
    elif kind == "layer":
        axes = tuple(range(x.ndim - len(a["normalized_shape"]), x.ndim))
        affine = tuple(a["normalized_shape"])
    else:
        groups = a["num_groups"]
        x = x.reshape(x.shape[0], groups, x.shape[1] // groups, -1)
        axes, affine = (2, 3), (1, groups, x.shape[2], 1)
    return x, axes, affine


def _fit(sizes, shape):
    return sizes.reshape(shape) if sizes.size == prod(shape) else np.broadcast_to(sizes, shape)


def _norm(kind):
    def magnitudes(a, grad, expected):
        """y = w * xhat + b with xhat = (x - mean) / sqrt(var + eps); everything with plus signs."""
        x, axes, affine = _split(kind, a)
        g = np.abs(grad).reshape(x.shape)
        fixed = kind == "batch" and not a["training"]
        w = np.ones(1) if a["weight"] is None else np.abs(np.asarray(a["weight"], np.float64)).reshape(affine)
        b = np.zeros(1) if a["bias"] is None else np.abs(np.asarray(a["bias"], np.float64)).reshape(affine)
        if fixed:
            mean, var = (np.asarray(a[each], np.float64).reshape(affine) for each in ("running_mean", "running_var"))
            size = np.abs(x) + np.abs(mean)
            wrong = np.ones(1)
        else:
            mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
            size = np.abs(x) + np.abs(x).mean(axis=axes, keepdims=True)
            # How the roundings of x - mean show in the variance
            wrong = 1 + (np.abs(x - mean) * size).mean(axis=axes, keepdims=True) / (var + a["eps"])
        scale = 1 / np.sqrt(var + a["eps"])
        hat = size * scale + np.abs(x - mean) * scale * wrong
        over = tuple(axis for axis, each in enumerate((1,) * (x.ndim - len(affine)) + affine) if each == 1)
        sums = {"output": w * hat + b, "weight": (g * hat).sum(axis=over), "bias": g.sum(axis=over)}
        pull = w * g
        if fixed:
            sums["input"] = pull * scale
        else:
            along = (pull * hat).mean(axis=axes, keepdims=True)
            sums["input"] = scale * wrong * (pull + pull.mean(axis=axes, keepdims=True) + hat * along)
        for name in ("running_mean", "running_var"):
            if a.get(name) is not None:
                m = a["momentum"]
                new = np.abs(x).mean(axis=axes) if name == "running_mean" else (np.abs(x - mean) * size).mean(axis=axes)
                count = prod(x.shape) / a[name].size
                new = new * (count / max(count - 1, 1))
                sums[name] = np.abs(a[name]) * (1 - m) + m * (new if a["training"] else 0) + m * np.abs(a[name])
        return {name: _fit(sums[name], np.shape(value)) for name, value in expected.items()}

    return magnitudes


def _norm_terms(kind):
    def terms(a):
        x, axes, affine = _split(kind, a)
        count = prod(x.shape[axis] for axis in axes)
        across = x.size // (x.shape[1] if kind == "batch" else prod(affine))
        return {
            "output": count + 2,
            "input": 2 * count + 2,
            "weight": across + count,
            "bias": across,
            "running_mean": count + 2,
            "running_var": count + 2,
        }

    return terms


def _response(a, grad, expected):
    """y = x * q^-beta with q = k + alpha * mean of the squares of the channels around."""
    x = np.asarray(a["input"], np.float64)
    size, alpha, beta, k = (a[each] for each in ("size", "alpha", "beta", "k"))

    def around(values, before, after):
        padded = np.pad(values, [(0, 0), (before, after)] + [(0, 0)] * (x.ndim - 2))
        return sum(padded[:, each : each + x.shape[1]] for each in range(size))

    q = k + alpha / size * around(x * x, size // 2, (size - 1) // 2)
    power = q**-beta
    g = np.abs(grad)
    back = around(g * np.abs(x) * power / q, (size - 1) // 2, size // 2)
    # A power costs as many roundings as the logarithm inside is large.
    steep = 2 + np.abs(beta * np.log(q))
    return {
        "output": np.abs(x) * power * steep,
        "input": steep.max() * (g * power + 2 * alpha * beta / size * np.abs(x) * back),
    }


def _affine_backward(name):
    def backward(grad, a, results):
        options = {key: value for key, value in a.items() if key not in ("bias", "momentum")}
        gx, gw, gb = getattr(F, f"{name}_backward")(grad, **options)
        return {
            "input": gx,
            "weight": None if a.get("weight") is None else gw,
            "bias": None if a.get("bias") is None else gb,
        }

    return backward


def _reference(name):
    def expected(a, grad):
        options = {key: value for key, value in a.items() if key != "input"}
        output = getattr(reference, name)(a["input"], **options)
        options = {key: value for key, value in options.items() if key not in ("bias", "momentum")}
        gradients = getattr(reference, f"{name}_backward")(grad, a["input"], **options)
        if name == "local_response_norm":
            return {"output": output, "input": gradients}
        results = {"output": output, "input": gradients[0]}
        for key, gradient in zip(("weight", "bias"), gradients[1:], strict=True):
            if a[key] is not None:
                results[key] = gradient
        running = ("running_mean", "running_var")
        if a.get("running_mean") is not None:
            before = [a[key] for key in running]
            after = reference.batch_norm_running(a["input"], *before, a["momentum"]) if a["training"] else before
            results |= dict(zip(running, after, strict=True))
        # The magnitudes below take the place of the reference's own: torch's results need them too.
        return {key: each.value if isinstance(each, Sum) else each for key, each in results.items()}

    return expected


def _backward_response(grad, a, results):
    return {"input": F.local_response_norm_backward(grad, **a)}


OPERATORS = [
    Operator(
        name="batch_norm",
        draw=_draw_batch_norm,
        backward=_affine_backward("batch_norm"),
        reference=_reference("batch_norm"),
        terms=_norm_terms("batch"),
        magnitudes=_norm("batch"),
        updates=("running_mean", "running_var"),
        large=_large_batch_norm(True),
        images_large=_large_batch_norm(False),
        cases=200,
    ),
    Operator(
        name="layer_norm",
        draw=_draw_layer_norm,
        backward=_affine_backward("layer_norm"),
        reference=_reference("layer_norm"),
        terms=_norm_terms("layer"),
        magnitudes=_norm("layer"),
        large=_large_layer_norm,
    ),
    Operator(
        name="group_norm",
        draw=_draw_group_norm,
        backward=_affine_backward("group_norm"),
        reference=_reference("group_norm"),
        terms=_norm_terms("group"),
        magnitudes=_norm("group"),
        large=_large_group_norm,
    ),
    Operator(
        name="local_response_norm",
        draw=_draw_response,
        backward=_backward_response,
        reference=_reference("local_response_norm"),
        terms=lambda a: {"output": a["size"] + 2, "input": 2 * a["size"] + 2},
        magnitudes=_response,
        large=_large_response,
    ),
]
