"""Where the time of a call goes, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import perf_counter

from fastconv import settings

_LEAST_CALLS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A step of a profile. Costs are those of all images of the call.

    name: the layers, by their places in the network, or what else is done: "loading", "the rest"
    seconds: of computing, a thread's share of it where several compute
    flops: two for each multiply-accumulate
    bytes: input, weights and output
    """

    name: str
    dataflow: str
    seconds: float
    flops: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What Plan.profile and training.profile return; print() shows a table.

    title: of what
    rows: in the order of computing; they add up to about `seconds`
    images: of a call
    threads: that compute it
    seconds: a whole call, as its caller waits for it
    """

    title: str
    rows: tuple[Row, ...]
    images: int
    threads: int
    seconds: float

    @property
    def summary(self) -> str:
        """What was computed, and how fast: "256 images on 2 threads, 85,071 images/s"."""
        images = f"{self.images:,} image{'s' if self.images > 1 else ''}"
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{images} on {threads}, {self.images / self.seconds:,.0f} images/s"

    def __str__(self) -> str:
        from fastconv.plan import text

        return text.profile_table(self)


def of_steps(title, steps, call, measure, images, seconds):
    """The profile of calls whose steps are timed by `measure()`."""
    whole, parts = repeat(call, seconds, measure)
    rows = [
        Row(step.name, step.dataflow, took, 2 * step.macs * images, step.bytes * images)
        for step, took in zip(steps, parts, strict=True)
    ]
    return Profile(title, with_rest(rows, whole), images, settings.get_num_threads(), whole)


def of_lanes(plan, network, title, x, y, images, seconds):
    """The profile of a plan with the images in the lanes: what each thread does, of its share of the images."""

    def measure():
        loading, ahead, _, _ = network.profile(x)
        return [loading, *ahead]

    whole, (loading, *ahead) = repeat(lambda: plan(x, out=y), seconds, measure)
    rows = [Row("loading", "lanes", loading, 0, 2 * x.nbytes)]
    for name, took in zip(network.names, ahead, strict=True):
        flops, size = costs(plan.steps, name)
        rows.append(Row(name, "lanes", took, flops * images, size * images))
    return Profile(title, with_rest(rows, whole), images, network.threads(images), whole)


def costs(steps, name):
    """(FLOPs, bytes) of one image of the steps that are named in `name`."""
    parts = set(name.split(" + "))
    chosen = [step for step in steps if parts & set(step.name.split(" + "))]
    return 2 * sum(step.macs for step in chosen), sum(step.bytes for step in chosen)


def with_rest(rows, whole):
    """And what a call takes beyond its steps: Python, waiting for threads."""
    rest = whole - sum(row.seconds for row in rows)
    return (*rows, Row("the rest", "", max(rest, 0.0), 0, 0))


def repeat(call, seconds, measure):
    """(seconds of a call, [medians]): `call()` and `measure()`, which returns a list of seconds, in turns."""
    whole, parts = [], []
    call()
    end = perf_counter() + seconds
    while len(whole) < _LEAST_CALLS or perf_counter() < end:
        begun = perf_counter()
        call()
        whole.append(perf_counter() - begun)
        parts.append(measure())
    return median(whole), [median(column) for column in zip(*parts, strict=True)]
