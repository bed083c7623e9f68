"""Integers, flags, axes and seeds."""

import math
from contextlib import contextmanager
from contextvars import ContextVar
from operator import index

import numpy as np

INT64_MAX = 2**63 - 1

# Whether sizes are only counted with, so that nothing has to fit into 64 bits or into memory. Looked at where a size
# is too large, never before.
_is_counting = ContextVar("fastconv counting", default=False)


@contextmanager
def without_limits():
    """Inside, no size is too large for its shape to be computed (in this thread); nothing must be allocated there."""
    before = _is_counting.set(True)
    try:
        yield
    finally:
        _is_counting.reset(before)


def is_limited():
    return not _is_counting.get()


def integer(value, name, low=-INT64_MAX - 1, high=INT64_MAX):
    """`value` as a Python int between low and high; bool and float are refused."""
    if type(value) is not int:
        value = _index(value, name, "an integer")
    if not low <= value <= high and (high != INT64_MAX or value < low or is_limited()):
        raise _range_error(value, name, low, high)
    return value


def _index(value, name, expected):
    if not isinstance(value, (bool, np.bool_)):
        try:
            return index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be {expected}, got {name}={value!r} ({type_name(value)})")


def _range_error(value, name, low, high):
    if low <= value:
        return ValueError(f"{name} must be at most {high}, got {name}={value}")
    if value >= -INT64_MAX - 1:
        return ValueError(f"{name} must be at least {low}, got {name}={value}")
    return ValueError(f"{name} must fit into 64 bits, got {name}={value}")


def number(value, name):
    """A real number as a float; bool is refused."""
    if type(value) is float:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {name}={value!r} ({type_name(value)})")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number that float64 holds, got {name}={value!r}") from None


def positive(value, name):
    """A finite number above 0 as a float; bool is refused."""
    value = number(value, name)
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {name}={value}")
    return value


def probability(value, name):
    """A number between 0 and 1 as a float; bool is refused."""
    value = number(value, name)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {name}={value!r}")
    return value


def pair(value, name, low, shortest=1):
    """An integer, or one or two of them in a tuple or list, as two Python ints of at least `low`."""
    if type(value) is int:
        if low <= value <= INT64_MAX:
            return value, value
        first = second = value
    elif type(value) is tuple and len(value) == 2 and type(value[0]) is int and type(value[1]) is int:
        first, second = value
        if low <= first <= INT64_MAX and low <= second <= INT64_MAX:
            return value
    elif isinstance(value, (tuple, list)):
        if not shortest <= len(value) <= 2:
            raise ValueError(f"{name} must be an integer or a pair of integers, got {name}={value!r}")
        numbers = [_index(number, name, "an integer or a pair of integers") for number in value]
        first, second = numbers[0], numbers[-1]
    else:
        first = second = _index(value, name, "an integer or a pair of integers")
    if not (low <= first <= INT64_MAX and low <= second <= INT64_MAX):
        if max(first, second) > INT64_MAX:
            if min(first, second) >= low and not is_limited():
                return first, second
            raise ValueError(f"{name} must fit into 64 bits, got {name}={value!r}")
        raise ValueError(f"{name} must be at least {low}, got {name}={value!r}")
    return first, second


def extents(value, name, length, low):
    """An integer, or one or `length` of them in a tuple or list, as `length` Python ints of at least `low`."""
    if type(value) is int:
        if low <= value <= INT64_MAX:
            return (value,) * length
        numbers = [value]
    elif isinstance(value, (tuple, list)):
        if len(value) != 1 and len(value) != length:
            raise ValueError(f"{name} must be {_described(length)}, got {name}={value!r}")
        numbers = [number if type(number) is int else _index(number, name, _described(length)) for number in value]
    else:
        numbers = [_index(value, name, _described(length))]
    for number in numbers:
        if not low <= number <= INT64_MAX:
            if number > INT64_MAX:
                if not is_limited():
                    continue
                raise ValueError(f"{name} must fit into 64 bits, got {name}={value!r}")
            raise ValueError(f"{name} must be at least {low}, got {name}={value!r}")
    return tuple(numbers) * (length if len(numbers) == 1 else 1)


def _described(length):
    return "an integer or a tuple of one" if length == 1 else f"an integer or a tuple of {length} integers"


def flag(value, name):
    """`value` as a bool; integers are refused, as torch refuses them."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise TypeError(f"{name} must be True or False, got {name}={value!r} ({type_name(value)})")


def mask(value, name, length):
    """A sequence of `length` booleans."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a tuple of {length} booleans, got {name}={value!r}")
    if len(value) != length:
        raise ValueError(f"{name} must hold {length} booleans, got {name}={value!r}")
    return [flag(entry, name) for entry in value]


def choice(value, name, choices):
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {name}={value!r}")


def not_inplace(inplace):
    if inplace is not False and flag(inplace, "inplace"):
        raise ValueError("inplace must be False, got inplace=True: inputs are never written, use out= for the result")


def shape(value, name, ranks, low=0):
    """A tuple of Python ints from a tuple or list, with one of the `ranks` (None: any)."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a tuple of integers, got {name}={value!r} ({type_name(value)})")
    if type(value) is tuple and (ranks is None or len(value) in ranks):
        for number in value:
            if type(number) is not int or not low <= number <= INT64_MAX:
                break
        else:
            return value
    numbers = tuple(integer(number, f"{name}[{place}]") for place, number in enumerate(value))
    if ranks is not None and len(numbers) not in ranks:
        expected = " or ".join(map(str, ranks))
        raise ValueError(f"{name} must have {expected} entries, got {name}={numbers}")
    if numbers and min(numbers) < low:
        raise ValueError(f"{name} must hold integers of at least {low}, got {name}={numbers}")
    return numbers


def axis(value, name, ndim, of):
    """An axis of an array of shape `of`, counted from the front."""
    number = integer(value, name)
    span = max(ndim, 1)
    if not -span <= number < span:
        raise ValueError(f"{name} must lie between {-span} and {span - 1} for shape {of}, got {name}={number}")
    return number % span


def position(value, name, length):
    """A place in a sequence of `length`, as a sequence takes it; IndexError beyond it, so that iteration ends."""
    number = integer(value, name)
    if not -length <= number < length:
        raise IndexError(f"{name} must lie between {-length} and {length - 1}, got {name}={number}")
    return number


def seed(value):
    """None, or what numpy.random.default_rng takes as a reproducible seed: integers that are not negative."""
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return tuple(integer(number, "seed", 0, 2**128 - 1) for number in value)
    return integer(value, "seed", 0, 2**128 - 1)


def dropout_seed(value):
    """None, or an integer of 128 bits."""
    return None if value is None else integer(value, "seed", 0, 2**128 - 1)


def type_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
