"""What several Python threads may share, and how a call ends that is interrupted."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import process
import pytest
from operators import NAMES, call, many, samples
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import nn


def together(workers, *works):
    """Each work a few times in `workers` threads that start at the same moment: the results, by work."""
    gate = threading.Barrier(workers)

    def run(number):
        gate.wait(timeout=60)
        order = works[number % len(works) :] + works[: number % len(works)]
        return [(works.index(work), work()) for work in order for _ in range(3)]

    with ThreadPoolExecutor(workers) as pool:
        return [result for results in pool.map(run, range(workers)) for result in results]


@pytest.mark.parametrize("first", range(0, len(NAMES), 12))
def test_threads_share_the_inputs_of_every_operator(first, dtype, threads):
    threads(2)
    given = samples(dtype)
    names = NAMES[first : first + 12]
    expected = [many(call(name, given[name])) for name in names]
    before = {
        name: [np.copy(value) for value in given[name].values() if isinstance(value, np.ndarray)] for name in names
    }
    works = tuple(lambda name=name: many(call(name, given[name])) for name in names)
    for place, results in together(4, *works):
        for result, usual in zip(results, expected[place], strict=True):
            assert_same_bits(result, usual)
    for name, arrays in before.items():
        now = [value for value in given[name].values() if isinstance(value, np.ndarray)]
        for array, usual in zip(now, arrays, strict=True):
            assert_same_bits(array, usual)


def network(seed=0):
    convolution = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()
    branches = nn.Residual(nn.Conv2d(8, 8, 3, padding=1)), nn.Concat(nn.Sigmoid(), nn.Conv2d(8, 4, 1))
    return nn.Sequential(*convolution, *branches, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 36, 5), seed=seed)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_threads_share_a_network_forward(mode, rng, threads):
    threads(2)
    net = getattr(network(), mode)()
    inputs = [rng.standard_normal((count, 3, 12, 12), np.float32) for count in (1, 3, 17)]
    expected = [network().eval()(x) for x in inputs]
    for place, y in together(4, *(lambda x=x: net(x) for x in inputs)):
        assert_same_bits(y, expected[place])


def test_threads_share_a_plan_at_several_sizes(rng, threads):
    threads(2)
    plans = [fc.compile(net, shape, batch=40) for net, shape in (
        (network(), (3, 12, 12)), (fc.models.lenet("relu", seed=0), (1, 28, 28))
    )]  # fmt: skip
    calls = [
        (plan, rng.standard_normal((count, *plan.input_shape), np.float32)) for plan in plans for count in (1, 7, 40)
    ]
    expected = [plan(x) for plan, x in calls]
    for place, y in together(4, *(lambda plan=plan, x=x: plan(x) for plan, x in calls)):
        assert_same_bits(y, expected[place])


def test_training_in_two_threads_is_refused_or_right(rng):
    """A backward whose forward another thread's has overtaken would be that of the wrong images."""
    net, x = network().train(), rng.standard_normal((2, 4, 3, 12, 12), np.float32)
    gy = np.ones((4, 5), np.float32)
    expected = []
    for images in x:
        net(images)
        expected.append(net.backward(gy))
    net(x[0])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(net, x[1]).result()
        with pytest.raises(ValueError, match=r"Linear.backward follows the last forward, which was another thread's"):
            net.backward(gy)
        assert_same_bits(pool.submit(net.backward, gy).result(), expected[1])

    def train(number):
        right, refused = 0, 0
        for _ in range(40):
            try:
                net(x[number])
                gx = net.backward(gy)
            except ValueError as error:
                assert "another thread's" in str(error)
                refused += 1
            else:
                assert_same_bits(gx, expected[number])
                right += 1
        return right, refused

    with ThreadPoolExecutor(2) as pool:
        for right, refused in pool.map(train, (0, 1)):
            assert right + refused == 40
    net(x[0])  # and afterwards all is well
    assert_same_bits(net.backward(gy), expected[0])


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
import fastconv as fc
import fastconv.functional as F

fc.set_num_threads(2)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((8, 64, 64, 64), np.float32), rng.standard_normal((64, 64, 3, 3), np.float32)
images = rng.standard_normal((2000, 1, 28, 28), np.float32)
net = fc.models.lenet("relu", seed=0)
plan = fc.compile(net, (1, 28, 28), batch=2000)
few = fc.compile(fc.nn.Conv2d(64, 64, 3, padding=1, seed=0), (64, 64, 64), batch=8)
y = fc.conv2d(x, w, padding=1)
out = np.empty_like(y)

def train():
    net.backward(net(images[:500]))

CALLS = {
    "forward": lambda: fc.conv2d(x, w, padding=1, out=out),
    "backward": lambda: F.conv2d_backward(y, x, w, padding=1),
    "plan": lambda: plan(images),
    "one step": lambda: few(x),
    "training": train,
    "pooling": lambda: fc.max_pool2d(x, 3, 1, 1),
}
for name, call in CALLS.items():
    call()
    start = time.perf_counter()
    call()
    took = time.perf_counter() - start
    for part in (0.2, 0.5, 0.8):
        ended = []
        timer = threading.Timer(part * took, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            while True:
                call()
                ended.append(time.perf_counter())
        except KeyboardInterrupt:
            late = time.perf_counter() - ended[-1] if ended else 0
        timer.join()
        assert late < 5 * took + 0.5, (name, late, took)
    call()
assert (fc.conv2d(x, w, padding=1) == y).all()
assert (plan(images[:7]) == plan(images)[:7]).all()
print("alive")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_an_interrupted_call_ends_and_the_session_lives():
    """Ctrl-C at three moments of each call: it runs to its end, then KeyboardInterrupt; the next call is right."""
    assert process.check(INTERRUPTED).strip() == "alive"
