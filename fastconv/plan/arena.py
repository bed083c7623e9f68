"""The memory between the steps: two regions that a chain of steps uses in turns.

    x -> step -> [region 0] -> step -> [region 1] -> step (in place) -> step -> [region 0] -> step -> y

What is bound here only calls kernels: every shape and view is made beforehand.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from fastconv.plan.locks import Locked
from fastconv.plan.steps import Step

INPUT, OUTPUT = "input", "output"  # the caller's arrays; a region of the arena is 0 or 1
_ALIGNMENT = 64  # bytes: a cache line


class Move(NamedTuple):
    step: Step
    source: str | int
    target: str | int


def lay_out(steps):
    """Where each step reads and writes. Views drop out; no step works in place on the caller's input."""
    steps = [step for step in steps if step.run is not None]
    left = 1 + sum(not step.in_place for step in steps[1:])
    moves = []
    place = INPUT
    for step in steps:
        target = place
        if place == INPUT or not step.in_place:
            left -= 1
            target = OUTPUT if left == 0 else 1 if place == 0 else 0
        moves.append(Move(step, place, target))
        place = target
    return moves


class Arena(Locked):
    """Room for a batch between the moves. One call at a time uses it: `lock`."""

    def __init__(self, moves, batch, dtype):
        sizes = [0, 0]  # bytes, in whole cache lines
        for move in moves:
            if move.target in (0, 1):
                size = prod(move.step.target_shape) * batch * dtype.itemsize
                sizes[move.target] = max(sizes[move.target], -(-size // _ALIGNMENT) * _ALIGNMENT)
        self.bytes = sum(sizes)
        super().__init__()
        self.regions = ()
        if self.bytes:
            try:
                memory = np.empty(self.bytes + _ALIGNMENT, np.uint8)
            except (ValueError, OverflowError) as error:
                raise MemoryError(f"a plan for batch={batch} needs an arena of {self.bytes} bytes: {error}") from None
            start = -memory.__array_interface__["data"][0] % _ALIGNMENT
            self.regions = (
                memory[start : start + sizes[0]].view(dtype),
                memory[start + sizes[0] : start + self.bytes].view(dtype),
            )

    def place(self, region, shape):
        return self.regions[region][: prod(shape)].reshape(shape)


def bind(moves, arena, images, input_shape, output_shape):
    """run(x, y) for so many images, x and y contiguous and of the shapes given."""
    end = next(number for number, move in enumerate(moves) if move.target == OUTPUT)
    after = tuple(move.step.run for move in moves[end + 1 :])  # in place on the output
    run = moves[0].step.run if end == 0 else _chain(moves[: end + 1], arena, images)
    if after:
        run = _then(run, after)
    source, target = _batched(moves[0].step.source_shape, images), _batched(moves[end].step.target_shape, images)
    return run if (source, target) == (input_shape, output_shape) else _reshaped(run, source, target)


def _batched(shape, images):
    return (images * shape[0], *shape[1:])


def _chain(moves, arena, images):
    def source(move):
        return arena.place(move.source, _batched(move.step.source_shape, images))

    def target(move):
        return arena.place(move.target, _batched(move.step.target_shape, images))

    first, into = moves[0].step.run, target(moves[0])
    middle = tuple((move.step.run, source(move), target(move)) for move in moves[1:-1])
    last, out_of = moves[-1].step.run, source(moves[-1])

    def run(x, y):
        with arena.lock:
            first(x, into)
            for step, here, there in middle:
                step(here, there)
            last(out_of, y)

    return run


def _then(run, after):
    def run_all(x, y):
        run(x, y)
        for step in after:
            step(y, y)

    return run_all


def _reshaped(run, source, target):
    return lambda x, y: run(x.reshape(source), y.reshape(target))
