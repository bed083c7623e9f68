"""Wrong calls: right ones with one argument spoilt. Most of them torch refuses; what it takes, we should take too."""

import warnings
from pathlib import Path
from zlib import crc32

import numpy as np

from specs import OPERATORS, with_torch
from specs.differences import reason_to_take_more
from specs.draw import Draw
from specs.signatures import REQUIRED, SIGNATURES

SEED = 20240301
RECORD = Path(__file__).with_name("wrong_calls.txt")
REFUSALS = (TypeError, ValueError)


class Missing:
    """Stands for an argument that is not given."""

    def __repr__(self):
        return "MISSING"


MISSING = Missing()


def draw(operator, number):
    """(arguments, which of them is spoilt)."""
    d = Draw(SEED, crc32(operator.name.encode()), number, dtype=d_type(number))
    arguments = {key: _plain(value) for key, value in operator.draw(d).items()}
    if operator.call is None and d.chance(0.02):
        return {**arguments, "colour": 1}, "colour"
    key = d.choice(*arguments)
    arguments[key] = _spoil(d, arguments[key], key, required=SIGNATURES[operator.name].get(key) is REQUIRED)
    if arguments[key] is MISSING:
        del arguments[key]
    return arguments, key


def draw_backward(operator, number):
    """(gradient of the output, arguments, the forward's results, what is spoilt): of a backward's call."""
    d = Draw(SEED, crc32(operator.name.encode()), number, 1, dtype=d_type(number))
    arguments = {key: _plain(value) for key, value in operator.draw(d).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = operator.forward(arguments)
    grad = np.ones_like(results["output"])
    spoilt = d.choice("grad_output", "grad_output", *arguments, *results)
    value = {**arguments, **results, "grad_output": grad}[spoilt]
    wrong = _spoil(d, value, spoilt, required=False)
    while isinstance(value, np.ndarray) and not isinstance(wrong, np.ndarray):
        wrong = _spoil(d, value, spoilt, required=False)
    if spoilt == "grad_output":
        return wrong, arguments, results, spoilt
    return grad, arguments | {spoilt: wrong}, results | ({spoilt: wrong} if spoilt in results else {}), spoilt


def d_type(number):
    return (np.float32, np.float64)[number % 2]


def _plain(value):
    """Layouts are no concern here, nor are the numbers."""
    if not isinstance(value, np.ndarray):
        return value
    return np.ones(value.shape, value.dtype) if value.dtype.kind == "f" else np.array(value, order="C")


def _spoil(d, value, key, required):
    if required and d.chance(0.04):
        return MISSING
    if isinstance(value, np.ndarray):
        return _spoilt_array(d, value, key)
    if isinstance(value, bool):
        return d.choice(1, None, "yes", 0.5, [True])
    if isinstance(value, int):
        return d.choice(
            0, -1, value + d.integer(1, 9), value - 1, 1.5, float(value), "two", None, True, (), [], (1,) * 4
        )
    if isinstance(value, float):
        return d.choice(-0.37, "half", None, [0.5], float("nan"), 2.5, 2)
    if isinstance(value, str):
        return d.choice("nothing", "", None, 3, value.upper())
    if isinstance(value, (tuple, list)):
        return _spoilt_sizes(d, value)
    # None: what an option must not be
    return d.choice(-1, 0, "none", 1.5, (), (3, 3, 3, 3), np.ones(3, d.dtype), True)


def _spoilt_sizes(d, value):
    at = d.integer(0, max(0, len(value) - 1))
    one = list(value)
    kind = d.integer(0, 9)
    if kind <= 4 and one:
        one[at] = (0, -1, (one[at] or 0) + d.integer(1, 9), 1.5, None)[kind]
    elif kind == 5:
        one = one[:-1]
    elif kind == 6:
        one = [*one, 1]
    elif kind == 7:
        return None
    elif kind == 8:
        return "sizes"
    elif one:
        one[at] = d.choice("1", True, 2.0)
    return type(value)(one)


def _spoilt_array(d, value, key):
    kind = d.integer(0, 11)
    if kind == 0:
        return value[None]
    if kind == 1:
        return value[..., None]
    if kind == 2:
        return np.asarray(value[0]) if value.ndim and value.shape[0] else None
    if kind in (3, 4) and value.ndim:  # an axis longer or shorter
        sizes = list(value.shape)
        at = d.integer(0, value.ndim - 1)
        sizes[at] = max(0, sizes[at] + d.choice(1, -1, -1, 2))
        return np.resize(value, sizes)
    if kind == 5 and value.ndim:
        sizes = list(value.shape)
        sizes[d.integer(0, value.ndim - 1)] = 0
        return np.zeros(sizes, value.dtype)
    if kind == 6 and value.dtype.kind in "iu" and value.size:
        changed = value.astype(np.int64)
        changed.flat[d.integer(0, value.size - 1)] = d.choice(-1, 10**6, -(10**6), 40)
        return changed
    if kind in (6, 7):
        return value.astype(d.choice(np.float32, np.float64, np.int64, np.int32, np.float16, np.complex64, np.bool_))
    if kind == 8:
        return None
    if kind == 9:
        return d.choice(1.0, "array", 3)
    if kind == 10:
        return value.tolist()
    return value.reshape(-1)


def ours(name, arguments):
    """What came of it: ("refused", error), or ("taken", result); any other exception is raised."""
    arguments = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in arguments.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "taken", OPERATORS[name].result(arguments)
        except REFUSALS as error:
            return "refused", error


def theirs(name, arguments):
    torch = with_torch.torch
    tensors = {
        key: torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
        for key, value in arguments.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = with_torch.call(OPERATORS[name], tensors)
        except Exception as error:
            return "refused", error
    if isinstance(result, tuple):
        return "taken", tuple(each.numpy() for each in result)
    return "taken", result.numpy()


def written(name, arguments):
    """The call as text, which `call` reads back."""
    return f"{name}({', '.join(f'{key}={_written(value)}' for key, value in arguments.items())})"


def _written(value):
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "iu" and value.size:
            return f"numbers({value.tolist()}, {value.dtype.name!r})"
        return f"ones({value.shape}, {value.dtype.name!r})"
    return repr(value)


def read(text):
    """(name, arguments) of a call as `written` writes it."""
    name, inside = text.split("(", 1)
    return name, eval(f"dict({inside}", {"ones": np.ones, "numbers": np.array, "nan": float("nan")})


def recorded():
    return RECORD.read_text().splitlines()


def record(operators, an_operator=24, longest=300):
    """Writes the calls that torch refuses, of as many kinds as there are. What torch lacks is spoilt all the same."""
    lines = []
    for operator in operators:
        found = {}
        for number in range(2000):
            arguments, spoilt = draw(operator, number)
            text = written(operator.name, arguments)
            kind = spoilt, _kind(arguments.get(spoilt, MISSING))
            if len(text) > longest or kind in found or reason_to_take_more(operator.name, arguments, spoilt):
                continue
            refused = (theirs if operator.in_torch else ours)(operator.name, arguments)[0] == "refused"
            if refused:
                found[kind] = text
            if len(found) == an_operator:
                break
        lines += found.values()
    RECORD.write_text("".join(f"{line}\n" for line in lines))
    return len(lines)


def _kind(value):
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.ndim
    return type(value).__name__, repr(value) if np.isscalar(value) else len(value) if np.ndim(value) else 0
