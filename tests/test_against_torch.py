"""Every operator, forward and backward, over thousands of drawn calls, against torch; without torch, the reference.

How a call is drawn and checked is said once an operator in tests/operators/. Results must lie within (4 + sqrt(K)) eps
of the sum of magnitudes, with tolerance.py's allowance where Winograd's algorithm may be at work.
"""

import pytest
from operators import OPERATORS
from operators.compare import SEED, check

import fastconv.functional as F


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name, comparisons):
    for number in range(OPERATORS[name].cases):
        against = check(name, number)
        comparisons[name] = f"seed {SEED}, against {against}", number + 1


def test_no_operator_is_forgotten():
    assert set(F.__all__) == {name for operator in OPERATORS.values() for name in operator.names()}
