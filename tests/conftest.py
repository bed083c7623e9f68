"""What all tests share: generated cases that are the same on every run, dtypes, random numbers, threads put back."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# No deadline: a first call may wait for threads to start, and the machine is shared.
settings.register_profile(
    "fastconv", derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("fastconv")

# Processes that tests start import the installed package, not the sources in whose folder pytest happens to run.
os.environ["PYTHONSAFEPATH"] = "1"


comparisons_made = {}  # by operator: how many calls test_against_torch.py compared, and with what


@pytest.fixture
def comparisons():
    return comparisons_made


def pytest_terminal_summary(terminalreporter):
    for said in sorted({said for said, _, _ in comparisons_made.values()}):
        counts = [(count, decided) for each, count, decided in comparisons_made.values() if each == said]
        calls, decided = map(sum, zip(*counts, strict=True))
        more = f"; in {decided} of them it is less exact than the bound, and the reference decided" if decided else ""
        terminalreporter.write_line(f"{len(counts)} operators, {calls:,} drawn calls compared: {said}{more}")


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture
def threads():
    """Sets the number of threads, and puts the default back."""
    import fastconv as fc

    yield fc.set_num_threads
    fc.set_num_threads(0)


@pytest.fixture
def direct():
    """Without Winograd a plan gives the bits of its network: results can be compared exactly."""
    import fastconv as fc
    from fastconv.settings import is_winograd_allowed

    before = is_winograd_allowed()
    fc.allow_winograd(False)
    yield
    fc.allow_winograd(before)
