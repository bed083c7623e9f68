"""Profiles as a picture: a bar a step, a panel a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastconv.plan import Profile

_BAR, _REST, _TEXT = "#2b6cb0", "#94a3b8", "#2d3748"
_COLUMNS = 2
_UNITS = (("us", 1e6), ("ms", 1e3), ("s", 1.0))


def draw(profiles: list[Profile], title: str, file: str | Path) -> None:
    """Write the picture; the ending of the name (png, svg, pdf) says the format.

    Raises ImportError without matplotlib, OSError if the file cannot be written and ValueError for a format that
    matplotlib does not know.
    """
    from matplotlib.figure import Figure

    most = max(len(profile.rows) for profile in profiles)
    columns = min(len(profiles), _COLUMNS)
    rows = -(-len(profiles) // columns)
    figure = Figure(figsize=(6.8 * columns, 0.8 + rows * (0.8 + 0.3 * most)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, profile in zip(axes, profiles, strict=False):
        _panel(axis, profile)
    for axis in axes[len(profiles) :]:
        axis.set_visible(False)
    figure.suptitle(title, fontsize=11, fontweight="bold", color=_TEXT)
    figure.savefig(file, dpi=150)


def _panel(axis, profile: Profile) -> None:
    rows = profile.rows
    unit, scale = next((pair for pair in _UNITS if profile.seconds * pair[1] < 1000), _UNITS[-1])
    places = range(len(rows))[::-1]
    times = [row.seconds * scale for row in rows]
    colours = [_BAR if row.flops else _REST for row in rows]
    axis.barh(places, times, color=colours, height=0.7)
    for place, row, took in zip(places, rows, times, strict=True):
        rate = f", {row.flops / row.seconds / 1e9:.0f} GFLOP/s" if row.flops and row.seconds else ""
        axis.annotate(
            f"{took:.3g} {unit}{rate}", (took, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5
        )
    axis.set_yticks(places, [f"{row.name}  ({row.dataflow})" if row.dataflow else row.name for row in rows], fontsize=8)
    axis.set_xlim(0, max(times) * 1.45 or 1)
    axis.set_xticks([])
    heading = f"{profile.title}\n{profile.summary}: {profile.seconds * scale:.3g} {unit}"
    axis.set_title(heading, fontsize=9, loc="left", color=_TEXT)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
