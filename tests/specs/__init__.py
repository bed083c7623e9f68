"""Every operator of fastconv.functional, one declarative entry each: how to draw and check its calls.

An entry is written from torch's documentation, not from the code under test. draw.py makes random arguments, spec.py
says what an entry holds, with_torch.py computes expected results with torch in float64, compare.py runs one case. A
case is known by the operator's name and a number, and comes out the same every time:

    PYTHONPATH=tests python -m specs conv2d 17      # that call alone, and how far off it is
"""

from specs import activation, conv, dense, dropout, join, local, loss, norm, pool, windows
from specs.spec import Operator

OPERATORS = {
    operator.name: operator
    for family in (conv, local, pool, windows, dense, activation, norm, dropout, join, loss)
    for operator in family.OPERATORS
}

__all__ = ["OPERATORS", "Operator"]
