"""Every operator, forward and backward, over thousands of drawn calls, against torch; without torch, the reference.

How a call is drawn and checked is said once an operator in tests/specs/. Results must lie within (4 + sqrt(K)) eps
of the sum of magnitudes, with tolerance.py's allowance where Winograd's algorithm may be at work.
"""

import numpy as np
import pytest
from specs import OPERATORS
from specs.compare import SEED, TIMES, check

import fastconv.functional as F

AT_LEAST = 5000


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name, comparisons):
    decided = 0
    for number in range(max(2, int(TIMES * OPERATORS[name].cases))):
        against, off = check(name, number)
        decided += off
        comparisons[name] = f"seed {SEED}, against {against}", number + 1, decided


def test_no_operator_is_forgotten():
    assert sorted(F.__all__) == sorted({name for operator in OPERATORS.values() for name in operator.names()})


def test_there_are_as_many_calls_as_promised():
    assert sum(operator.cases for operator in OPERATORS.values()) >= AT_LEAST


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_dropout_leaves_as_many_as_it_says_wherever_they_are(p, dtype):
    x = np.arange(1, 500_001, dtype=dtype)
    y, again, other = (F.dropout(x, p, seed=seed) for seed in (1, 1, 2))
    kept = y != 0
    np.testing.assert_array_equal(y, again)
    np.testing.assert_allclose(y[kept], x[kept] / (1 - p), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(F.dropout_backward(x, p, seed=1), y)
    both = kept & (other != 0)
    neighbours = [kept[:-step] & kept[step:] for step in (1, 2, 4, 8, 16, 512)]
    for share, chance in [(kept, 1 - p), (both, (1 - p) ** 2), *((each, (1 - p) ** 2) for each in neighbours)]:
        deviation = np.sqrt(chance * (1 - chance) / share.size)
        assert abs(share.mean() - chance) < 7 * deviation  # neighbours are no independent draws of pairs
    assert (F.dropout(x, p) != F.dropout(x, p)).any()
