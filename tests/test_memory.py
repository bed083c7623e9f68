"""A convolution never writes its column matrix: the peak memory of a call stays far below it."""

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

# name: input, weight, output, padding. Column matrices of 151 MB and more.
SHAPES = {
    "3x3": ((1, 64, 256, 256), (16, 64, 3, 3), (1, 16, 256, 256), 1),
    "many images": ((64, 16, 64, 64), (8, 16, 3, 3), (64, 8, 64, 64), 1),
    "5x5": ((1, 16, 300, 300), (4, 16, 5, 5), (1, 4, 300, 300), 2),
}
CALLS = {
    "forward": "fc.conv2d(x, w, padding={p}, out=y)",
    "grad_input": "F.conv2d_backward(y, x, w, padding={p}, output_mask=(True, False, False))",
    "grad_weight": "F.conv2d_backward(y, x, w, padding={p}, output_mask=(False, True, False))",
}


@pytest.mark.parametrize("direction", CALLS)
@pytest.mark.parametrize("name", SHAPES)
def test_peak_is_far_below_the_column_matrix(name, direction):
    input_shape, weight_shape, output_shape, padding = SHAPES[name]
    columns = 4 * output_shape[0] * output_shape[2] * output_shape[3]
    for size in weight_shape[1:]:
        columns *= size
    result = 4  # grad_input is new memory that has to be there
    for size in input_shape:
        result *= size
    script = SCRIPT.format(
        dtype="float32",
        threads=2,
        input_shape=input_shape,
        weight_shape=weight_shape,
        output_shape=output_shape,
        call=CALLS[direction].format(p=padding),
    )
    grown = int(process.check(script))
    allowed = columns // 10 + (result if direction == "grad_input" else 0)
    assert grown < allowed, f"{grown / 1e6:.0f} MB more for a column matrix of {columns / 1e6:.0f} MB"
