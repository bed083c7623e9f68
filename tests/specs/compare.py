"""One case: drawn, run, compared."""

import os
import warnings
from zlib import crc32

import numpy as np
from tolerance import assert_sums

from specs import OPERATORS, with_torch
from specs.draw import Draw
from specs.signatures import KEYWORD_ONLY, REQUIRED, SIGNATURES
from specs.spec import shown, sums

SEED = int(os.environ.get("FASTCONV_TEST_SEED", 20240229))  # other calls for another seed
TIMES = float(os.environ.get("FASTCONV_TEST_TIMES", 1))  # as many calls of each operator


def draw(operator, number):
    """(arguments, how many of them by position, the source of whatever else is drawn)."""
    d = Draw(SEED, crc32(operator.name.encode()), number, dtype=(np.float32, np.float64)[number % 2])
    arguments = operator.draw(d)
    if d.chance(0.3):  # what is not said takes its default
        defaults = SIGNATURES[operator.name]
        arguments = {
            name: value for name, value in arguments.items() if not _is_default(value, defaults.get(name, REQUIRED))
        }
    positional = d.integer(0, len(arguments))
    order = [key for key in SIGNATURES[operator.name] if key not in KEYWORD_ONLY.get(operator.name, ())]
    while list(arguments)[:positional] != order[:positional]:
        positional -= 1
    return arguments, positional, d


def _is_default(value, default):
    return type(value) is type(default) and value == default


def check(name, number):
    """Raises AssertionError, with the call in words, where fastconv and what is expected differ. Returns what with, and
    whether it was torch that was off."""
    operator = OPERATORS[name]
    arguments, positional, d = draw(operator, number)
    before = {key: value.copy() for key, value in arguments.items() if isinstance(value, np.ndarray)}
    complete = {**SIGNATURES[name], **arguments}  # in torch's order
    grad = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an implicit dim, as torch's
            grad = d.floats(*np.shape(operator.forward(arguments)["output"]))
            actual = operator.run(arguments, grad, positional)
        expected, off = _expected(operator, complete, grad, list(actual)), False
        for key, value in before.items():
            np.testing.assert_array_equal(arguments[key], value, f"{key} was written to")
        for key, value in actual.items():
            assert key in expected, f"{key}: nothing to compare it with"
            off |= _compare_with_either(operator, complete, grad, key, np.asarray(value), expected[key], d.dtype)
        missing = set(expected) - set(actual)
        assert not missing, f"fastconv gave no {missing}"
    except Exception as error:
        error.add_note(f"{shown(operator, arguments)}\n  with {positional} arguments by position")
        error.add_note(f"  grad_output={grad!r}" if np.size(grad) < 9 else f"  grad_output of shape {np.shape(grad)}")
        error.add_note(f"Again: PYTHONPATH=tests python -m specs {name} {number}")
        raise
    return with_torch.name() if operator.in_torch else "the reference (not in torch)", off


def _expected(operator, arguments, grad, wanted):
    def oracle(arguments, grad):
        if with_torch.torch is None or not operator.in_torch:
            return operator.reference(arguments, grad)
        return with_torch.results(operator, arguments, grad, wanted)

    return sums(operator, arguments, grad, oracle(arguments, grad), oracle)


def _compare_with_either(operator, arguments, grad, key, actual, expected, dtype):
    """In float64 torch is no more exact than what is compared with it; its sigmoid ends before the denormals do. Where
    the two differ, the reference decides, within the same bound. Returns whether it had to."""
    try:
        _compare(operator, arguments, key, actual, expected, dtype)
        return False
    except AssertionError:
        if dtype != np.float64 or with_torch.torch is None or not operator.in_torch:
            raise
        found = sums(operator, arguments, grad, operator.reference(arguments, grad), operator.reference)
        _compare(operator, arguments, key, actual, found[key], dtype)
        return True


def _compare(operator, arguments, key, actual, expected, dtype):
    try:
        if isinstance(expected, tuple):
            allowance = {} if operator.winograd is None else operator.winograd(arguments, dtype, key)
            assert_sums(actual, expected, dtype, **allowance)
            return
        assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
        assert actual.dtype == (np.int64 if expected.dtype.kind in "iu" else dtype), f"dtype {actual.dtype}"
        np.testing.assert_array_equal(actual, expected.astype(actual.dtype))
    except AssertionError as error:
        raise AssertionError(f"{key}: {error}") from None
