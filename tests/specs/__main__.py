"""python -m specs NAME NUMBER: one case of tests/test_against_torch.py again. --record: see test_wrong_calls.py."""

import sys

from specs import OPERATORS, with_torch, wrong
from specs.compare import check, draw
from specs.spec import shown

if sys.argv[1:] == ["--record"]:
    print(wrong.record(OPERATORS.values()), "calls that torch refuses")
    sys.exit()
name, number = sys.argv[1], int(sys.argv[2])
arguments, positional, _ = draw(OPERATORS[name], number)
print(shown(OPERATORS[name], arguments), f"with {positional} arguments by position, against {with_torch.name()}")
for key, value in arguments.items():
    print(f"{key} = {value!r}")
check(name, number)
print("agrees")
