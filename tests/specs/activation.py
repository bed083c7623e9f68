"""Activations: a number at a time, and softmax along an axis."""

import numpy as np
import reference

import fastconv.functional as F
from specs.spec import Operator


def _numbers(d, shape):
    """Small, ordinary and so large that an exponential saturates or overflows."""
    spread = d.choice(1.0, 1.0, 4.0, 30.0)
    x = d.floats(*shape) * d.dtype.type(spread)
    if x.ndim and x.size and d.chance(0.3):
        x[d.rng.random(x.shape) < 0.3] = 0
    return d.lay(np.asarray(x))


def _shape(d):
    return d.sizes(d.integer(0, 4), 1, 7)


def _draw(**options):
    """options: how to draw each of them."""

    def draw(d):
        return {"input": _numbers(d, _shape(d)), **{name: how(d) for name, how in options.items()}}

    return draw


def _never(d):
    return False


def _large(d, batch):
    return {"input": _numbers(d, (batch, 160, 501))}


def _of_input(name, options=()):
    """The gradient from the forward's input."""

    def backward(grad, a, results):
        kept = {key: a[key] for key in options if key in a}
        return {"input": getattr(F, f"{name}_backward")(grad, a["input"], **kept)}

    return backward


def _of_output(name, options=()):
    """The gradient from the forward's output."""

    def backward(grad, a, results):
        kept = {key: a[key] for key in options if key in a}
        return {"input": getattr(F, f"{name}_backward")(grad, results["output"], **kept)}

    return backward


def _reference(name, *options, of="input"):
    """options: those that the reference takes, forward and backward."""

    def expected(a, grad):
        kept = {key: _dim(a) if key == "dim" else a[key] for key in options}
        y = getattr(reference, name)(a["input"], **kept)
        gx = getattr(reference, f"{name}_backward")(grad, a["input"] if of == "input" else y, **kept)
        return {"output": y, "input": gx}

    return expected


def _f64(a, *names):
    return [np.asarray(a[name], np.float64) for name in names]


def _plain(a, grad, expected):
    """Each result rounded where it stands."""
    return {name: np.abs(value) for name, value in expected.items()}


def _rounded(a, y):
    """The magnitude of a factor between 0 and 1: a denormal is rounded like the smallest normal number."""
    return np.maximum(y, np.finfo(a["input"].dtype).tiny)


def _logistic(a, grad, expected):
    y = expected["output"]
    return {"output": y, "input": np.abs(grad) * _rounded(a, y) * (1 + y)}  # y (1 - y)


def _tangent(a, grad, expected):
    y = expected["output"]
    return {"output": np.abs(y), "input": np.abs(grad) * (1 + y * y)}


def _silu(a, grad, expected):
    (x,) = _f64(a, "input")
    y = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return {"output": np.abs(x * y), "input": np.abs(grad) * _rounded(a, y) * (1 + np.abs(x) * (1 + y))}


def _gelu(a, grad, expected):
    """x * (1 + erf) / 2 with erf near -1 for negative x: what is summed is not small where the sum is."""
    (x,) = _f64(a, "input")
    if a["approximate"] == "tanh":  # torch's slope has 1 - tanh^2, which cancels in the tails
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x * x)
        return {"output": np.abs(x), "input": np.abs(grad) * (1 + np.abs(x) * inner)}
    slope = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    return {"output": np.abs(x), "input": np.abs(grad) * (1 + np.abs(x) * slope * (1 + x * x))}


def _elu(a, grad, expected):
    x, alpha = _f64(a, "input")[0], abs(a.get("alpha", 1.0))
    below = alpha * _rounded(a, np.exp(np.minimum(x, 0)))
    return {"output": np.abs(expected["output"]), "input": np.abs(grad) * np.where(x > 0, 1, below)}


def _prelu_terms(a):
    x = a["input"]
    return {"weight": x.size // (x.shape[1] if x.ndim > 1 and a["weight"].size > 1 else 1)}


def _draw_prelu(d):
    x = _numbers(d, _shape(d))
    channels = d.choice(1, x.shape[1] if x.ndim > 1 else 1)
    return {"input": x, "weight": d.floats(channels)}


def _large_prelu(d, batch):
    return {**_large(d, batch), "weight": d.floats(160)}


def _backward_prelu(grad, a, results):
    gx, gw = F.prelu_backward(grad, a["input"], a["weight"])
    return {"input": gx, "weight": gw}


def _reference_prelu(a, grad):
    gx, gw = reference.prelu_backward(grad, a["input"], a["weight"])[:2]
    return {"output": reference.prelu(a["input"], a["weight"]), "input": gx, "weight": gw}


def _prelu(a, grad, expected):
    x, w = _f64(a, "input", "weight")
    parts = np.where(x > 0, 0, np.abs(grad * x))
    if w.size > 1:
        parts = parts.sum(axis=tuple(axis for axis in range(x.ndim) if axis != 1))
    return {**_plain(a, grad, expected), "weight": parts.sum().reshape(1) if w.size == 1 else parts}


def _draw_softmax(d):
    x = _numbers(d, d.sizes(d.integer(1, 4), 1, d.choice(6, 9)) if d.chance(0.8) else (3, d.integer(1, 300)))
    dim = None if d.chance(0.1) else d.integer(-x.ndim, x.ndim - 1)
    return {"input": x, "dim": dim, "_stacklevel": d.choice(3, 3, 5), "dtype": None}


def _large_softmax(d, batch):
    return {**_large(d, batch), "dim": d.choice(1, 2, -1)}


def _dim(a):
    """torch's choice where nothing is said, with a warning that it is deprecated."""
    if a.get("dim") is None:
        return 0 if a["input"].ndim in (0, 1, 3) else 1
    return a["dim"]


def _softmax_terms(a):
    count = a["input"].shape[_dim(a)]
    return {"output": count, "input": count}


def _below(a):
    """How far each number is below the largest along the axis: the difference is rounded before exp amplifies it."""
    (x,) = _f64(a, "input")
    return x.max(axis=_dim(a), keepdims=True) - x


def _softmax(a, grad, expected):
    y = expected["output"] * (1 + _below(a))
    g = np.abs(grad)
    return {"output": y, "input": _rounded(a, y) * (g + (g * y).sum(axis=_dim(a), keepdims=True))}


def _log_softmax(a, grad, expected):
    logs = expected["output"]
    size = np.abs(logs) + _below(a) + 1
    return {
        "output": size,
        "input": np.abs(grad) + _rounded(a, np.exp(logs)) * size * np.abs(grad).sum(axis=_dim(a), keepdims=True),
    }


OPERATORS = [
    Operator(
        name="relu",
        draw=_draw(inplace=_never),
        backward=_of_input("relu"),
        reference=_reference("relu"),
        exact=("output", "input"),
        large=_large,
    ),
    Operator(
        name="leaky_relu",
        draw=_draw(negative_slope=lambda d: d.choice(0.01, 0.2, 0.0, -0.5), inplace=_never),
        backward=_of_input("leaky_relu", ("negative_slope",)),
        reference=_reference("leaky_relu", "negative_slope"),
        magnitudes=_plain,
        large=_large,
    ),
    Operator(
        name="prelu",
        draw=_draw_prelu,
        backward=_backward_prelu,
        reference=_reference_prelu,
        terms=_prelu_terms,
        magnitudes=_prelu,
        large=_large_prelu,
    ),
    Operator(
        name="relu6",
        draw=_draw(inplace=_never),
        backward=_of_input("relu6"),
        reference=_reference("relu6"),
        exact=("output", "input"),
        large=_large,
    ),
    Operator(
        name="elu",
        draw=_draw(alpha=lambda d: d.choice(1.0, 0.3, 2.0, 1), inplace=_never),
        backward=_of_input("elu", ("alpha",)),
        reference=_reference("elu", "alpha"),
        magnitudes=_elu,
        large=_large,
    ),
    Operator(
        name="gelu",
        draw=_draw(approximate=lambda d: d.choice("none", "tanh")),
        backward=_of_input("gelu", ("approximate",)),
        reference=_reference("gelu", "approximate"),
        magnitudes=_gelu,
        large=_large,
    ),
    Operator(
        name="silu",
        draw=_draw(inplace=_never),
        backward=_of_input("silu"),
        reference=_reference("silu"),
        magnitudes=_silu,
        large=_large,
    ),
    Operator(
        name="sigmoid",
        draw=_draw(),
        backward=_of_output("sigmoid"),
        reference=_reference("sigmoid", of="output"),
        magnitudes=_logistic,
        large=_large,
    ),
    Operator(
        name="tanh",
        draw=_draw(),
        backward=_of_output("tanh"),
        reference=_reference("tanh", of="output"),
        magnitudes=_tangent,
        large=_large,
    ),
    Operator(
        name="softmax",
        draw=_draw_softmax,
        backward=_of_output("softmax", ("dim",)),
        reference=_reference("softmax", "dim", of="output"),
        terms=_softmax_terms,
        magnitudes=_softmax,
        large=_large_softmax,
    ),
    Operator(
        name="log_softmax",
        draw=_draw_softmax,
        backward=_of_output("log_softmax", ("dim",)),
        reference=_reference("log_softmax", "dim", of="output"),
        terms=_softmax_terms,
        magnitudes=_log_softmax,
        large=_large_softmax,
    ),
]
