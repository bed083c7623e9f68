"""What the tests know of an operator: one Operator each, from torch's documentation, not from the code under test."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from reference import Sum

import fastconv.functional as F


def nothing(arguments):
    return {}


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator of fastconv.functional, and how to check it.

    Results are dicts: "output" (and "indices", where there are some), and the gradient of each argument under the
    argument's name. `arguments` are dicts too, in the order of torch's signature.
    """

    name: str
    draw: Callable  # Draw -> arguments, every option of the signature among them
    # How to call it where the arguments are not its own: (fastconv.functional or torch, arguments) -> result
    call: Callable | None = None
    # (gradient of the output, arguments, what the forward returned) -> gradients under the arguments' names
    backward: Callable | None = None
    # (arguments, gradient of the output) -> expected results: Sums, or arrays whose magnitudes are found as below
    reference: Callable | None = None
    # (arguments) -> how many products each result sums
    terms: Callable = nothing
    # The arguments in which the results are sums of products: their magnitudes are those of the absolute values.
    absolute: tuple = ()
    # Where that does not say it: (arguments, gradient of the output, expected results) -> magnitudes
    magnitudes: Callable | None = None
    exact: tuple = ()  # the results that hold no rounding at all
    # What tolerance.assert_sums may allow for Winograd's algorithm: (arguments, dtype, result's name) -> its keywords
    winograd: Callable | None = None
    in_torch: bool = True
    updates: tuple = ()  # the arguments that a call writes to, as torch does: results like the others
    cases: int = 120
    # Draw, batch -> arguments large enough for several threads; with a batch, where images do not see each other
    large: Callable | None = None
    images_large: Callable | None = None  # where the images of `large` do see each other
    images: tuple = ("input",)  # the arguments with an axis for the batch, in `large`
    image_results: tuple = ("output", "indices", "input")  # results with one
    also: tuple = ()  # names in fastconv.functional that this entry checks too, besides <name> and <name>_backward

    def names(self):
        backward = (f"{self.name}_backward",) if self.backward is not None else ()
        return (self.name, *backward, *self.also)

    def forward(self, arguments, positional=0):
        """What fastconv returns; the first `positional` arguments without their names."""
        arguments = {
            name: value.copy() if name in self.updates and value is not None else value
            for name, value in arguments.items()
        }
        result = self.result(arguments, positional)
        updated = {name: arguments[name] for name in self.updates if arguments.get(name) is not None}
        if isinstance(result, tuple):
            return {"output": result[0], "indices": result[1], **updated}
        return {"output": result, **updated}

    def result(self, arguments, positional=0):
        if self.call is not None:
            return self.call(F, arguments)
        items = list(arguments.items())
        return getattr(F, self.name)(*(value for _, value in items[:positional]), **dict(items[positional:]))

    def run(self, arguments, grad, positional=0):
        """fastconv's results, forward and backward."""
        results = self.forward(arguments, positional)
        if self.backward is not None:
            results |= self.backward(grad, arguments, results)
        return {name: value for name, value in results.items() if value is not None}


def sums(operator, arguments, grad, expected, oracle):
    """Expected results with their magnitudes and number of terms. `oracle(arguments, grad)` computes results."""
    terms = operator.terms(arguments)
    plain = {name: value for name, value in expected.items() if not isinstance(value, Sum)}
    if operator.magnitudes is not None:
        sizes = operator.magnitudes(arguments, grad, expected)
    elif all(np.asarray(value).dtype.kind != "f" or name in operator.exact for name, value in plain.items()):
        sizes = {}
    else:
        above = {key: _above(value) if key in operator.absolute else value for key, value in arguments.items()}
        sizes = oracle(above, None if grad is None else np.asarray(np.abs(grad)))
    full = {}
    for name, value in expected.items():
        if isinstance(value, Sum) or name in operator.exact or np.asarray(value).dtype.kind != "f":
            full[name] = value
        else:
            size = sizes[name].magnitude if isinstance(sizes[name], Sum) else sizes[name]
            full[name] = Sum(np.asarray(value), np.abs(size), terms.get(name, 1))
    return full


def _above(value):
    if value is None:
        return None
    return np.asarray(np.abs(value)) if isinstance(value, np.ndarray) else abs(value)


def shown(operator, arguments):
    """The call in words: arrays by dtype, shape and strides, options by value."""
    return f"{operator.name}({', '.join(f'{name}={_shown(value)}' for name, value in arguments.items())})"


def _shown(value):
    if isinstance(value, np.ndarray):
        text = f"<{value.dtype} {value.shape}" + ("" if value.flags.c_contiguous else f" strides {value.strides}")
        return f"{text}{'' if value.flags.writeable else ' read-only'}>" if value.size > 8 else repr(value)
    return repr(value)
