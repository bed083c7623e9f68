"""The peak memory of a call: its output, the transformed weights, a copy of an input that is not contiguous, and 4 MB a
thread, of volumes 16 MB more; nothing that grows with the image."""

import process
import pytest

from fastconv.counting.costs import prepared_values

START = """
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
"""

SCRIPT = """
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

# name: input, weight, output, padding, and a stride that is not 1.
SHAPES = {
    "3x3": ((1, 64, 256, 256), (16, 64, 3, 3), (1, 16, 256, 256), 1),
    "3x3, many images": ((64, 16, 64, 64), (8, 16, 3, 3), (64, 8, 64, 64), 1),
    "3x3, many outputs": ((1, 16, 300, 300), (160, 16, 3, 3), (1, 160, 300, 300), 1),
    "3x3, deep": ((4, 512, 56, 56), (128, 512, 3, 3), (4, 128, 56, 56), 1),
    "5x5": ((1, 16, 300, 300), (4, 16, 5, 5), (1, 4, 300, 300), 2),
    "5x5, many channels": ((2, 96, 100, 100), (64, 96, 5, 5), (2, 64, 100, 100), 2),
    "1x5": ((1, 40, 1, 60000), (64, 40, 1, 5), (1, 64, 1, 59996), 0),
    "7x7, double": ((1, 8, 300, 300), (8, 8, 7, 7), (1, 8, 300, 300), 3),
    "4x4, stride 2": ((1, 256, 64, 64), (512, 256, 4, 4), (1, 512, 32, 32), 1, 2),
    "7x7, stride 2": ((1, 128, 56, 56), (512, 128, 7, 7), (1, 512, 28, 28), 3, 2),
}
CALLS = {
    "forward": "fc.conv2d(x, w, None, {s}, {p}, out=y)",
    "grad_input": "F.conv2d_backward(y, x, w, {s}, {p}, output_mask=(True, False, False))",
    "grad_weight": "F.conv2d_backward(y, x, w, {s}, {p}, output_mask=(False, True, False))",
    "forward, turned": "fc.conv2d(x.transpose(0, 1, 3, 2), w.transpose(0, 1, 3, 2), None, {s}, {p}, out=y)",
}
MEGABYTE = 2**20
MOST_POINTS = 36  # of Winograd's algorithm, for each filter
SLACK = MEGABYTE  # pages, Python's own
GATHERED = 16 * MEGABYTE  # slices of volumes, at most


def _bytes(shape, itemsize):
    for size in shape:
        itemsize *= size
    return itemsize


@pytest.mark.parametrize("direction", CALLS)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_peak(name, direction, threads):
    input_shape, weight_shape, output_shape, padding, *strides = SHAPES[name]
    stride = strides[0] if strides else 1
    if "turned" in direction and input_shape[2] != input_shape[3]:
        pytest.skip("the image is no square")
    dtype, itemsize = ("float64", 8) if "double" in name else ("float32", 4)
    script = (START + SCRIPT).format(
        dtype=dtype,
        threads=threads,
        input_shape=input_shape,
        weight_shape=weight_shape,
        output_shape=output_shape,
        call=CALLS[direction].format(p=padding, s=stride),
    )
    grown = int(process.check(script))
    values = prepared_values(weight_shape[2:], (stride, stride)) if strides else MOST_POINTS
    allowed = values * _bytes(weight_shape[:2], itemsize) + 4 * MEGABYTE * threads + SLACK
    if direction in ("grad_input", "forward, turned"):  # new memory, or a contiguous copy, has to be there
        allowed += _bytes(input_shape, itemsize)
    if direction == "forward, turned" and strides:  # weights of megabytes, turned as well
        allowed += _bytes(weight_shape, itemsize)
    assert grown <= allowed, f"{grown / MEGABYTE:.1f} MB more, {allowed / MEGABYTE:.1f} allowed"


OTHERS_SCRIPT = """
x, w, y = (np.ones(shape, np.float32) for shape in {shapes})
small = np.ones((1, 1, 4, 4), np.float32)
F.conv2d_backward(small, small, np.ones((1, 1, 1, 1), np.float32))
before = peak()
results = {call}
made = sum(each.nbytes for each in (results if isinstance(results, tuple) else (results,)) if each is not None)
print(peak() - before - made)
"""

# (x, weight, gradient of the output), and the call: what it needs besides its results.
IMAGES, VOLUME = (8, 64, 128, 128), (1, 32, 40, 80, 80)
LINES, LINE_WEIGHT = (4, 64, 20000), (64, 64, 4)
SLABS = ((1, 32, 28, 40, 40), (32, 32, 4, 4, 4), (1, 32, 56, 80, 80))
PLANES = ((2, 64, 100, 100), (64, 64, 4, 4), (2, 64, 200, 200))
LOCAL = ((4, 16, 64, 64), (16, 16, 3, 3, 64, 64), (4, 16, 64, 64))
POOLED = (2, 32, 16, 32, 32)
OTHERS = {
    "conv1d": ((LINES, LINE_WEIGHT, (1,)), "F.conv1d(x, w, padding=2)"),
    "conv1d, gradient": ((LINES, LINE_WEIGHT, (4, 64, 20001)), "F.conv1d_backward(y, x, w, padding=2)"),
    "conv3d": ((VOLUME, (32, 32, 3, 3, 3), (1,)), "F.conv3d(x, w, padding=1)"),
    "conv3d, deep": (((1, 256, 40, 32, 32), (64, 256, 3, 3, 3), (1,)), "F.conv3d(x, w, padding=1)"),
    "conv3d, gradient": ((VOLUME, (32, 32, 3, 3, 3), VOLUME), "F.conv3d_backward(y, x, w, padding=1)"),
    "conv_transpose1d": ((LINES, LINE_WEIGHT, (1,)), "F.conv_transpose1d(x, w, stride=2, padding=1)"),
    "conv_transpose1d, gradient": (
        (LINES, LINE_WEIGHT, (4, 64, 40000)),
        "F.conv_transpose1d_backward(y, x, w, stride=2, padding=1)",
    ),
    "conv_transpose2d": (PLANES, "F.conv_transpose2d(x, w, stride=2, padding=1)"),
    "conv_transpose2d, gradient": (PLANES, "F.conv_transpose2d_backward(y, x, w, stride=2, padding=1)"),
    "conv_transpose3d": (SLABS, "F.conv_transpose3d(x, w, stride=2, padding=1)"),
    "conv_transpose3d, gradient": (SLABS, "F.conv_transpose3d_backward(y, x, w, stride=2, padding=1)"),
    "locally_connected2d": (LOCAL, "F.locally_connected2d(x, w, padding=1)"),
    "locally_connected2d, gradient": (LOCAL, "F.locally_connected2d_backward(y, x, w, padding=1)"),
    "max_pool3d": (((2, 32, 32, 64, 64), (1,), (1,)), "F.max_pool3d(x, 3, 2, 1)"),
    "avg_pool3d, gradient": (((1,), (1,), POOLED), "F.avg_pool3d_backward(y, (2, 32, 32, 64, 64), 3, 2, 1)"),
    "adaptive_avg_pool2d": ((IMAGES, (1,), (1,)), "F.adaptive_avg_pool2d(x, 7)"),
    "unfold": (((1, 16, 300, 300), (1,), (1,)), "F.unfold(x, 3, padding=1)"),
    "fold": (((1, 144, 90000), (1,), (1,)), "F.fold(x, (300, 300), 3, padding=1)"),
    "pad": ((IMAGES, (1,), (1,)), "F.pad(x, (1, 1, 1, 1), 'reflect')"),
    "pad, gradient": (((1,), (1,), (8, 64, 130, 130)), f"F.pad_backward(y, {IMAGES}, (1, 1, 1, 1), 'reflect')"),
    "batch_norm": ((IMAGES, (64,), (1,)), "F.batch_norm(x, None, None, w, w, True)"),
    "batch_norm, gradient": ((IMAGES, (64,), IMAGES), "F.batch_norm_backward(y, x, None, None, w, True)"),
    "layer_norm, gradient": ((IMAGES, (128, 128), IMAGES), "F.layer_norm_backward(y, x, (128, 128), w)"),
    "group_norm, gradient": ((IMAGES, (64,), IMAGES), "F.group_norm_backward(y, x, 8, w)"),
    "local_response_norm, gradient": ((IMAGES, (1,), IMAGES), "F.local_response_norm_backward(y, x, 5)"),
    "softmax, gradient": ((IMAGES, (1,), IMAGES), "F.softmax_backward(y, x, 1)"),
    "cross_entropy, gradient": ((IMAGES, (1,), IMAGES), "F.cross_entropy_backward(1.0, x, y)"),
    "gelu, gradient": ((IMAGES, (1,), IMAGES), "F.gelu_backward(y, x)"),
    "dropout": ((IMAGES, (1,), (1,)), "F.dropout(x, seed=1)"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_peak_of_other_operators(name, threads):
    """Nothing grows with the input but its results; convolutions hold weights once more, those of volumes slices."""
    shapes, call = OTHERS[name]
    grown = int(process.check(START.format(threads=threads) + OTHERS_SCRIPT.format(shapes=shapes, call=call)))
    allowed = 4 * MEGABYTE * threads + SLACK
    if name.startswith("conv"):
        allowed += 2 * _bytes(shapes[1], 4)
    if name.startswith("conv") and "3d" in name:
        allowed += GATHERED + MOST_POINTS * _bytes((*shapes[1][:2], shapes[1][2]), 4)
    assert grown <= allowed, f"{grown / MEGABYTE:.1f} MB more, {allowed / MEGABYTE:.1f} allowed"
