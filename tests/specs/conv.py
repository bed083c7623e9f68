"""Convolutions and transposed convolutions in one to three dimensions."""

import numpy as np
import reference
import tolerance

import fastconv.functional as F
from specs.draw import per_axis
from specs.spec import Operator

KERNEL = {1: 7, 2: 5, 3: 3}
LONG = {1: 24, 2: 9, 3: 5}


def _channels(d):
    """(groups, channels of a group: in, out); few as a rule, now and then enough to fill vectors."""
    most = d.choice(4, 4, 4, 19)
    if d.chance(0.15):
        return d.integer(2, 12), 1, d.integer(1, 2)  # depthwise
    return d.choice(1, 1, 1, 2, 3), d.integer(1, most), d.integer(1, most)


def _draw(dims):
    def draw(d):
        groups, cin, cout = _channels(d)
        kernel = d.sizes(dims, 1, KERNEL[dims])
        dilation = 1 if d.chance() else d.per_axis(dims, 1, 3)
        stride = 1 if d.chance(0.4) else d.per_axis(dims, 1, 3)
        padding = d.choice(0, "some", "some", "some", "same", "valid")
        if padding == "same":
            stride = d.choice(1, (1,) * dims)
        pads = (0,) * dims
        if padding == "some":
            padding = d.per_axis(dims, 0, KERNEL[dims])
            pads = per_axis(padding, dims)
        reach = [each * (k - 1) + 1 for each, k in zip(per_axis(dilation, dims), kernel, strict=True)]
        low = [1 if padding == "same" else max(1, r - 2 * p) for r, p in zip(reach, pads, strict=True)]
        image = [each + d.integer(0, LONG[dims]) for each in low]
        return {
            "input": d.floats(*d.batch(), groups * cin, *image),
            "weight": d.floats(groups * cout, cin, *kernel),
            "bias": d.floats(groups * cout) if d.chance() else None,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }

    return draw


def _draw_transposed(dims):
    def draw(d):
        groups, cin, cout = _channels(d)
        kernel = d.sizes(dims, 1, KERNEL[dims])
        dilation = 1 if d.chance() else d.per_axis(dims, 1, 3)
        stride = 1 if d.chance(0.3) else d.per_axis(dims, 1, 3)
        room = [max(s, r) - 1 for s, r in zip(per_axis(stride, dims), per_axis(dilation, dims), strict=True)]
        extra = tuple(d.integer(0, each) for each in room)
        extra = d.choice(0, min(extra), extra)
        padding = d.choice(0, d.per_axis(dims, 0, 3))
        image = []
        sizes = (per_axis(each, dims) for each in (kernel, stride, dilation, extra, padding))
        for k, s, r, e, p in zip(*sizes, strict=True):
            least = 1  # until the output has a pixel
            while (least - 1) * s - 2 * p + r * (k - 1) + e + 1 < 1:
                least += 1
            image.append(least + d.integer(0, LONG[dims] - 2))
        return {
            "input": d.floats(*d.batch(), groups * cin, *image),
            "weight": d.floats(groups * cin, cout, *kernel),
            "bias": d.floats(groups * cout) if d.chance() else None,
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "groups": groups,
            "dilation": dilation,
        }

    return draw


LARGE = {1: (3000,), 2: (44, 47), 3: (10, 15, 17)}


def _large(dims, transposed=False, image=None):
    image = image or LARGE[dims]

    def large(d, batch):
        groups = d.choice(1, 2)
        cin, cout = d.choice((16, 24), (9, 11), (24, 16))
        kernel = d.choice(1, 3, 3, 5) if dims < 3 else d.choice(1, 3)
        ends = (groups * cin, cout) if transposed else (groups * cout, cin)
        options = {"stride": d.choice(1, 2), "padding": d.integer(0, kernel // 2)}
        last = {"groups": groups, "dilation": d.choice(1, 1, 2)}
        last = {"output_padding": options["stride"] - 1, **last} if transposed else dict(reversed(last.items()))
        return {
            "input": d.floats(batch, groups * cin, *image),
            "weight": d.floats(*ends, *(kernel,) * dims),
            "bias": d.floats(groups * cout),
            **options,
            **last,
        }

    return large


def _backward(name):
    def backward(grad, a, results):
        options = {key: value for key, value in a.items() if key != "bias"}
        gx, gw, gb = getattr(F, f"{name}_backward")(grad, **options)
        return {"input": gx, "weight": gw, "bias": None if a.get("bias") is None else gb}

    return backward


def _terms(dims, transposed=False):
    def terms(a):
        weight, images = a["weight"].shape, a["input"].shape
        taps = int(np.prod(weight[2:]))
        batch = images[0] if len(images) == dims + 2 else 1
        ends = weight[1] * taps + 1, weight[0] // a["groups"] * taps
        # Every pixel of the image without the batch meets a tap of the weight at most once, so does every output pixel.
        pixels = batch * int(np.prod(images[-dims:]))
        if transposed:
            steps = np.prod(per_axis(a["stride"], dims))
            return {
                "output": ends[1] + 1,
                "input": ends[0],
                "weight": pixels,
                "bias": pixels * int(steps) + taps * batch,
            }
        return {"output": ends[0], "input": ends[1], "weight": pixels, "bias": pixels}

    return terms


def _winograd(dims, transposed=False):
    """In two dimensions, and in one and three as in the rows or planes that they consist of."""
    names = {"output": "output", "input": "grad_input", "weight": "grad_weight"}
    if transposed:
        names = {"output": "grad_input", "input": "output", "weight": "grad_weight"}

    def winograd(a, dtype, result):
        if result not in names:
            return {}
        weight = a["weight"].shape
        options = [per_axis(a[each], dims) for each in ("stride", "dilation")]
        if dims == 1:
            weight = (*weight[:2], 1, weight[2])
            options = [(1, *each) for each in options]
        weight = (*weight[:2], *weight[-2:])
        stride, dilation = (tuple(each[-2:]) for each in options)
        return tolerance.allowance(weight, dtype, names[result], stride, 0, dilation, a["groups"])

    return winograd


def _reference(dims, kind):
    """kind: conv or conv_transpose."""
    forward = getattr(reference, kind, None)
    if not callable(forward):
        forward = reference.conv2d
    back_input = getattr(reference, f"{kind}_backward_input", None) or reference.conv2d_backward_input
    back_weight = getattr(reference, f"{kind}_backward_weight", None) or reference.conv2d_backward_weight
    back_bias = getattr(reference, "conv_backward_bias", None) or reference.conv2d_backward_bias

    def expected(a, grad):
        batched = a["input"].ndim == dims + 2
        x, g = (a["input"], grad) if batched else (a["input"][None], grad[None])
        options = {key: value for key, value in a.items() if key not in ("input", "weight", "bias")}
        output = forward(x, a["weight"], a["bias"], **options)
        gx = back_input(g, x.shape, a["weight"], **options)
        if not batched:
            output, gx = (reference.Sum(each.value[0], each.magnitude[0], each.terms) for each in (output, gx))
        results = {"output": output, "input": gx, "weight": back_weight(g, x, a["weight"].shape, **options)}
        return results if a["bias"] is None else results | {"bias": back_bias(g)}

    return expected


CONVOLUTIONS = [
    Operator(
        name=f"conv{dims}d",
        draw=_draw(dims),
        backward=_backward(f"conv{dims}d"),
        reference=_reference(dims, "conv"),
        terms=_terms(dims),
        absolute=("input", "weight", "bias"),
        winograd=_winograd(dims),
        large=_large(dims),
        cases=180,
    )
    for dims in (1, 2, 3)
]
TRANSPOSED = [
    Operator(
        name=f"conv_transpose{dims}d",
        draw=_draw_transposed(dims),
        backward=_backward(f"conv_transpose{dims}d"),
        reference=_reference(dims, "conv_transpose"),
        terms=_terms(dims, True),
        absolute=("input", "weight", "bias"),
        winograd=_winograd(dims, True),
        large=_large(dims, True),
        cases=150,
    )
    for dims in (1, 2, 3)
]
OPERATORS = [*CONVOLUTIONS, *TRANSPOSED]
