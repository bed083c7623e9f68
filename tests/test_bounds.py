"""No kernel reads or writes beside an array: each lies flush against memory that may not be touched."""

import sys
from pathlib import Path

import process
import pytest
from specs.compare import TIMES

from fastconv.kernels import runtime

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect is tried on Linux alone")

FENCES = """
import ctypes, mmap, sys
import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
AT_END = {at_end}


def fenced(shape, dtype=np.float64):
    '''An array between two pages that end the process when touched, flush against the second one or the first.'''
    dtype, count = np.dtype(dtype), int(np.prod(shape))
    room = -(-count * dtype.itemsize // PAGE) * PAGE
    memory = mmap.mmap(-1, room + 2 * PAGE)
    address = np.frombuffer(memory, np.uint8).ctypes.data
    for page in (address, address + PAGE + room):
        assert LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0) == 0
    start = PAGE + (room - count * dtype.itemsize if AT_END else 0)
    return np.frombuffer(memory, dtype, count, start).reshape(shape)


np.empty = fenced  # what fastconv allocates for its results
"""

SCRIPT = """
import fastconv.functional as F
from fastconv import _arguments as args
from fastconv.kernels import conv


def drawn(shape, dtype):
    array = fenced(shape, dtype)
    array[...] = rng.standard_normal(shape)
    return array


def convolution(dtype, n, channels, outputs, groups, H, W, KH, KW, stride, padding, dilation):
    x, w = drawn((n, channels * groups, H, W), dtype), drawn((outputs * groups, channels, KH, KW), dtype)
    b = drawn(outputs * groups, dtype)
    shape, geometry = args.conv2d(x.shape, w.shape, stride, padding, dilation, groups)
    gy = drawn(shape, dtype)
    for name in conv.conv2d_dataflow(w, H, W, *shape[2:], *geometry)[1]:
        conv.conv2d_forward(x, w, b, fenced(shape, dtype), *geometry, dataflow=name)
        conv.Convolution(w, b, H, W, *shape[2:], *geometry, dataflow=name).forward(x, fenced(shape, dtype))
    for name in conv.conv2d_dataflow(w, H, W, *shape[2:], *geometry, of="grad_input")[1]:
        conv.conv2d_backward_input(gy, w, fenced(x.shape, dtype), *geometry, dataflow=name)
    for name in conv.conv2d_dataflow(w, H, W, *shape[2:], *geometry, of="grad_weight")[1]:
        conv.conv2d_backward_weight(gy, x, fenced(w.shape, dtype), *geometry, dataflow=name)
    F.conv2d_backward(gy, x, w, stride, padding, dilation, groups)
    w.flat[0] = np.inf
    F.conv2d_backward(gy, x, w, stride, padding, dilation, groups)


def pooling(dtype, n, channels, H, W, K, stride, padding, dilation, ceil_mode):
    x = drawn((n, channels, H, W), dtype)
    F.max_pool2d(x, K, stride, padding, dilation, ceil_mode)
    y, i = F.max_pool2d(x, K, stride, padding, dilation, ceil_mode, return_indices=True)
    F.max_pool2d_backward(y, i, x.shape, K, stride, padding, dilation, ceil_mode)
    for count_include_pad in (True, False):
        y = F.avg_pool2d(x, K, stride, padding, ceil_mode, count_include_pad)
        F.avg_pool2d_backward(y, x.shape, K, stride, padding, ceil_mode, count_include_pad)
    columns = F.unfold(x, K, dilation, padding, stride)
    F.fold(columns, (H, W), K, dilation, padding, stride)


def dense(dtype, rows, inputs, outputs):
    x, w, b = drawn((rows, inputs), dtype), drawn((outputs, inputs), dtype), drawn(outputs, dtype)
    y = F.linear(x, w, b)
    F.linear_backward(y, x, w)
    for activation in (F.relu, F.relu6, F.elu, F.gelu, F.silu, F.sigmoid, F.tanh):
        activation(y)
    target = rng.integers(0, outputs, rows)
    for shares in (target, y):
        F.cross_entropy_backward(1.0, y, shares, label_smoothing=F.cross_entropy(y, shares) * 0 + 0.1)
    F.nll_loss_backward(1.0, y, target)
    F.mse_loss_backward(F.mse_loss(y, y, reduction="none"), y, y, reduction="none")
    F.prelu_backward(F.prelu(y, b), y, b)
    F.dropout(y, seed=1)
    for backward in (F.softmax_backward, F.log_softmax_backward):
        for dim in (0, 1):
            backward(F.softmax(y, dim), y, dim)
    for backward in (F.relu_backward, F.elu_backward, F.gelu_backward, F.silu_backward, F.tanh_backward):
        backward(y, y)


def number(low, high):
    return int(rng.integers(low, high + 1))


rng = np.random.default_rng(7)
tried = 0
while tried < {cases}:
    dtype = (np.float32, np.float64)[tried % 2]
    n, H, W, KH, KW = number(1, 3), number(1, 20), number(1, (40, 40, 150)[number(0, 2)]), number(1, 5), number(1, 5)
    KH, KW = ((KH, KW), (3, 3))[number(0, 1)]
    channels, outputs = ((number(1, 9), number(1, 20)), (1, number(1, 2)))[number(0, 1)]
    stride, padding, dilation = (number(1, 4), number(1, 3)), (number(0, 3), number(0, 3)), number(1, 2)
    stride, dilation = ((stride, dilation), (1, 1), (2, 1))[number(0, 2)]
    case = (dtype, n, channels, outputs, number(1, 3), H, W, KH, KW, stride, padding, dilation)
    print("convolution", *case, flush=True)
    try:
        convolution(*case)
    except ValueError:  # a kernel larger than the image
        continue
    K, stride, padding = (number(2, 4), number(2, 4)), number(1, 3), number(0, 1)
    case = (dtype, n, channels, H, W, K, stride, padding, number(1, 2), bool(number(0, 1)))
    print("pooling", *case, flush=True)
    try:
        pooling(*case)
    except ValueError:
        pass
    case = (dtype, number(1, 9), number(1, 300), number(1, 70))
    print("dense", *case, flush=True)
    dense(*case)
    tried += 1
"""


OPERATORS_SCRIPT = """
sys.path.insert(0, {tests!r})
import operators
from specs import OPERATORS
from specs.compare import draw
from specs.draw import Draw


def fence(value):
    if isinstance(value, tuple):
        return tuple(fence(each) for each in value)
    if not isinstance(value, np.ndarray):
        return value
    array = fenced(value.shape, value.dtype)
    array[...] = value
    return array


def fence_all(arguments):
    return {{name: fence(value) for name, value in arguments.items()}}


for dtype in (np.float32, np.float64):
    for name, arguments in operators.samples(dtype).items():
        print(name, dtype.__name__, flush=True)
        operators.call(name, fence_all(arguments))
        if "training" not in arguments and name.startswith("batch_norm"):
            operators.call(name, fence_all(arguments | dict(training=True)))
for name, operator in OPERATORS.items():
    cases = [draw(operator, number)[::2] for number in range({cases})]
    cases += [(operator.large(d, 2), d) for d in (Draw(1, dtype=np.float32), Draw(2, dtype=np.float64))]
    for number, (arguments, d) in enumerate(cases):
        print(name, number, d.dtype, flush=True)
        arguments = fence_all(arguments)
        output = operator.forward(arguments)["output"]
        operator.run(arguments, fence(np.asarray(d.floats(*np.shape(output)))))
"""


def check(script, isa):
    done = process.run(script, env={"FASTCONV_ISA": isa, "OMP_NUM_THREADS": "1"})
    last = (done.stdout.splitlines() or ["nothing was tried"])[-1]
    assert done.returncode == 0, f"exit code {done.returncode} in: {last}\n{done.stderr}"


@pytest.mark.parametrize("isa", runtime.available_isas())
@pytest.mark.parametrize("at_end", [True, False], ids=["behind", "before"])
def test_nothing_beside_an_array_is_touched(isa, at_end):
    check(FENCES.format(at_end=at_end) + SCRIPT.format(cases=max(5, int(400 * TIMES))), isa)


@pytest.mark.parametrize("isa", runtime.available_isas())
@pytest.mark.parametrize("at_end", [True, False], ids=["behind", "before"])
def test_no_operator_touches_anything_beside_an_array(isa, at_end):
    """Forward and backward, with all their options: the calls of tests/operators.py and drawn ones of tests/specs/."""
    tests = str(Path(__file__).parent)
    check(FENCES.format(at_end=at_end) + OPERATORS_SCRIPT.format(tests=tests, cases=max(5, int(40 * TIMES))), isa)
