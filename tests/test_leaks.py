"""Nothing is left behind by a call: every operator, forward and backward, over and over; the process does not grow."""

import sys
from pathlib import Path

import process
import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")

SCRIPT = """
import gc, sys, warnings
sys.path.insert(0, {tests!r})
import numpy as np
import fastconv as fc
import operators

warnings.simplefilter("ignore")
calls = [each for dtype in (np.float32, np.float64) for each in operators.samples(dtype).items()]
wrong = dict(input=np.ones((1, 2, 3, 3), np.float32), weight=np.ones((1, 3, 1, 1), np.float32))

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def rounds(count):
    for _ in range(count):
        for name, arguments in calls:
            operators.call(name, arguments)
        try:
            fc.conv2d(**wrong)
        except ValueError:
            pass
    gc.collect()

rounds(60)  # allocators, threads and caches have what they keep
before = resident()
rounds({rounds})
print(resident() - before)
before = sys.getallocatedblocks()  # of Python's allocator: what lies in free lists for reuse stays the same
rounds(300)
print(sys.getallocatedblocks() - before)
"""
ROUNDS = 600
ALLOWED = 256  # bytes a round: the arrays of tests/operators.py have 2,700, drivers' temporaries a few hundred


def test_no_operator_leaves_anything_behind():
    """One array, or one temporary of a driver, lost in each round would show; so would one object of Python's."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), rounds=ROUNDS)
    grown, blocks = process.check(script, env={"OMP_NUM_THREADS": "2"}).split()
    assert int(grown) < ROUNDS * ALLOWED, f"{int(grown):,} bytes more after {ROUNDS} rounds"
    assert int(blocks) < 150, f"{blocks} objects more after 300 rounds"
