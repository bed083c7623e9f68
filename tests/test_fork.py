"""A process that has computed in parallel may fork: parent and child both go on to the right answer, and never hang."""

import os

import process
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

PREPARE = """
import multiprocessing, os, sys, threading, warnings
import numpy as np
import fastconv as fc
import fastconv.functional as F
from fastconv.kernels import runtime

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 33, 45, 47), np.float32), rng.standard_normal((49, 33, 3, 3), np.float32)

def compute(_=None):
    y = fc.conv2d(x, w, padding=1)
    return b"".join(each.tobytes() for each in (y, *F.conv2d_backward(y, x, w, padding=1), fc.max_pool2d(y, 2)))

def child_is_right(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

fc.set_num_threads(2)
expected = compute()
"""


def test_fork_after_a_parallel_call():
    process.check(PREPARE + "assert child_is_right(lambda: compute() == expected)\nassert compute() == expected")


def test_a_child_may_ask_for_threads_again():
    process.check(
        PREPARE
        + """
def work():
    fc.set_num_threads(3)
    return compute() == expected
assert child_is_right(work)
assert compute() == expected
"""
    )


def test_children_of_children():
    process.check(
        PREPARE
        + "assert child_is_right(lambda: compute() == expected and child_is_right(lambda: compute() == expected))"
    )


def test_fork_before_the_first_parallel_call_of_the_parent():
    script = PREPARE.replace("expected = compute()", "")
    process.check(script + "assert child_is_right(lambda: len(compute()) > 0)\nassert compute() == compute()")


def test_fork_in_a_python_thread():
    process.check(
        PREPARE
        + """
results = []
thread = threading.Thread(target=lambda: results.append(child_is_right(lambda: compute() == expected)))
compute()
thread.start(); thread.join()
assert results == [True]
"""
    )


def test_fork_while_another_thread_computes():
    process.check(
        PREPARE
        + """
stop = threading.Event()
def forever():
    while not stop.is_set():
        compute()
thread = threading.Thread(target=forever)
thread.start()
try:
    results = [child_is_right(lambda: compute() == expected) for _ in range(5)]
finally:
    stop.set(); thread.join()
assert all(results), results
"""
    )


def test_multiprocessing_with_fork():
    process.check(
        PREPARE
        + """
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert all(result == expected for result in pool.map(compute, range(6)))
assert compute() == expected
"""
    )


def test_multiprocessing_with_a_network():
    process.check(
        PREPARE
        + """
net = fc.models.lenet("relu", seed=0)
images = rng.standard_normal((64, 1, 28, 28), np.float32)
logits = net(images)
def infer(_):
    return net(images).tobytes()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(result == logits.tobytes() for result in pool.map(infer, range(4)))
"""
    )


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_multiprocessing_without_fork(method, tmp_path):
    """Fresh processes compute on as many threads as they are told, with the same bits; a server of forks does too."""
    file = tmp_path / "program.py"
    file.write_text(
        PREPARE.replace("fc.set_num_threads(2)\nexpected = compute()\n", "")
        + f"""
def on_threads(count):
    fc.set_num_threads(count)
    y = compute()
    return y, runtime.threads_used()

if __name__ == "__main__":
    fc.set_num_threads(2)
    expected = compute()
    context = multiprocessing.get_context({method!r})
    if {method!r} == "forkserver":
        context.set_forkserver_preload(["fastconv"])
    with context.Pool(2) as pool:
        for y, used in pool.map(on_threads, [1, 2, 1, 2]):
            assert y == expected
    assert compute() == expected
"""
    )
    process.check(f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, {str(file)!r}]))")


def test_fork_while_other_threads_draw_and_compile():
    """No lock of theirs stays taken in the child: it draws weights, compiles, and calls the very plan in use."""
    process.check(
        PREPARE
        + """
images = rng.standard_normal((64, 1, 28, 28), np.float32)
net = fc.models.lenet("relu", seed=0).eval()
plan = fc.compile(net, (1, 28, 28), batch=64)
logits, few = plan(images).tobytes(), plan(images[:3]).tobytes()
stop = threading.Event()

def draw():
    while not stop.is_set():
        fc.nn.Linear(1500, 1500, seed=1).weight

def infer():
    while not stop.is_set():
        plan(images), plan(images[:3])

def work():
    fresh = fc.models.lenet("relu", seed=0).eval()
    same = fc.compile(fresh, (1, 28, 28), batch=64)(images).tobytes()
    return same == plan(images).tobytes() == logits and plan(images[:3]).tobytes() == few

threads = [threading.Thread(target=each) for each in (draw, infer, infer)]
for thread in threads:
    thread.start()
try:
    results = [child_is_right(work) for _ in range(12)]
finally:
    stop.set()
    for thread in threads:
        thread.join()
assert all(results), results
assert work()
"""
    )
