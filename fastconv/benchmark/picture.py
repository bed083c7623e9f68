"""A report as a picture: one panel of ratios a mode, and the roofline with every layer on it."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from .modes import MODES
from .report import OURS, Report

_COLOURS = {
    OURS: "#c2410c",
    "torch": "#64748b",
    "torch_compile": "#334155",
    "onnxruntime": "#2563eb",
    "openvino": "#7c3aed",
    "scipy": "#0d9488",
}
_COLUMNS = 4


def draw(report: Report, file: str | Path) -> None:
    """Write the picture; the ending of the name (png, svg, pdf) says the format.

    Raises ImportError without matplotlib, OSError if the file cannot be written and ValueError for a format that
    matplotlib does not know.
    """
    from matplotlib.figure import Figure

    modes = [mode for mode in report.modes() if report.summary(mode)]
    panels = len(modes) + (report.roofline is not None)
    if not panels:
        raise ValueError("there is nothing to draw: neither a ratio nor the roofline was measured")
    most = max((len(report.of(mode)) for mode in modes), default=10)
    columns = min(panels, _COLUMNS)
    rows = -(-panels // columns)
    most = max(12, most)
    figure = Figure(figsize=(6.2 * columns, 1.5 + rows * (1 + most * 0.25)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, mode in zip(axes, modes, strict=False):
        _ratios(axis, report, mode, most)
    if report.roofline:
        _roofline(axes[panels - 1], report)
    for axis in axes[panels:]:
        axis.set_visible(False)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    threads = f"{report.threads} thread{'s' if report.threads > 1 else ''}"
    title = f"{report.machine['processor']}, {threads}; {report.date[:10]}\n{versions}"
    figure.suptitle("\n".join(fill(line, 90 * columns) for line in title.splitlines()), fontsize=9)
    figure.savefig(file, dpi=150)


def _ratios(axis, report: Report, mode: str, most: int) -> None:
    """Horizontal bars from 1.0: to the right fastconv is the faster, to the left the peer."""
    results = [result for result in report.of(mode) if result.ratio][::-1]
    places = range(len(results))
    ratios = [result.ratio for result in results]
    colours = [_COLOURS.get(result.best_peer, "#64748b") for result in results]
    axis.barh(places, [ratio - 1 for ratio in ratios], left=1, color=colours, height=0.7)
    axis.axvline(1.0, color="black", linewidth=1)
    axis.set_yticks(places, [result.layer.name for result in results], fontsize=8)
    axis.set_xscale("log")
    low, high = min(*ratios, 0.9), max(*ratios, 1.2)
    axis.set_xlim(low / 1.15, high * 1.5)
    ticks = [t for t in (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200) if low / 1.15 <= t <= high * 1.5]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axis.set_xticks([], minor=True)
    for place, ratio in zip(places, ratios, strict=True):
        at = (max(ratio, 1), place)
        axis.annotate(f"{ratio:.2f}", at, (3, 0), textcoords="offset points", va="center", fontsize=7)
    for name in sorted({result.best_peer for result in results}):
        axis.barh([0], [0], left=1, color=_COLOURS.get(name, "#64748b"), label=f"fastest peer: {name}")
    summary = report.summary(mode)
    mean, worst = summary["geometric_mean"], summary["worst"]
    axis.set_title(f"{mode}: geometric mean {mean:.2f}x, worst {worst:.2f}x", fontsize=10)
    axis.set_xlabel(f"best peer's time / fastconv's\n{MODES[mode].about}", fontsize=8)
    axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, frameon=False)
    axis.set_ylim(len(results) - most - 0.6, len(results) - 0.4)  # bars of one thickness in all panels
    axis.spines[["top", "right"]].set_visible(False)


def _roofline(axis, report: Report) -> None:
    """Operations a second over operations a byte, both logarithmic, with the machine's two limits."""
    roof = report.roofline
    points = [result for result in report.results if result.ours and result.mode != "scaling"]
    intensities = [result.work[0] / result.work[1] for result in points] or [1.0]
    low, high = min(*intensities, 0.5) / 2, max(*intensities, 100) * 2
    ridge = roof.flops / roof.bytes
    axis.plot([low, ridge, high], [low * roof.bytes / 1e9, roof.flops / 1e9, roof.flops / 1e9], color="black")
    axis.annotate(f"{roof.flops / 1e9:.0f} GFLOP/s", (high, roof.flops / 1e9), (0, 4), "data", "offset points",
                  ha="right", fontsize=8)  # fmt: skip
    axis.annotate(f"{roof.bytes / 1e9:.0f} GB/s", (low * 1.5, low * 1.5 * roof.bytes / 1e9), (-4, 8), "data",
                  "offset points", fontsize=8)  # fmt: skip
    markers = "osD^vP*"
    for mode, marker in zip(report.modes(), markers, strict=False):
        here = [result for result in points if result.mode == mode]
        if here:
            axis.scatter(
                [result.work[0] / result.work[1] for result in here],
                [result.rate() / 1e9 for result in here],
                s=18, marker=marker, alpha=0.8, label=mode,
            )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("operations a byte of input, weight and output", fontsize=8)
    axis.set_ylabel("Gop/s", fontsize=8)
    axis.set_title("fastconv under this machine's roofline", fontsize=10)
    if points:
        axis.legend(fontsize=7, loc="lower right")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
