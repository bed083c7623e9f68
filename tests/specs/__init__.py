"""Every operator of fastconv.functional, one declarative entry each: how to draw and check its calls.

An entry is written from torch's documentation, not from the code under test. draw.py makes random arguments, spec.py
says what an entry holds, with_torch.py computes expected results with torch in float64, compare.py runs one case. A
case is known by the operator's name and a number, and comes out the same every time:

    PYTHONPATH=tests python -m specs conv2d 17      # that call alone, and how far off it is
"""

import inspect

import reference

import fastconv.functional as F
from specs import activation, conv, dense, dropout, local, loss, norm, pool, windows
from specs.signatures import REQUIRED, SIGNATURES
from specs.spec import Operator


def _is_ready(name):
    """While operators are still to come."""
    return ("pool" not in name or hasattr(reference, "avg_pool")) and list(SIGNATURES[name].items()) == [
        (each.name, REQUIRED if each.default is each.empty else each.default)
        for each in inspect.signature(getattr(F, name)).parameters.values()
        if each.name not in ("out", "seed", "return_statistics")
    ]


ALL = {
    operator.name: operator
    for family in (conv, local, pool, windows, dense, activation, norm, dropout, loss)
    for operator in family.OPERATORS
}
OPERATORS = {
    name: operator
    for name, operator in ALL.items()
    if all(hasattr(F, each) for each in operator.names()) and _is_ready(name)
}

__all__ = ["ALL", "OPERATORS", "Operator"]
