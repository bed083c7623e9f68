"""The same bits at any number of threads, for an image alone and in any batch: every operator, forward and backward.

The layers are large enough for several threads to be at work; what they compute is for test_against_torch.py.
"""

from zlib import crc32

import numpy as np
import pytest
from specs import OPERATORS
from specs.draw import Draw
from specs.spec import shown
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F
from fastconv.kernels import runtime

DRAWS = 2
THREADS = [2, 3, 7]
BATCH = 8
LONG_BATCH = 17  # of which 1 and 3 are run on their own too


def has_openmp():
    return runtime.build_info()["openmp"] != "none"


def layer(operator, number, dtype, batch, large):
    """(arguments, a gradient of the output)"""
    d = Draw(number, crc32(operator.name.encode()), dtype=dtype)
    arguments = large(d, batch)
    fc.set_num_threads(1)
    return arguments, d.floats(*np.shape(operator.forward(arguments)["output"]))


# Which element goes depends on where in the array it stands; test_dropout.py has more of it.
WITHOUT_IMAGES = {"dropout"}


def test_no_operator_is_left_out():
    """Each has a large call; where there is a gradient, it is run too; names beside are the same functions."""
    assert sorted(F.__all__) == sorted({name for operator in OPERATORS.values() for name in operator.names()})
    assert {name for name, operator in OPERATORS.items() if not operator.images} == WITHOUT_IMAGES
    functions = {getattr(F, each) for name in OPERATORS for each in (name, f"{name}_backward") if hasattr(F, each)}
    for name, operator in OPERATORS.items():
        assert operator.large is not None
        assert not hasattr(F, f"{name}_backward") or operator.backward is not None
        assert all(getattr(F, also) in functions for also in operator.also)


@pytest.mark.parametrize("number", range(DRAWS))
@pytest.mark.parametrize("name", OPERATORS)
def test_any_number_of_threads(name, number, dtype, threads):
    operator = OPERATORS[name]
    arguments, grad = layer(operator, number, dtype, BATCH, operator.large)
    expected = operator.run(arguments, grad)
    for count in THREADS:
        threads(count)
        operator.forward(arguments)
        assert runtime.threads_used() > 1 or not has_openmp(), f"at {count} threads one is at work"
        for key, value in operator.run(arguments, grad).items():
            try:
                assert_same_bits(np.asarray(value), np.asarray(expected[key]))
            except AssertionError as error:
                raise AssertionError(f"{key} at {count} threads: {error}\n{shown(operator, arguments)}") from None


@pytest.mark.parametrize("number", range(DRAWS))
@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if operator.images])
def test_alone_and_in_a_batch(name, number, dtype, threads):
    operator = OPERATORS[name]
    arguments, grad = layer(operator, number, dtype, LONG_BATCH, operator.images_large or operator.large)
    threads(2)
    together = operator.run(arguments, grad)
    results = [key for key in operator.image_results if key in together]
    assert "output" in results
    for part in (slice(0, 1), slice(LONG_BATCH - 1, LONG_BATCH), slice(4, 7)):
        some = {key: value[part] if key in operator.images else value for key, value in arguments.items()}
        alone = operator.run(some, grad[part])
        for key in results:
            try:
                assert_same_bits(alone[key], np.ascontiguousarray(together[key][part]))
            except AssertionError as error:
                raise AssertionError(f"{key} of images {part}: {error}\n{shown(operator, arguments)}") from None
