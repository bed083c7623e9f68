"""The measurement: every library in a process of its own, all on the same layer, in turns.

A layer's libraries are prepared one after the other (arrays, check of the result, warm-up), then each round times each
library once, the median of many calls; the best of the rounds counts. Whoever is not asked sleeps on its input.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime

from . import machine
from .layer import Layer
from .modes import Mode
from .process import Worker, WorkerError
from .report import OURS, Report, Result, Roofline, Timing

_PREPARE = {"operator": "prepare_call", "network": "prepare_network"}
_PAUSE = 0.05  # seconds between two turns: a pool that spins for a while after its work falls asleep


class Team:
    """The processes, one a library, started when they are first needed and ended together."""

    def __init__(self, stack: ExitStack, threads: int, peers_python: str) -> None:
        self._stack, self._threads, self._peers_python = stack, threads, peers_python
        self._workers: dict[str, Worker] = {}
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def worker(self, library: str) -> Worker | None:
        """The library's process; a new one if the last died; None if the library is missing."""
        if library in self.missing:
            return None
        if library not in self._workers or not self._workers[library].alive:
            ours = library.startswith(OURS)
            threads = 1 if library == "fastconv-1-thread" else self._threads
            python = sys.executable if ours else self._peers_python
            try:
                worker = self._stack.enter_context(Worker(OURS if ours else library, threads, python))
            except WorkerError as error:
                self.missing[library] = str(error)
                return None
            self._workers[library] = worker
            self.versions[library] = worker.version
        return self._workers[library]


def measure(
    work: Iterable[tuple[Mode, Layer]],
    *,
    threads: int,
    rounds: int = 3,
    seconds: float = 0.15,
    dtype: str = "float32",
    peers_python: str = sys.executable,
    libraries: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Time each (mode, layer); `libraries` narrows who takes part, `progress` hears of each layer as it begins."""
    results = []
    others = machine.Others()
    with ExitStack() as stack:
        team = Team(stack, threads, peers_python)
        for mode, layer in work:
            progress(f"{mode.name} {layer.name}")
            names = [name for name in (OURS, *mode.peers) if libraries is None or name in libraries]
            results.append(_one(team, names, mode, layer, rounds, seconds, dtype))
        progress("roofline")
        roofline = _roofline(team, seconds)
    return Report(
        results=tuple(results),
        threads=threads,
        seconds=seconds,
        versions=team.versions,
        missing=team.missing,
        machine={**machine.describe(), "others": others.share()},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        roofline=roofline,
    )


def _one(team: Team, libraries: list[str], mode: Mode, layer: Layer, rounds: int, seconds: float, dtype: str) -> Result:
    forms: dict[str, str] = {}
    times: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}

    def turn(library: str, what: str, **request) -> dict | None:
        worker = team.worker(library)
        if worker is None:
            return None
        try:
            return worker.ask(what, **request)
        except WorkerError as error:
            left_out[library] = str(error)
            return None
        finally:
            time.sleep(_PAUSE)

    setup = {"layer": layer.request(), "mode": mode.name, "dtype": dtype, "seconds": seconds}
    expected = None
    for library in libraries:
        answer = turn(library, _PREPARE.get(layer.op, "prepare"), **setup)
        if answer is None:
            continue
        forms[library], times[library] = answer["form"], []
        expected = expected or answer.get("digest")
        if not _agree(expected, answer.get("digest")):
            left_out[library] = f"its results add up to {answer['digest']}, {libraries[0]}'s to {expected}"
    for number in range(rounds):
        here = [library for library in forms if library not in left_out]
        for library in here[number % max(1, len(here)) :] + here[: number % max(1, len(here))]:
            answer = turn(library, "time", seconds=seconds)
            if answer is not None:
                times[library].append(answer["seconds"])
    for library in forms:
        if library not in left_out:
            turn(library, "release")
    measured = {
        library: Timing(tuple(times[library]), form) for library, form in forms.items() if library not in left_out
    }
    return Result(layer, mode.name, dtype, measured, left_out)


def _agree(one: list | None, other: list | None) -> bool:
    """Whether two digests of results are of the same numbers."""
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(
        abs(total - also) <= 1e-4 * max(size, 1e-30) and abs(size - as_large) <= 1e-4 * size
        for (total, size), (also, as_large) in zip(one, other, strict=True)
    )


def _roofline(team: Team, seconds: float) -> Roofline | None:
    """Measured by fastconv's own kernels; None where they are missing."""
    worker = team.worker(OURS)
    if worker is None:
        return None
    try:
        return Roofline(**worker.ask("roofline", seconds=max(seconds, 0.3)))
    except WorkerError:
        return None
