"""The steps where branches meet: sums and joins of several values."""

from math import prod

from fastconv import _arguments as args
from fastconv.kernels import join
from fastconv.kernels.operators import Sum
from fastconv.plan.steps import Place, Shape, Step


def add(place: Place) -> Step:
    """Where the branches of a Residual meet: two sources of place.input_shape."""
    shapes, prepared = (place.input_shape, place.input_shape), Sum(prod(place.input_shape), place.dtype.itemsize)
    return _meeting(place, "add", shapes, place.input_shape, prepared.forward, in_place=True, prepared=prepared)


def concatenate(place: Place, shapes: list[Shape], dim: int) -> Step:
    """Where the branches of a Concat meet, which give these shapes."""
    axis, (_, *output_shape) = args.cat([(1, *shape) for shape in shapes], dim, "branches")
    widths = [prod(shape[axis - 1 :]) for shape in shapes]

    def run(*arrays):
        *parts, y = arrays
        rows, at = y.size // sum(widths) if y.size else 0, 0
        for part, width in zip(parts, widths, strict=True):
            if part.size:
                join.copy_columns(part, 0, y, at, rows)
            at += width

    return _meeting(place, "copy", tuple(shapes), tuple(output_shape), run)


def _meeting(place, dataflow, shapes, output_shape, run, in_place=False, prepared=None):
    return Step(
        name=place.name,
        dataflow=dataflow,
        input_shape=shapes[0],
        output_shape=output_shape,
        macs=0,
        bytes=(sum(map(prod, shapes)) + prod(output_shape)) * place.dtype.itemsize,
        source_shapes=tuple((1, *shape) for shape in shapes),
        target_shape=(1, *output_shape),
        run=run,
        in_place=in_place,
        prepared=prepared,
    )
