"""A benchmark's outcome as data: times, and the figures that follow from them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field

from .layer import Layer, parse
from .modes import work
from .networks import Network, from_request
from .operators import CALLS, Call

OURS = "fastconv"
_CALLS = {call.name: call for call in CALLS}


@dataclass(frozen=True)
class Timing:
    """One library on one layer: the median of each round, in seconds, and how the library was called."""

    rounds: tuple[float, ...]
    form: str = ""

    @property
    def seconds(self) -> float:
        """The best round."""
        return min(self.rounds)


@dataclass(frozen=True)
class Result:
    """One layer in one mode: a timing a library; libraries that could not take part, and why."""

    layer: Layer | Call | Network
    mode: str
    dtype: str
    times: dict[str, Timing]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> Timing | None:
        return self.times.get(OURS)

    @property
    def best_peer(self) -> str | None:
        peers = [name for name in self.times if name != OURS]
        return min(peers, key=lambda name: self.times[name].seconds) if peers else None

    @property
    def ratio(self) -> float | None:
        """Best peer's time over fastconv's: above 1, fastconv is the faster."""
        if self.ours is None or self.best_peer is None:
            return None
        return self.times[self.best_peer].seconds / self.ours.seconds

    @property
    def work(self) -> tuple[int, int]:
        return work(self.layer, self.mode, 8 if self.dtype == "float64" else 4)

    def rate(self, library: str = OURS) -> float | None:
        """Operations a second, or None where the library was not timed."""
        return self.work[0] / self.times[library].seconds if library in self.times else None


@dataclass(frozen=True)
class Roofline:
    """This machine's limits on the threads in use: float32 operations and bytes a second."""

    flops: float
    bytes: float

    def share(self, result: Result, library: str = OURS) -> float | None:
        """What the layer reaches of min(peak rate, intensity * bandwidth); float64 has half the rate."""
        if library not in result.times:
            return None
        operations, traffic = result.work
        peak = self.flops / 2 if result.dtype == "float64" else self.flops
        return max(operations / peak, traffic / self.bytes) / result.times[library].seconds


@dataclass(frozen=True)
class Report:
    """All results, and what they were measured on."""

    results: tuple[Result, ...]
    threads: int
    seconds: float
    versions: dict[str, str]
    missing: dict[str, str]
    machine: dict
    date: str
    roofline: Roofline | None = None

    def modes(self) -> list[str]:
        return list(dict.fromkeys(result.mode for result in self.results))

    def of(self, mode: str) -> list[Result]:
        return [result for result in self.results if result.mode == mode]

    def summary(self, mode: str) -> dict | None:
        """Geometric mean of the ratios, and the worst: None where no layer has both fastconv and a peer."""
        rated = [result for result in self.of(mode) if result.ratio]
        if not rated:
            return None
        worst = min(rated, key=lambda result: result.ratio)
        mean = math.exp(sum(math.log(result.ratio) for result in rated) / len(rated))
        return {"layers": len(rated), "geometric_mean": mean, "worst": worst.ratio, "worst_layer": worst.layer.name}

    def worst(self, mode: str, number: int) -> list[Result]:
        return sorted((result for result in self.of(mode) if result.ratio), key=lambda result: result.ratio)[:number]

    def to_json(self) -> str:
        """The report as one JSON object; `from_json` reads it back."""
        results = []
        for result in self.results:
            operations, traffic = result.work
            results.append(
                {
                    "layer": result.layer.name,
                    **({"network": result.layer.request()} if isinstance(result.layer, Network) else {}),
                    "shape": result.layer.describe(),
                    "mode": result.mode,
                    "dtype": result.dtype,
                    "operations": operations,
                    "bytes": traffic,
                    "times": {
                        name: {"seconds": timing.seconds, "rounds": timing.rounds, "form": timing.form}
                        for name, timing in result.times.items()
                    },
                    "left_out": result.left_out,
                    "best_peer": result.best_peer,
                    "ratio": result.ratio,
                    "share": self.roofline.share(result) if self.roofline else None,
                }
            )
        return json.dumps(
            {
                "date": self.date,
                "machine": self.machine,
                "versions": self.versions,
                "missing": self.missing,
                "threads": self.threads,
                "seconds": self.seconds,
                "roofline": asdict(self.roofline) if self.roofline else None,
                "summary": {mode: self.summary(mode) for mode in self.modes()},
                "results": results,
            },
            indent=1,
        )


def _layer(row: dict) -> Layer | Call | Network:
    if "network" in row:
        return from_request(row["network"])
    return _CALLS[row["layer"]] if row["mode"].startswith("operators") else parse(row["shape"], row["layer"])


def from_json(text: str) -> Report:
    """A report as `Report.to_json` wrote it; ValueError if the text is something else."""
    try:
        data = json.loads(text)
        results = tuple(
            Result(
                layer=_layer(row),
                mode=row["mode"],
                dtype=row["dtype"],
                times={name: Timing(tuple(t["rounds"]), t["form"]) for name, t in row["times"].items()},
                left_out=row["left_out"],
            )
            for row in data["results"]
        )
        facts = {name: data[name] for name in ("threads", "seconds", "versions", "missing", "machine", "date")}
        roofline = Roofline(**data["roofline"]) if data["roofline"] else None
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"this is not a report of fastconv bench: {type(error).__name__} {error}") from None
    return Report(results=results, roofline=roofline, **facts)
