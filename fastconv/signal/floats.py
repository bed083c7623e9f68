"""Sums of floating-point products, by the kernel of conv2d: images of one channel."""

from itertools import product
from math import prod

import numpy as np

from fastconv import _arguments as args
from fastconv.kernels.conv import conv2d_forward


def correlation(x, w, axes, before, size):
    """y[m] = sum over j of x[m + j - before] * w[j] along `axes`, zeros outside; broadcast along the other axes.

    x and w are alike float32 or float64 and of one rank; before >= 0.
    """
    if x.ndim == 2 == len(axes):
        y = np.empty(size, x.dtype)
        _images(args.contiguous(x)[None, None], args.contiguous(w)[None, None], before, y[None, None])
        return y
    if len(axes) == 1:
        return _one_axis(x, w, axes[0], before[0], size[0])
    return _planes(x, w, axes, before, size)


def _images(x, w, before, y):
    """x: (N, G, H, W); w: (G * O, 1, KH, KW); y: (N, G * O, OH, OW)."""
    conv2d_forward(x, w, None, y, 1, 1, before[0], before[1], 1, 1, x.shape[1])


def _one_axis(x, w, axis, before, size):
    """With a second axis for the image: one along which w has length one, and so one tap, or a new one."""
    others = [a for a in range(x.ndim) if a != axis and w.shape[a] == 1]
    if not others:
        return _planes(x[None], w[None], (0, axis + 1), (0, before), (1, size))[0]
    other = others[-1]
    if other < axis:
        return _planes(x, w, (other, axis), (0, before), (x.shape[other], size))
    return _planes(x, w, (axis, other), (before, 0), (size, x.shape[other]))


def _planes(x, w, axes, before, size):
    """x as (leading axes, images, groups, H, W), w as (leading axes, groups * outputs, 1, KH, KW): the batch of x alone
    goes to the images, the batch of both to the groups, the batch of w alone to the outputs of each group."""
    batch = [a for a in range(x.ndim) if a not in axes]
    alone = [a for a in batch if w.shape[a] == 1]
    outputs = [a for a in batch if w.shape[a] > 1 and x.shape[a] == 1]
    groups = [a for a in batch if w.shape[a] > 1 and x.shape[a] > 1]
    leading, plane = list(axes[:-2]), list(axes[-2:])

    order = leading + alone + groups + outputs + plane
    source, kernel = x.transpose(order), w.transpose(order)
    N, G, filters = (prod(each.shape[a] for a in b) for each, b in ((x, alone), (x, groups), (w, groups + outputs)))
    source = source.reshape(*source.shape[: len(leading)], N, G, *source.shape[-2:])
    kernel = kernel.reshape(*kernel.shape[: len(leading)], filters, 1, *kernel.shape[-2:])
    y = _leading(source, kernel, before, size)

    counts = [*size[:-2], *(x.shape[a] for a in alone + groups), *(w.shape[a] for a in outputs), *size[-2:]]
    return np.ascontiguousarray(y.reshape(counts).transpose(np.argsort(order)))


def _leading(x, w, before, size):
    """The images' sums, added up over the taps along the leading axes: (leading sizes, images, filters, OH, OW)."""
    count = len(size) - 2
    shape = (*size[:count], x.shape[count], w.shape[count], *size[count:])
    x, w = args.contiguous(x), args.contiguous(w)
    if not count:
        y = np.empty(shape, x.dtype)
        _images(x, w, before, y)
        return y
    if not np.isfinite(w).all():  # then the zeros outside count: they stand there
        extents = tuple(n + k - 1 for n, k in zip(size, w.shape[:count], strict=False))
        outside = np.zeros((*extents, *x.shape[count:]), x.dtype)
        outside[tuple(slice(p, p + n) for p, n in zip(before[:count], x.shape[:count], strict=True))] = x
        x, before = outside, (*[0] * count, *before[count:])
    y = np.zeros(shape, x.dtype)
    for taps in product(*map(range, w.shape[:count])):
        into, out_of = [], []
        for p, tap, n, length in zip(before[:count], taps, size[:count], x.shape[:count], strict=True):
            low = max(p - tap, 0)
            high = max(min(length + p - tap, n), low)
            into.append(slice(low, high))
            out_of.append(slice(low + tap - p, high + tap - p))
        source, target = x[tuple(out_of)], y[tuple(into)]
        if target.size:
            part = np.empty(target.shape, x.dtype)
            _images(
                args.contiguous(source).reshape(-1, *x.shape[count + 1 :]),
                w[taps],
                before[count:],
                part.reshape(-1, *shape[count + 1 :]),
            )
            with np.errstate(invalid="ignore", over="ignore"):  # as silent as a sum within the kernel
                target += part
    return y


def leave_out_padding(y, x, w, axis, before):
    """Takes the products with the zeros outside out of y, a correlation along one axis with a w that is not finite.

    Only the windows at the two ends reach outside, so only theirs are summed again, a tap at a time."""
    size, N, M = y.shape[axis], x.shape[axis], w.shape[axis]
    strange = ~np.isfinite(w).all(axis=axis)[..., None]
    x, w, y = (np.moveaxis(array, axis, -1) for array in (x, w, y))
    inside = min(before, size), max(before + N - M + 1, before)  # the first window inside, and the first behind it
    with np.errstate(invalid="ignore", over="ignore"):
        for start, stop in ((0, inside[0]), (inside[1], size)):
            end = np.zeros((*y.shape[:-1], max(stop - start, 0)), y.dtype)
            for tap in range(M):
                low, high = max(before - tap, start), min(N + before - tap, stop)
                if low < high:
                    shift = tap - before
                    end[..., low - start : high - start] += x[..., low + shift : high + shift] * w[..., tap : tap + 1]
            np.copyto(y[..., start:stop], end, where=strange)
