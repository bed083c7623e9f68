"""The same bits at any number of threads and in any batch; the GIL is released; Python threads may share everything."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import compiled
import numpy as np
import process
import pytest
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F
from fastconv.kernels import runtime

SERIAL_BUILD = runtime.build_info()["openmp"] == "none"
COUNTS = (1, 2, 3, 7)

# All above the amount of work from which on several threads run, and no multiple of a tile.
CONVOLUTIONS = {
    "3x3": ((3, 29, 45, 47), (51, 29, 3, 3), dict(padding=1)),
    "3x3, one image": ((1, 31, 53, 51), (67, 31, 3, 3), dict(padding=1)),
    "stride 2": ((3, 33, 57, 53), (41, 33, 3, 3), dict(padding=1, stride=2)),
    "1x1": ((2, 97, 41, 43), (71, 97, 1, 1), {}),
    "deep": ((5, 301, 9, 11), (53, 301, 3, 3), dict(padding=1)),
    "few outputs": ((3, 17, 91, 93), (3, 17, 3, 3), dict(padding=2, dilation=2)),
    "grouped": ((3, 36, 51, 53), (60, 12, 3, 3), dict(padding=1, groups=3)),
    "depthwise": ((3, 61, 77, 75), (61, 1, 3, 3), dict(padding=1, groups=61)),
    "depthwise, multiplier 2": ((2, 37, 77, 75), (74, 1, 3, 3), dict(padding=1, groups=37)),
    "one channel": ((1, 1, 811, 813), (1, 1, 3, 3), dict(padding=1)),
    "LeNet conv1": ((67, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    "LeNet conv2": ((67, 6, 14, 14), (16, 6, 5, 5), {}),
    "many small images": ((1003, 3, 6, 7), (11, 3, 3, 3), dict(padding=1)),
}


def tensors(name, dtype, rng):
    input_shape, weight_shape, options = CONVOLUTIONS[name]
    x, w, b = (rng.standard_normal(s, np.float32).astype(dtype) for s in (input_shape, weight_shape, weight_shape[:1]))
    return x, w, b, options


def assert_same_at_any_count(compute, threads, parallel=True):
    """compute() at 1, 2, 3 and 7 threads; where it is large, the last kernel that it calls must have run on several."""
    expected = None
    for count in COUNTS:
        threads(count)
        assert fc.get_num_threads() == (1 if SERIAL_BUILD else count)
        result = compute()
        if parallel:
            used = runtime.threads_used()
            assert 1 <= used <= count
            assert used > 1 or count == 1 or SERIAL_BUILD, f"ran on one thread of {count}"
        if expected is None:
            expected = result
        assert_same_bits(result, expected)
    return expected


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_conv2d_forward(name, dtype, rng, threads):
    x, w, b, options = tensors(name, dtype, rng)
    y = assert_same_at_any_count(lambda: fc.conv2d(x, w, b, **options), threads)
    for each in {0, 1, len(x) - 1} & set(range(len(x))):
        assert_same_bits(fc.conv2d(x[each : each + 1], w, b, **options)[0], y[each])
    assert_same_bits(fc.conv2d(x[: len(x) // 2 + 1], w, b, **options), y[: len(x) // 2 + 1])


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_conv2d_backward(name, dtype, rng, threads):
    x, w, b, options = tensors(name, dtype, rng)
    gy = rng.standard_normal(fc.conv2d(x, w, **options).shape, np.float32).astype(dtype)

    def one(which):
        mask = tuple(place == which for place in range(3))
        return lambda: F.conv2d_backward(gy, x, w, **options, output_mask=mask)[which]

    gx = assert_same_at_any_count(one(0), threads)
    gw = assert_same_at_any_count(one(1), threads)
    gb = assert_same_at_any_count(one(2), threads, parallel=False)  # a sum this short may stay on one
    for alone, together in zip(F.conv2d_backward(gy, x, w, **options), (gx, gw, gb), strict=True):
        assert_same_bits(alone, together)  # the mask changes nothing
    last = len(x) - 1
    grads = F.conv2d_backward(gy[last:], x[last:], w, **options, output_mask=(True, False, False))
    assert_same_bits(grads[0][0], gx[last])


@pytest.mark.parametrize(
    "options",
    [dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1), dict(kernel_size=(3, 2), stride=1, ceil_mode=True)],
    ids=str,
)
def test_pooling(options, dtype, rng, threads):
    x = rng.standard_normal((5, 67, 57, 59), np.float32).astype(dtype)
    y = assert_same_at_any_count(lambda: fc.max_pool2d(x, **options), threads)
    indices = assert_same_at_any_count(lambda: fc.max_pool2d(x, **options, return_indices=True)[1], threads)
    assert_same_bits(fc.max_pool2d(x[3:4], **options)[0], y[3])
    gy = rng.standard_normal(y.shape, np.float32).astype(dtype)
    gx = assert_same_at_any_count(lambda: F.max_pool2d_backward(gy, indices, x.shape, **options), threads)
    assert_same_bits(F.max_pool2d_backward(gy[3:4], indices[3:4], (1, *x.shape[1:]), **options)[0], gx[3])
    y = assert_same_at_any_count(lambda: fc.avg_pool2d(x, **options), threads)
    assert_same_bits(fc.avg_pool2d(x[3:4], **options)[0], y[3])
    gx = assert_same_at_any_count(lambda: F.avg_pool2d_backward(gy, x.shape, **options), threads)
    assert_same_bits(F.avg_pool2d_backward(gy[3:4], (1, *x.shape[1:]), **options)[0], gx[3])


def test_fold(dtype, rng, threads):
    x = rng.standard_normal((3, 37, 61, 59), np.float32).astype(dtype)
    columns = assert_same_at_any_count(lambda: fc.unfold(x, 3, padding=1), threads)
    assert_same_at_any_count(lambda: fc.fold(columns, (61, 59), 3, padding=1), threads)


@pytest.mark.parametrize("m, k, n", [(257, 787, 253), (1, 4099, 1031), (1031, 85, 11)])
def test_linear(m, k, n, dtype, rng, threads):
    x, w, gy = (rng.standard_normal(shape, np.float32).astype(dtype) for shape in ((m, k), (n, k), (m, n)))
    large = m * k * n > 20_000_000
    y = assert_same_at_any_count(lambda: fc.linear(x, w), threads, parallel=large)
    assert_same_bits(fc.linear(x[m // 2 : m // 2 + 1], w)[0], y[m // 2])
    for which in range(3):
        mask = tuple(place == which for place in range(3))
        assert_same_at_any_count(
            lambda which=which, mask=mask: F.linear_backward(gy, x, w, mask)[which], threads, large and which < 2
        )


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "sigmoid", "tanh", "softmax", "log_softmax"]
)
def test_activations(name, dtype, rng, threads):
    x = rng.standard_normal((1009, 1013), np.float32).astype(dtype)
    options = {"dim": 1} if "softmax" in name else {}
    y = assert_same_at_any_count(lambda: getattr(F, name)(x, **options), threads)
    assert_same_bits(getattr(F, name)(x[7:8], **options)[0], y[7])


@pytest.mark.parametrize("variant", ["book", "relu"])
def test_lenet(variant, dtype, rng, threads):
    net = fc.models.lenet(variant, seed=0, dtype=dtype)
    x = rng.standard_normal((131, 1, 28, 28), np.float32).astype(dtype)
    target = rng.integers(0, 10, len(x))

    def step():
        net.train()
        net.backward(F.cross_entropy_backward(np.asarray(1, dtype), net(x), target))
        return np.concatenate([each.ravel() for each in net.gradients().values()])

    assert_same_at_any_count(step, threads, parallel=False)
    net.eval()
    y = assert_same_at_any_count(lambda: net(x), threads, parallel=False)
    for each in (0, 64, 130):
        assert_same_bits(net(x[each : each + 1])[0], y[each])


def test_a_small_call_stays_on_one_thread(threads, dtype):
    threads(2)
    fc.conv2d(np.ones((1, 1, 5, 5), dtype), np.ones((1, 1, 3, 3), dtype))
    assert runtime.threads_used() == 1


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2", None, float("nan"), 2**70])
def test_wrong_numbers_of_threads(wrong, threads):
    with pytest.raises((ValueError, TypeError)) as error:
        threads(wrong)
    assert str(wrong) in str(error.value)


# ---- Python's threads -------------------------------------------------------------------------------------------


def together(work, workers=4):
    """work() in several Python threads that start at the same moment; their results."""
    gate = threading.Barrier(workers)

    def run(_):
        gate.wait(timeout=60)
        return [work() for _ in range(5)]

    with ThreadPoolExecutor(workers) as pool:
        return [result for results in pool.map(run, range(workers)) for result in results]


@pytest.mark.parametrize("name", ["3x3, one image", "depthwise", "LeNet conv2"])
def test_python_threads_share_the_arrays(name, dtype, rng, threads):
    x, w, b, options = tensors(name, dtype, rng)
    threads(2)
    expected = fc.conv2d(x, w, b, **options)
    for y in together(lambda: fc.conv2d(x, w, b, **options)):
        assert_same_bits(y, expected)


def test_python_threads_share_a_network_in_eval_mode(dtype, rng, threads):
    net = fc.models.lenet("relu", seed=0, dtype=dtype)
    net.eval()
    x = rng.standard_normal((33, 1, 28, 28), np.float32).astype(dtype)
    threads(2)
    results = together(lambda: net(x))  # also the first use: weights are drawn once
    for y in results:
        assert_same_bits(y, results[0])
    fresh = fc.models.lenet("relu", seed=0, dtype=dtype)
    fresh.eval()
    assert_same_bits(fresh(x), results[0])


LOANS = """
import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from fastconv.kernels import runtime

api = ctypes.pythonapi
api.PyCapsule_GetName.argtypes, api.PyCapsule_GetName.restype = [ctypes.py_object], ctypes.c_char_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p

def address(name):  # of what the drivers call
    capsule = runtime.__pyx_capi__[name]
    return api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))

library = ctypes.CDLL(LIBRARY)
library.lend.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
with ThreadPoolExecutor(4) as pool:
    loans = [pool.submit(library.lend, address("allocate"), address("release")) for _ in range(4)]
    time.sleep(1.5)
    library.stop()
assert not any(loan.result() for loan in loans), "lent to two threads"
"""


def test_no_two_threads_are_lent_the_same_memory(tmp_path):
    """Working memory that is kept goes to one at a time. In a process of its own, which a fault can take down."""
    library = compiled.library("lending.c", tmp_path)
    process.check(LOANS.replace("LIBRARY", repr(str(library))))


def test_different_shapes_at_the_same_time(dtype, rng, threads):
    """What one call keeps for itself never reaches another."""
    threads(2)
    cases = [tensors(name, dtype, rng) for name in ("1x1", "stride 2", "grouped", "LeNet conv1")]
    expected = [fc.conv2d(x, w, b, **options) for x, w, b, options in cases]

    def run(number):
        x, w, b, options = cases[number % len(cases)]
        return [fc.conv2d(x, w, b, **options) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        for number, results in enumerate(pool.map(run, range(8))):
            for y in results:
                assert_same_bits(y, expected[number % len(cases)])


def test_the_gil_is_released(rng, threads):
    """While one call runs for long, another Python thread goes on: it is never held up for most of that time."""
    threads(1)
    x, w = rng.standard_normal((2, 128, 128, 128), np.float32), rng.standard_normal((128, 128, 3, 3), np.float32)
    calls = {
        "forward": lambda: fc.conv2d(x, w, padding=1),
        "grad_input": lambda: F.conv2d_backward(x, x, w, padding=1, output_mask=(True, False, False)),
        "grad_weight": lambda: F.conv2d_backward(x, x, w, padding=1, output_mask=(False, True, False)),
    }
    for name, call in calls.items():
        span = []

        def work(call=call, span=span):
            span.append(time.perf_counter())
            call()
            span.append(time.perf_counter())

        worker = threading.Thread(target=work)
        ticks = [time.perf_counter()]
        worker.start()
        while worker.is_alive():
            time.sleep(0.001)
            ticks.append(time.perf_counter())
        worker.join()
        pauses = [after - before for before, after in zip(ticks, ticks[1:], strict=False)]
        assert max(pauses) < 0.5 * (span[1] - span[0]), name
