"""Pictures of counts (matplotlib): the ladder, a network's layers, and these beside their dense equivalents."""

from math import log10
from pathlib import Path

from fastconv.counting.comparison import Comparison
from fastconv.counting.ladder import BOTH, INVARIANCE, LOCALITY, Ladder
from fastconv.counting.numbers import duration, readable, readable_as, shape_text, times
from fastconv.counting.report import Report

TEXT, GRID, PALE = "#2d3748", "#e2e8f0", "#94a3b8"
DENSE, INVARIANT, LOCAL, SHARED = "#64748b", "#2b6cb0", "#dd6b20", "#15803d"
_COLOURS = {"none": DENSE, INVARIANCE: INVARIANT, LOCALITY: LOCAL, BOTH: SHARED}
_MOST_GROUPS = 24  # layers of a comparison
_MOST_LAYERS = 60  # bars of a picture; of more layers those without weights are left out, then the smallest


def draw_ladder(ladder: Ladder, path) -> None:
    """A bar a step on a logarithmic axis."""
    rows = ladder.rows
    figure, axes = _figure(9.2, 1.5 + 0.55 * len(rows))
    places = range(len(rows))[::-1]
    exponents = [_exponent(row.parameters) for row in rows]
    axes.barh(places, exponents, color=[_COLOURS.get(row.principle, PALE) for row in rows], height=0.62)
    for place, exponent, row in zip(places, exponents, rows, strict=True):
        principle = "" if row.principle in ("none", "channels") else f"   {row.principle}"
        _beside(axes, exponent, place, f"{_count(row.parameters)}{principle}")
    axes.set_yticks(places, [row.step for row in rows], fontsize=9)
    _powers(axes, max(exponents), room=0.36)
    pixels = " x ".join(map(_count, ladder.image))
    sizes = f"{_count(ladder.in_channels)} x {pixels} to {_count(ladder.out_channels)} x {pixels}"
    window = " x ".join(map(_count, ladder.window))
    saved = times(next(factor.factor for factor in ladder.factors if factor.principle == BOTH))[:-1]
    _title(axes, "Weights from dense to convolution", f"{sizes}, window {window}: {saved} times fewer")
    _save(figure, path)


def draw_comparison(comparison: Comparison, path) -> None:
    """Four bars a layer on a logarithmic axis: dense, translation invariant, locally connected, as it is."""
    total = comparison.report.total
    rows, left_out = _largest(comparison.rows, _MOST_GROUPS)
    groups = [(f"{row.name} {row.type}", row) for row in rows] + [("the network", total)]
    kinds = (
        ("dense", "dense_parameters", DENSE),
        ("translation invariant", "invariant_parameters", INVARIANT),
        ("locally connected", "untied_parameters", LOCAL),
        ("as it is", "parameters", SHARED),
    )
    figure, axes = _figure(9.2, 1.9 + 0.75 * (len(groups) + 1))
    height, most = 0.19, 0.0
    for number, (label, key, colour) in enumerate(kinds):
        places = [len(groups) - group + (1.5 - number) * height for group in range(len(groups))]
        values = [getattr(row, key) for _, row in groups]
        exponents = [_exponent(value) for value in values]
        most = max(most, *exponents)
        axes.barh(places, exponents, color=colour, height=height * 0.92, label=label)
        for place, exponent, value in zip(places, exponents, values, strict=True):
            _beside(axes, exponent, place, _count(value), size=6.5)
    mlp = comparison.mlp
    axes.barh([0], [_exponent(mlp.parameters)], color=PALE, height=height * 0.92)
    _beside(axes, _exponent(mlp.parameters), 0, _count(mlp.parameters), size=6.5)
    axes.set_yticks(range(len(groups) + 1)[::-1], [*(name for name, _ in groups), f"MLP {mlp.name}"], fontsize=9)
    _powers(axes, most, room=0.18)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.07), ncols=4, labelcolor=TEXT)
    model = comparison.report.model
    said = f"{times(mlp.parameter_ratio)} the MLP's parameters, {times(mlp.mac_ratio)} its MACs"
    if left_out:
        said += f"; {left_out} smaller layers are not drawn"
    _title(axes, f"{model}: parameters layer by layer", said)
    _save(figure, path)


def draw_report(report: Report, path) -> None:
    """Bars by layer, side by side: parameters, MACs, activations, and times where they were measured."""
    rows, left_out = _chosen(report)
    panels = [
        ("parameters", SHARED, [row.parameters for row in rows], readable),
        ("MACs, one image", INVARIANT, [row.macs for row in rows], readable),
        (_images("activations", report.batch), LOCAL, [row.activation_bytes for row in rows], _bytes),
    ]
    if report.total.seconds is not None:
        panels.append((_images("time", report.batch), DENSE, [row.seconds for row in rows], duration))
    figure, *axes = _figure(3.0 * len(panels) + 1.3, 1.4 + 0.24 * max(len(rows), 5), columns=len(panels))
    places = range(len(rows))[::-1]
    for number, (panel, (heading, colour, values, form)) in enumerate(zip(axes, panels, strict=True)):
        scaled = _scaled(values)
        panel.barh(places, scaled, color=colour, height=0.72)
        for place, length, value in zip(places, scaled, values, strict=True):
            _beside(panel, length, place, form(value) if value else "0", size=7)
        if heading.startswith("time"):
            least = [row.roofline_seconds / (max(values) or 1.0) for row in rows]
            panel.scatter(least, places, marker="|", s=60, color="black", zorder=3, label="the machine allows")
            panel.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.02), labelcolor=TEXT)
        panel.set_yticks(places, [f"{row.name} {row.type}" for row in rows] if number == 0 else [], fontsize=7.5)
        panel.set_xticks([])
        panel.set_xlim(0, 1.32)
        panel.set_title(heading, loc="left", fontsize=9, color=TEXT)
        panel.grid(False)
        panel.spines["bottom"].set_visible(False)
    total = report.total
    said = f"{_count(total.parameters)} parameters, {readable_as(total.macs, 'MAC')} an image"
    if left_out:
        said += f"; {left_out} layers are not drawn"
    name = f"{report.model}, input {shape_text(report.input_shape)}"
    figure.suptitle(f"{name}: {said}", x=0.01, ha="left", fontsize=11, fontweight="bold", color=TEXT)
    _save(figure, path)


def _chosen(report: Report):
    """(the layers to draw, how many are not)."""
    rows = report.layers
    if len(rows) > _MOST_LAYERS:
        rows = tuple(row for row in rows if row.parameters or row.macs)
    rows, _ = _largest(rows, _MOST_LAYERS)
    return rows, len(report.layers) - len(rows)


def _largest(rows, most: int):
    """(at most so many rows, those with the most MACs, in their order; how many are left out)."""
    kept = {id(row) for row in sorted(rows, key=lambda row: row.macs)[-most:]}
    return tuple(row for row in rows if id(row) in kept), max(0, len(rows) - most)


def _scaled(values) -> list[float]:
    """Lengths from 0 to 1; by integers of any size."""
    most = max(values, default=0)
    return [value / most if most else 0.0 for value in values]


def _exponent(value: int) -> float:
    """The logarithm of an integer of any size; bars of nothing and of one have a length of none."""
    return log10(value) if value > 0 else 0.0


def _count(value: int) -> str:
    return f"{value:,}" if value < 10**16 else readable(value)


def _bytes(value: int) -> str:
    return readable_as(value, "B")


def _images(what: str, batch: int) -> str:
    return f"{what}, {batch} image{'s' if batch > 1 else ''}"


def _figure(width: float, height: float, columns: int = 1):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    found = figure.subplots(1, columns, squeeze=False).ravel()
    for axes in found:
        axes.set_axisbelow(True)
        axes.tick_params(colors=TEXT, length=0)
        axes.grid(axis="x", color=GRID)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(PALE)
    return figure, *found


def _powers(axes, most: float, room: float) -> None:
    """Ticks at powers of ten of an axis of exponents, with room beside the longest bar for its words."""
    step = max(1, round(most / 8))
    ticks = range(0, int(most) + 1, step)
    axes.set_xticks(ticks, [f"$10^{{{tick}}}$" for tick in ticks], fontsize=8)
    axes.set_xlim(0, max(most, 1.0) * (1 + room))


def _beside(axes, x: float, y: float, words: str, size: float = 8) -> None:
    axes.annotate(words, (x, y), (4, 0), textcoords="offset points", va="center", fontsize=size, color=TEXT)


def _title(axes, title: str, below: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=12, fontweight="bold", color=TEXT)
    words = axes.annotate(
        below, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=TEXT
    )
    words.set_in_layout(False)  # a long line leaves the bars their room


def _save(figure, path) -> None:
    figure.savefig(path, format=Path(path).suffix[1:].lower() or "png")
