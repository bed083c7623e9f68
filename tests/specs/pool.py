"""Pooling: windows, adaptive windows, and the way back from a maximum to its place."""

from math import prod

import numpy as np
import reference

import fastconv.functional as F
from specs.draw import per_axis
from specs.spec import Operator

LONG = {1: 20, 2: 8, 3: 4}
LARGE = {1: (3001,), 2: (51, 57), 3: (11, 13, 17)}


def _windows(d, dims, dilated):
    """Options whose windows fit, and the image. A window never lies wholly in the padding: its index would be torch's
    own affair."""
    kernel = d.per_axis(dims, 1, 4)
    kernels = per_axis(kernel, dims)
    stride = d.choice(None, None, d.per_axis(dims, 1, 3), d.per_axis(dims, 1, 6))
    dilation = d.per_axis(dims, 1, 3) if dilated and d.chance(0.4) else 1
    padding = d.choice(0, d.integer(0, min(kernels) // 2), tuple(d.integer(0, k // 2) for k in kernels))
    image = [
        max(1, r, r * (k - 1) + 1 - 2 * p) + d.integer(0, LONG[dims])
        for k, p, r in zip(kernels, per_axis(padding, dims), per_axis(dilation, dims), strict=True)
    ]
    return image, {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        **({"dilation": dilation} if dilated else {}),
        "ceil_mode": d.chance(0.4),
    }


def _images(d, image):
    return d.floats(*d.batch(), d.integer(1, 5), *image)


def _draw_max(dims):
    def draw(d):
        image, options = _windows(d, dims, True)
        return {"input": _images(d, image), **options, "return_indices": d.chance(0.8)}

    return draw


def _draw_average(dims):
    def draw(d):
        image, options = _windows(d, dims, False)
        if dims == 3:  # torch wants the window inside the image, without its padding
            image = [max(each) for each in zip(image, per_axis(options["kernel_size"], 3), strict=True)]
        divisor = {} if dims == 1 else {"divisor_override": d.choice(None, None, d.integer(1, 9), -3)}
        return {"input": _images(d, image), **options, "count_include_pad": d.chance(), **divisor}

    return draw


def _draw_adaptive(dims, maximum):
    def draw(d):
        image = d.sizes(dims, 1, LONG[dims] + 3)
        size = d.per_axis(dims, 1, 6)
        if dims > 1 and d.chance(0.3):
            size = tuple(d.choice(None, each) for each in per_axis(size, dims))
        if not maximum:
            return {"input": _images(d, image), "output_size": size}
        return {"input": _images(d, image), "output_size": size, "return_indices": d.chance(0.8)}

    return draw


def _draw_unpool(dims):
    def draw(d):
        kernel = d.per_axis(dims, 1, 4)
        kernels = per_axis(kernel, dims)
        stride = d.choice(None, None, d.per_axis(dims, 1, 4))
        steps = kernels if stride is None else per_axis(stride, dims)
        padding = d.choice(0, 0, tuple(d.integer(0, (k - 1) // 2) for k in kernels))
        image = d.sizes(dims, 1, LONG[dims] // 2 + 1)
        sizes = zip(image, kernels, steps, per_axis(padding, dims), strict=True)
        plane = [(n - 1) * s - 2 * p + k for n, k, s, p in sizes]
        x = _images(d, image)
        output_size = None
        if d.chance():
            plane = [max(1, n + d.integer(1 - s, s - 1)) for n, s in zip(plane, steps, strict=True)]
            plane = [n + 1 if n == m - s else n for n, m, s in zip(plane, plane, steps, strict=True)]
            output_size = d.choice(tuple(plane), list(plane))
            if x.ndim == dims + 2 and d.chance(0.3):
                output_size = (*x.shape[:2], *plane)
        if prod(plane) < prod(image):  # places for all of them are wanted
            return draw(d)
        indices = np.empty(x.shape, np.int64)
        for at in np.ndindex(*x.shape[:-dims]):
            indices[at] = d.rng.permutation(prod(plane))[: prod(image)].reshape(image)
        return {
            "input": x,
            "indices": d.lay(indices),
            "kernel_size": kernel,
            "stride": stride,
            "padding": padding,
            "output_size": output_size,
        }

    return draw


def _large_window(dims, maximum):
    def large(d, batch):
        kernel, stride = d.choice((2, 2), (3, 2), (3, 1))
        options = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2}
        if maximum:
            options |= {"dilation": 1, "ceil_mode": False, "return_indices": True}
        return {"input": d.floats(batch, 40, *LARGE[dims]), **options}

    return large


def _large_adaptive(dims, maximum):
    def large(d, batch):
        size = {1: 700, 2: (29, 17), 3: (6, 7, 8)}[dims]
        options = {"return_indices": True} if maximum else {}
        return {"input": d.floats(batch, 40, *LARGE[dims]), "output_size": size, **options}

    return large


def _large_unpool(dims):
    def large(d, batch):
        shape = (batch, 40, *LARGE[dims])
        # Each value somewhere in its own window of 2 x ... x 2
        places = [2 * each + d.rng.integers(0, 2, shape) for each in np.indices(shape)[2:]]
        indices = np.zeros(shape, np.int64)
        for place, size in zip(places, LARGE[dims], strict=True):
            indices = indices * (2 * size) + place
        return {"input": d.floats(*shape), "indices": indices, "kernel_size": 2}

    return large


def _backward_max(name):
    def backward(grad, a, results):
        indices = results.get("indices")
        if indices is None:
            _, indices = getattr(F, name)(**{**a, "return_indices": True})
        options = {key: value for key, value in a.items() if key not in ("input", "return_indices", "output_size")}
        return {"input": getattr(F, f"{name}_backward")(grad, indices, a["input"].shape, **options)}

    return backward


def _backward_average(name):
    def backward(grad, a, results):
        # An adaptive window's size follows from the gradient's own.
        options = {key: value for key, value in a.items() if key not in ("input", "output_size")}
        return {"input": getattr(F, f"{name}_backward")(grad, a["input"].shape, **options)}

    return backward


def _backward_unpool(name):
    def backward(grad, a, results):
        options = {key: value for key, value in a.items() if key not in ("input", "indices")}
        return {"input": getattr(F, f"{name}_backward")(grad, a["indices"], a["input"].shape, **options)}

    return backward


def _window_terms(dims):
    def terms(a):
        count = prod(per_axis(a["kernel_size"], dims))
        return {"output": count, "input": count}

    return terms


def _adaptive_terms(dims):
    def terms(a):
        image, size = a["input"].shape[-dims:], _size(a, dims)
        return {
            "output": prod(-(-n // s) + 1 for n, s in zip(image, size, strict=True)),
            "input": prod(-(-s // n) + 1 for n, s in zip(image, size, strict=True)),
        }

    return terms


def _options(a, *without):
    return {key: value for key, value in a.items() if key not in ("input", "indices", "output_size", *without)}


def _size(a, dims):
    image = a["input"].shape[-dims:]
    return tuple(n if s is None else s for s, n in zip(per_axis(a["output_size"], dims), image, strict=True))


def _maxima(a, grad, dims, output, indices):
    gx = reference.scattered(grad, indices, a["input"].shape, dims, True)
    results = {"output": output, "input": gx}
    return results | {"indices": indices} if a["return_indices"] else results


def _reference_max(dims):
    def expected(a, grad):
        return _maxima(a, grad, dims, *reference.max_pool(a["input"], dims, **_options(a, "return_indices")))

    return expected


def _reference_average(dims):
    def expected(a, grad):
        return {
            "output": reference.avg_pool(a["input"], dims, **_options(a)),
            "input": reference.avg_pool_backward(grad, a["input"].shape, dims, **_options(a)),
        }

    return expected


def _reference_adaptive_max(dims):
    def expected(a, grad):
        return _maxima(a, grad, dims, *reference.adaptive_max_pool(a["input"], dims, _size(a, dims)))

    return expected


def _reference_adaptive_average(dims):
    def expected(a, grad):
        return {
            "output": reference.adaptive_avg_pool(a["input"], dims, _size(a, dims)),
            "input": reference.adaptive_avg_pool_backward(grad, a["input"].shape, dims),
        }

    return expected


def _reference_unpool(dims):
    def expected(a, grad):
        put = reference.scattered(a["input"], a["indices"], grad.shape, dims, False)
        return {"output": put.value, "input": reference.gathered(grad, a["indices"], dims)}

    return expected


OPERATORS = []
for _dims in (1, 2, 3):
    OPERATORS += [
        Operator(
            name=f"max_pool{_dims}d",
            draw=_draw_max(_dims),
            backward=_backward_max(f"max_pool{_dims}d"),
            reference=_reference_max(_dims),
            terms=_window_terms(_dims),
            exact=("output",),
            large=_large_window(_dims, True),
        ),
        Operator(
            name=f"avg_pool{_dims}d",
            draw=_draw_average(_dims),
            backward=_backward_average(f"avg_pool{_dims}d"),
            reference=_reference_average(_dims),
            terms=_window_terms(_dims),
            absolute=("input", "divisor_override"),
            large=_large_window(_dims, False),
        ),
        Operator(
            name=f"adaptive_max_pool{_dims}d",
            draw=_draw_adaptive(_dims, True),
            backward=_backward_max(f"adaptive_max_pool{_dims}d"),
            reference=_reference_adaptive_max(_dims),
            terms=_adaptive_terms(_dims),
            exact=("output",),
            large=_large_adaptive(_dims, True),
        ),
        Operator(
            name=f"adaptive_avg_pool{_dims}d",
            draw=_draw_adaptive(_dims, False),
            backward=_backward_average(f"adaptive_avg_pool{_dims}d"),
            reference=_reference_adaptive_average(_dims),
            terms=_adaptive_terms(_dims),
            absolute=("input",),
            large=_large_adaptive(_dims, False),
        ),
        Operator(
            name=f"max_unpool{_dims}d",
            draw=_draw_unpool(_dims),
            backward=_backward_unpool(f"max_unpool{_dims}d"),
            reference=_reference_unpool(_dims),
            exact=("output", "input"),
            images=("input", "indices"),
            large=_large_unpool(_dims),
        ),
    ]
