"""The peak memory of a call: its output, the transformed weights, a copy of an input that is not contiguous, and 4 MB a
thread; nothing that grows with the image."""

import process
import pytest

SCRIPT = """
import resource, sys
import numpy as np
import fastconv as fc
import fastconv.functional as F

def peak():
    '''Bytes that this process has held at most. (ru_maxrss would count what its parent held before exec.)'''
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

fc.set_num_threads({threads})
dtype = np.{dtype}
small = np.ones((1, 8, 16, 16), dtype), np.ones((8, 8, 3, 3), dtype)
F.conv2d_backward(fc.conv2d(*small, padding=1), *small, padding=1)  # code and buffers that stay are there now
x, w = np.ones({input_shape}, dtype), np.ones({weight_shape}, dtype)
y = np.ones({output_shape}, dtype)
gx, gw = np.ones_like(x), np.ones_like(w)
before = peak()
{call}
print(peak() - before)
"""

# name: input, weight, output, padding.
SHAPES = {
    "3x3": ((1, 64, 256, 256), (16, 64, 3, 3), (1, 16, 256, 256), 1),
    "3x3, many images": ((64, 16, 64, 64), (8, 16, 3, 3), (64, 8, 64, 64), 1),
    "3x3, many outputs": ((1, 16, 300, 300), (160, 16, 3, 3), (1, 160, 300, 300), 1),
    "3x3, deep": ((4, 512, 56, 56), (128, 512, 3, 3), (4, 128, 56, 56), 1),
    "5x5": ((1, 16, 300, 300), (4, 16, 5, 5), (1, 4, 300, 300), 2),
    "5x5, many channels": ((2, 96, 100, 100), (64, 96, 5, 5), (2, 64, 100, 100), 2),
    "1x5": ((1, 40, 1, 60000), (64, 40, 1, 5), (1, 64, 1, 59996), 0),
    "7x7, double": ((1, 8, 300, 300), (8, 8, 7, 7), (1, 8, 300, 300), 3),
}
CALLS = {
    "forward": "fc.conv2d(x, w, padding={p}, out=y)",
    "grad_input": "F.conv2d_backward(y, x, w, padding={p}, output_mask=(True, False, False))",
    "grad_weight": "F.conv2d_backward(y, x, w, padding={p}, output_mask=(False, True, False))",
    "forward, turned": "fc.conv2d(x.transpose(0, 1, 3, 2), w.transpose(0, 1, 3, 2), padding={p}, out=y)",
}
MEGABYTE = 2**20
MOST_POINTS = 36  # of Winograd's algorithm, for each filter
SLACK = MEGABYTE  # pages, Python's own


def _bytes(shape, itemsize):
    for size in shape:
        itemsize *= size
    return itemsize


@pytest.mark.parametrize("direction", CALLS)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_peak(name, direction, threads):
    input_shape, weight_shape, output_shape, padding = SHAPES[name]
    if "turned" in direction and input_shape[2] != input_shape[3]:
        pytest.skip("the image is no square")
    dtype, itemsize = ("float64", 8) if "double" in name else ("float32", 4)
    script = SCRIPT.format(
        dtype=dtype,
        threads=threads,
        input_shape=input_shape,
        weight_shape=weight_shape,
        output_shape=output_shape,
        call=CALLS[direction].format(p=padding),
    )
    grown = int(process.check(script))
    allowed = MOST_POINTS * _bytes(weight_shape[:2], itemsize) + 4 * MEGABYTE * threads + SLACK
    if direction in ("grad_input", "forward, turned"):  # new memory, or a contiguous copy, has to be there
        allowed += _bytes(input_shape, itemsize)
    assert grown <= allowed, f"{grown / MEGABYTE:.1f} MB more, {allowed / MEGABYTE:.1f} allowed"
