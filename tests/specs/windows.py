"""Windows as columns and back, and padding."""

from math import prod

import reference
from reference import Sum

import fastconv.functional as F
from specs.draw import per_axis
from specs.spec import Operator


def _windows(d):
    """An image, and windows that fit into it."""
    kernel = d.per_axis(2, 1, 4)
    dilation = d.choice(1, d.per_axis(2, 1, 3))
    padding = d.choice(0, d.per_axis(2, 0, 4))
    stride = d.choice(1, d.per_axis(2, 1, 3))
    sizes = zip(*(per_axis(each, 2) for each in (kernel, dilation, padding)), strict=True)
    image = tuple(max(1, r * (k - 1) + 1 - 2 * p) + d.integer(0, 6) for k, r, p in sizes)
    return image, {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}


def _count(image, kernel_size, dilation, padding, stride):
    sizes = zip(image, *(per_axis(each, 2) for each in (kernel_size, dilation, padding, stride)), strict=True)
    return prod((n + 2 * p - r * (k - 1) - 1) // s + 1 for n, k, r, p, s in sizes)


def _draw_unfold(d):
    image, options = _windows(d)
    return {"input": d.floats(*d.batch(), d.integer(1, 4), *image), **options}


def _draw_fold(d):
    image, options = _windows(d)
    rows = d.integer(1, 4) * prod(per_axis(options["kernel_size"], 2))
    x = d.floats(*d.batch(), rows, _count(image, **options))
    size = image[0] if image[0] == image[1] and d.chance() else d.choice(image, list(image))
    return {"input": x, "output_size": size, **options}


def _large_unfold(d, batch):
    return {
        "input": d.floats(batch, 7, 121, 127),
        "kernel_size": 3,
        "dilation": 1,
        "padding": 1,
        "stride": d.choice(1, 2),
    }


def _large_fold(d, batch):
    options = {"kernel_size": 3, "dilation": 1, "padding": 1, "stride": d.choice(1, 2)}
    return {"input": d.floats(batch, 63, _count((121, 127), **options)), "output_size": (121, 127), **options}


def _unfold_backward(grad, a, results):
    options = {key: value for key, value in a.items() if key != "input"}
    return {"input": F.unfold_backward(grad, a["input"].shape, **options)}


def _fold_backward(grad, a, results):
    return {"input": F.fold_backward(grad, **{key: value for key, value in a.items() if key != "input"})}


def _reference_unfold(a, grad):
    batched = a["input"].ndim == 4
    x, g = (a["input"], grad) if batched else (a["input"][None], grad[None])
    options = {key: value for key, value in a.items() if key != "input"}
    output, gx = reference.unfold(x, **options), reference.fold(g, x.shape[2:], **options)
    return {"output": output if batched else output[0], "input": gx if batched else _first(gx)}


def _reference_fold(a, grad):
    batched = a["input"].ndim == 3
    x, g = (a["input"], grad) if batched else (a["input"][None], grad[None])
    options = {key: value for key, value in a.items() if key not in ("input", "output_size")}
    output, gx = reference.fold(x, a["output_size"], **options), reference.unfold(g, **options)
    return {"output": output if batched else _first(output), "input": gx if batched else gx[0]}


def _first(each):
    return Sum(each.value[0], each.magnitude[0], each.terms)


def _terms(a):
    count = prod(per_axis(a["kernel_size"], 2))
    return {"output": count, "input": count}


def _draw_pad(d):
    mode = d.choice("constant", "constant", "reflect", "replicate", "circular")
    if mode == "constant":
        image = d.sizes(d.integer(1, 4), 1, 5)
        pads = []
        for size in image[::-1][: d.integer(1, len(image))]:
            before, after = d.integer(-2, 4), d.integer(-2, 4)
            if size + min(before, 0) + min(after, 0) < 0 or size + before + after < 1:
                before, after = abs(before), abs(after)
            pads += [before, after]
        value = d.choice(None, 0, 1.5, d.number(-3, 3), 2)
        return {"input": d.floats(*image), "pad": d.choice(tuple(pads), list(pads)), "mode": mode, "value": value}
    dims = d.integer(1, 3)
    image = d.sizes(dims, 2, 5)
    most = {"reflect": -1, "circular": 0, "replicate": 3}[mode]
    pads = []
    for size in image[::-1]:
        low = -((size - 1) // 2) if d.chance(0.2) else 0
        before, after = (d.integer(low, size + most) for _ in range(2))
        if mode == "circular":  # around at most once, of what is left
            left = size + min(before, 0) + min(after, 0)
            before, after = min(before, left), min(after, left)
        if size + before + after < 1:
            before = after = 0
        pads += [before, after]
    lead = (*d.batch(), d.integer(1, 4))
    return {"input": d.floats(*lead, *image), "pad": tuple(pads), "mode": mode, "value": d.choice(None, None, 0.0)}


def _large_pad(d, batch):
    mode = d.choice("constant", "reflect", "replicate", "circular")
    return {"input": d.floats(batch, 24, 121, 127), "pad": (1, 2, 3, 4), "mode": mode, "value": None}


def _pad_backward(grad, a, results):
    return {
        "input": F.pad_backward(grad, a["input"].shape, **{key: value for key, value in a.items() if key != "input"})
    }


def _reference_pad(a, grad):
    gx = reference.pad_backward(grad, a["input"].shape, a["pad"], a["mode"])
    return {"output": reference.pad(a["input"], a["pad"], a["mode"], a["value"]), "input": gx}


def _pad_terms(a):
    if a["mode"] == "constant":
        return {}
    sizes = [max(0, p) + max(0, q) + 1 for p, q in zip(a["pad"][::2], a["pad"][1::2], strict=True)]
    return {"input": prod(sizes)}


OPERATORS = [
    Operator(
        name="unfold",
        draw=_draw_unfold,
        backward=_unfold_backward,
        reference=_reference_unfold,
        terms=_terms,
        exact=("output",),
        large=_large_unfold,
        also=("im2col", "im2col_backward"),
    ),
    Operator(
        name="fold",
        draw=_draw_fold,
        backward=_fold_backward,
        reference=_reference_fold,
        terms=_terms,
        absolute=("input",),
        exact=("input",),
        large=_large_fold,
        also=("col2im", "col2im_backward"),
    ),
    Operator(
        name="pad",
        draw=_draw_pad,
        backward=_pad_backward,
        reference=_reference_pad,
        terms=_pad_terms,
        absolute=(),
        exact=("output",),
        large=_large_pad,
        cases=240,
    ),
]
