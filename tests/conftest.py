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
