"""Working memory is kept for the next call (src/memory.c), with whatever stood in it: no result may depend on that."""

from zlib import crc32

import numpy as np
import pytest
from specs import OPERATORS
from specs.draw import Draw
from tolerance import assert_same_bits

import fastconv as fc
from fastconv.kernels import conv

KILOBYTES = [64 * 1.4**step for step in range(15)]  # blocks of all sizes that are kept: one serves half its size too


def leave(value):
    """All that is kept holds this: convolutions pack their weights into it."""
    for size in KILOBYTES:
        filters = int(size * 1024) // (64 * 9 * 4)
        fc.conv2d(np.zeros((1, 64, 3, 3), np.float32), np.full((filters, 64, 3, 3), value, np.float32))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", OPERATORS)
def test_what_was_there_before_does_not_count(name, batch, dtype):
    operator = OPERATORS[name]
    d = Draw(batch, crc32(name.encode()), dtype=dtype)
    arguments = operator.large(d, batch)
    grad = d.floats(*np.shape(operator.forward(arguments)["output"]))
    leave(0)
    expected = operator.run(arguments, grad)
    for value in (np.nan, np.inf):
        leave(value)
        for key, value in operator.run(arguments, grad).items():
            assert_same_bits(np.asarray(value), np.asarray(expected[key]))


SHAPES = [
    ((2, 37, 23, 21), (19, 37, 3, 3)),
    ((1, 130, 9, 11), (5, 130, 1, 1)),
    ((3, 9, 40, 7), (7, 9, 5, 2)),
    ((2, 15, 30, 10), (21, 15, 5, 2)),
]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_gradients_of_weights(shapes, stride, dtype, rng):
    """Whole vectors are read behind the last pixels, and multiplied by zeros: with a NaN there all is computed once
    more, in another order."""
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    gy = rng.standard_normal(fc.conv2d(x, w, stride=stride).shape).astype(dtype)
    options = (stride, stride, 0, 0, 1, 1, 1)
    _, dataflows = conv.conv2d_dataflow(w, *x.shape[2:], *gy.shape[2:], *options, of="grad_weight")
    results = []
    for value in (0, np.nan):
        leave(value)
        results.append([*fc.functional.conv2d_backward(gy, x, w, stride)])
        for dataflow in dataflows:
            results[-1].append(np.empty_like(w))
            leave(value)
            conv.conv2d_backward_weight(gy, x, results[-1][-1], *options, dataflow=dataflow)
    for one, other in zip(*results, strict=True):
        assert np.isfinite(one).all()
        assert_same_bits(one, other)
