"""The memory between the steps: regions that hold what later steps still read.

    x -> step -> [region 0] -> step -> [region 1] -> step (in place) -> step -> [region 0] -> step -> y

A chain uses two of them in turns; a branch that waits for another one to end keeps a third meanwhile. What is bound
here only calls kernels: every shape and view is made beforehand.
"""

from itertools import pairwise
from math import prod
from time import perf_counter
from typing import NamedTuple

import numpy as np

from fastconv.kernels.prepared import Program
from fastconv.nn.locks import Locked
from fastconv.plan.steps import Step

INPUT, OUTPUT = "input", "output"  # the caller's arrays; a region of the arena is 0, 1, ...
_ALIGNMENT = 64  # bytes: a cache line


class Node(NamedTuple):
    """A step, and the values it reads: 0 is the network's input, n what the n-th node gives, counted from 1."""

    step: Step
    sources: tuple[int, ...]


class Move(NamedTuple):
    step: Step
    sources: tuple[str | int, ...]
    target: str | int


def lay_out(nodes):
    """Where each step reads and writes. Views drop out; no step works in place on the caller's input, or on what a
    later step still reads."""
    same, computing = [0], []  # same: the value in whose memory each value lies
    for value, (step, sources) in enumerate(nodes, 1):
        sources = tuple(same[source] for source in sources)
        same.append(sources[0] if step.run is None else value)
        if step.run is not None:
            computing.append((value, step, sources))
    last = {source: when for when, (_, _, sources) in enumerate(computing) for source in sources}
    last[same[-1]] = len(computing)

    holder, size, until = {0: 0}, {}, {}  # of each array: the value that begins it, elements, when it is read last
    for when, (value, step, sources) in enumerate(computing):
        goes_on = step.in_place and sources[0] != 0 and last[sources[0]] == when
        array = holder[value] = holder[sources[0]] if goes_on else value
        size[array] = max(size.get(array, 0), prod(step.target_shape))
        until[array] = last[value]

    place, regions = {0: INPUT, holder[same[-1]]: OUTPUT}, []
    moves = []
    for when, (value, step, sources) in enumerate(computing):
        array = holder[value]
        if array not in place:
            place[array] = _region(regions, when, size[array], until[array])
        moves.append(Move(step, tuple(place[holder[source]] for source in sources), place[array]))
    return moves


def _region(regions, when, size, until):
    """The number of a region that nothing is read from any more: the smallest that is large enough, or the largest."""
    free = [number for number, (_, busy) in enumerate(regions) if busy < when]
    if free:
        number = min(free, key=lambda each: (regions[each][0] < size, abs(regions[each][0] - size)))
        regions[number] = max(regions[number][0], size), until
        return number
    regions.append((size, until))
    return len(regions) - 1


class Arena(Locked):
    """Room for a batch between the moves. One call at a time uses it: `lock`."""

    def __init__(self, moves, batch, dtype):
        sizes = []  # bytes, in whole cache lines
        for move in moves:
            if move.target != OUTPUT:
                sizes += [0] * (move.target + 1 - len(sizes))
                size = prod(move.step.target_shape) * batch * dtype.itemsize
                sizes[move.target] = max(sizes[move.target], -(-size // _ALIGNMENT) * _ALIGNMENT)
        self.bytes = sum(sizes)
        super().__init__()
        self.regions = []
        if self.bytes:
            try:
                memory = np.empty(self.bytes + _ALIGNMENT, np.uint8)
            except (ValueError, OverflowError) as error:
                raise MemoryError(f"a plan for batch={batch} needs an arena of {self.bytes} bytes: {error}") from None
            start = -memory.__array_interface__["data"][0] % _ALIGNMENT
            for size in sizes:
                self.regions.append(memory[start : start + size].view(dtype))
                start += size
        self.program = _program(moves, self.regions)

    def place(self, region, shape):
        return self.regions[region][: prod(shape)].reshape(shape)


def _program(moves, regions):
    """The moves as one call, or None where a step is Python's."""
    if not all(move.step.prepared for move in moves):
        return None
    number = {INPUT: -1, OUTPUT: -2, **{region: region for region in range(len(regions))}}
    calls = [(move.step.prepared, tuple(number[each] for each in move.sources), number[move.target]) for move in moves]
    return Program(tuple(calls), tuple(regions))


def bind(moves, arena, images, input_shape, output_shape):
    """run(x, y) for so many images, x and y contiguous and of the shapes given: one call into compiled code where every
    step is a prepared operator."""
    if arena.program:
        return _run_program(arena, images)
    given = {INPUT: input_shape, OUTPUT: output_shape}
    calls = tuple(_call(move, arena, images, given) for move in moves)
    if len(calls) == 1:
        return calls[0]

    def run(x, y):
        for call in calls:
            call(x, y)

    def run_alone(x, y):
        with arena.lock:
            for call in calls:
                call(x, y)

    return run_alone if arena.bytes else run


def timed(moves, arena, images, input_shape, output_shape):
    """run(x, y) as `bind` gives it, but it returns the seconds that each move took."""
    if arena.program:

        def run_program(x, y):
            with arena.lock:
                return arena.program.profile(images, x, y)

        return run_program
    given = {INPUT: input_shape, OUTPUT: output_shape}
    calls = tuple(_call(move, arena, images, given) for move in moves)

    def run(x, y):
        clock = [perf_counter()]
        with arena.lock:
            for call in calls:
                call(x, y)
                clock.append(perf_counter())
        return [after - before for before, after in pairwise(clock)]

    return run


def _run_program(arena, images):
    forward = arena.program.forward
    if not arena.bytes:
        return lambda x, y: forward(images, x, y)

    def run(x, y):
        with arena.lock:
            forward(images, x, y)

    return run


def _call(move, arena, images, given):
    """call(x, y): one step. `given` has the shapes of x and y, which a step may want otherwise."""
    run, places = move.step.run, (*move.sources, move.target)
    shapes = [(images * first, *rest) for first, *rest in (*move.step.source_shapes, move.step.target_shape)]
    arrays = [
        None if place in given else arena.place(place, shape) for place, shape in zip(places, shapes, strict=True)
    ]
    if len(places) == 2 and all(given.get(place, shape) == shape for place, shape in zip(places, shapes, strict=True)):
        here, there = arrays
        if places == (INPUT, OUTPUT):
            return run
        if places == (OUTPUT, OUTPUT):
            return lambda x, y: run(y, y)
        if here is not None and there is not None:
            return lambda x, y: run(here, there)
        if here is not None:
            return lambda x, y: run(here, y)
        if places[0] == INPUT:
            return lambda x, y: run(x, there)
    wanted = tuple(zip(places, shapes, arrays, strict=True))

    def call(x, y):
        of = {INPUT: x, OUTPUT: y}
        run(*[of[place].reshape(shape) if array is None else array for place, shape, array in wanted])

    return call
