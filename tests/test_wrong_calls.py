"""Wrong calls raise ValueError or TypeError wherever torch raises; what torch takes is not refused without a reason.

tests/specs/wrong.py spoils one argument of a right call. Where torch is installed it judges the calls; a list of
calls that torch 2.13 refuses, tests/specs/wrong_calls.txt, serves where it is not. To record it anew, with torch:

    PYTHONPATH=tests python -m specs --record
"""

import inspect
import warnings

import numpy as np
import pytest
from specs import OPERATORS, with_torch, wrong
from specs.differences import reason_to_give_another_result, reason_to_take_less, reason_to_take_more

import fastconv.functional as F

RECORDED = wrong.recorded()
DRAWN = 200
IN_TORCH = [name for name, operator in OPERATORS.items() if operator.in_torch]
GRADIENTS = [name for name, operator in OPERATORS.items() if operator.backward is not None]


@pytest.mark.parametrize("name", OPERATORS)
def test_recorded_calls_are_refused(name):
    calls = [text for text in RECORDED if text.startswith(f"{name}(")]
    assert len(calls) >= 10
    for text in calls:
        try:
            outcome, _ = wrong.ours(*wrong.read(text))
        except Exception as error:
            error.add_note(text)
            raise
        assert outcome == "refused", text


@pytest.mark.parametrize("name", IN_TORCH)
def test_drawn_calls_are_refused_where_torch_refuses(name):
    if with_torch.torch is None:
        pytest.skip("torch is not installed")
    for number in range(DRAWN):
        arguments, spoilt = wrong.draw(OPERATORS[name], number)
        text = wrong.written(name, arguments)
        try:
            (torchs, expected), (outcome, actual) = wrong.theirs(name, arguments), wrong.ours(name, arguments)
        except Exception as error:
            error.add_note(text)
            raise
        if outcome == "refused":
            reason = reason_to_take_less(name, arguments, spoilt)
            assert torchs == "refused" or reason, f"torch takes {text}, fastconv does not: {actual}"
        elif torchs == "refused":
            assert reason_to_take_more(name, arguments, spoilt), f"fastconv takes {text}, torch does not: {expected}"
        else:
            same = reason_to_give_another_result(name, arguments) or _alike(actual, expected)
            assert same, f"{text}: {actual!r}, torch: {expected!r}"


def test_recorded_calls_are_those_that_torch_refuses():
    if with_torch.torch is None:
        pytest.skip("torch is not installed")
    for text in RECORDED:
        name, arguments = wrong.read(text)
        if OPERATORS[name].in_torch:
            assert wrong.theirs(name, arguments)[0] == "refused", text


@pytest.mark.parametrize("name", GRADIENTS)
def test_spoilt_backwards_are_refused_or_answered(name):
    """torch's gradients take no arguments of the caller's, so there is no other judge than the gradient's own shape."""
    for number in range(DRAWN):
        grad, arguments, results, spoilt = wrong.draw_backward(OPERATORS[name], number)
        said = f"{spoilt} of the backward of {wrong.written(name, arguments)}: grad_output {grad!r}, {results!r}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                OPERATORS[name].backward(grad, arguments, results)
        except (TypeError, ValueError):
            continue
        except Exception as error:
            error.add_note(said)
            raise
        if spoilt == "grad_output":
            assert _fits(name, grad, results["output"]), said


def _fits(name, grad, output):
    """A backward knows shape and dtype by an array of the forward's, only the shape by input_shape, else neither."""
    known = inspect.signature(getattr(F, f"{name}_backward")).parameters
    if "input" in known or "output" in known:
        return (grad.shape, grad.dtype) == (output.shape, output.dtype)
    any_shape = "input_shape" not in known or name.startswith("adaptive_avg")  # its windows follow from the gradient
    return grad.dtype.kind == "f" and (any_shape or grad.shape == output.shape)


def _alike(actual, expected):
    if isinstance(expected, tuple):
        return isinstance(actual, tuple) and all(map(_alike, actual, expected))
    return np.shape(actual) == expected.shape and np.allclose(actual, expected, 1e-3, 1e-5, equal_nan=True)
