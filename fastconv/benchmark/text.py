"""A report as text: one table a mode, with rich where it is installed and without it."""

from __future__ import annotations

from .layers import LAYERS
from .modes import MODES
from .operators import CALLS
from .report import OURS, Report, Result

_QUIET = 0.1  # processors that other processes may use before a report says so


def seconds(value: float) -> str:
    """A duration in the unit that fits it: "8.41 us", "17.3 ms"."""
    unit, scale = ("us", 1e6) if value < 1e-3 else ("ms", 1e3) if value < 1 else ("s", 1)
    figures = f"{value * scale:#.3g}".removesuffix(".")
    return f"{figures} {unit}"


def names() -> list[str]:
    """Every layer with its shape, every mode with what it is."""
    width = max(len(layer.name) for layer in LAYERS)
    lines = [f"{layer.name:{width}}  {layer.describe()}" for layer in (*LAYERS, *CALLS)]
    return [*lines, "", *(f"{mode.name:{width}}  {mode.about}" for mode in MODES.values())]


def heading(report: Report) -> list[str]:
    """What was measured where: the lines above the tables."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines = [
        f"{machine['processor']}; {machine['system']}; Python {machine['python']}; {report.date}",
        f"threads: {report.threads}; {versions}",
    ]
    if report.roofline:
        flops, traffic = report.roofline.flops / 1e9, report.roofline.bytes / 1e9
        lines.append(f"measured peak: {flops:.0f} GFLOP/s float32, {traffic:.1f} GB/s read from memory")
    else:
        lines.append("measured peak: not measured")
    if (machine.get("others") or 0) > _QUIET:
        lines.append(f"NOT QUIET: other processes kept {machine['others']:.1f} processors busy and slowed some of this")
    lines += [f"left out: {name}: {reason}" for name, reason in report.missing.items()]
    return lines


def columns(report: Report, mode: str) -> list[str]:
    peers = [name for name in MODES[mode].peers if any(name in result.times for result in report.of(mode))]
    rate = "Gop/s" if "pool" in mode or "operators" in mode else "GFLOP/s"
    return ["layer", "shape", OURS, "rounds", rate, "% of peak", *peers, "ratio"]


def rows(report: Report, mode: str, results: list[Result] | None = None) -> list[list[str]]:
    """One row a layer: name, shape, time, spread of the rounds, rate, share of the roofline, each peer, ratio."""
    peers = columns(report, mode)[6:-1]
    return [_row(report, result, peers) for result in (report.of(mode) if results is None else results)]


def _row(report: Report, result: Result, peers: list[str]) -> list[str]:
    ours, share = result.ours, report.roofline and report.roofline.share(result)
    row = [result.layer.name, result.layer.describe()]
    row += [seconds(ours.seconds), f"+{max(ours.rounds) / ours.seconds - 1:.0%}"] if ours else ["-", ""]
    row += [f"{result.rate() / 1e9:.4g}" if ours else "", f"{share:.0%}" if share else ""]
    row += [seconds(result.times[name].seconds) if name in result.times else "-" for name in peers]
    return [*row, f"{result.ratio:.2f}" if result.ratio else ""]


def closing(report: Report, mode: str) -> list[str]:
    """The mode's mean and worst ratio, and who did not take part and why."""
    lines = []
    summary = report.summary(mode)
    if summary:
        mean, worst, name = summary["geometric_mean"], summary["worst"], summary["worst_layer"]
        lines.append(f"{mode}: geometric mean {mean:.2f}x over {summary['layers']} layers, worst {worst:.2f}x ({name})")
    reasons: dict[tuple[str, str], list[str]] = {}
    for result in report.of(mode):
        for library, reason in result.left_out.items():
            reasons.setdefault((library, reason), []).append(result.layer.name)
    for (library, reason), names in reasons.items():
        where = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"left out: {library} on {where}: {reason}")
    return lines


LEGEND = (
    "Times are the best of the rounds, each the median of many calls; 'rounds' is how much longer the worst one took. "
    "Peak is min(multiply-add rate, intensity x memory bandwidth): Winograd, which saves multiplications, and arrays "
    "that stay in a cache may exceed it. Ratio is the best peer's time over fastconv's: above 1, fastconv is faster."
)


def show(report: Report, worst: int = 0) -> None:
    """Print the tables; with `worst`, only that many of each mode, the slowest against its peers first."""
    try:
        from rich.console import Console
    except ImportError:
        console = None
    else:
        console = Console()
    if console is not None and console.is_terminal:
        _show_rich(report, worst, console)
    else:  # a file or a pipe has no width that a table must fit
        _show_plain(report, worst)


def _tables(report: Report, worst: int):
    for mode in report.modes():
        chosen = report.worst(mode, worst) if worst else report.of(mode)
        title = f"{mode}: {MODES[mode].about}" + (f"; the {len(chosen)} worst" if worst else "")
        yield mode, title, columns(report, mode), rows(report, mode, chosen)


def _show_plain(report: Report, worst: int) -> None:
    print("\n".join(heading(report)))
    for mode, title, head, body in _tables(report, worst):
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        print(f"\n{title}")
        for row in [head, *body]:
            cells = [
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print("  ".join(cells).rstrip())
        print("\n".join(closing(report, mode)))
    print(f"\n{LEGEND}")


def _show_rich(report: Report, worst: int, console) -> None:
    from rich.table import Table
    from rich.text import Text

    for line in heading(report):
        console.print(line, markup=False, highlight=False)
    for mode, title, head, body in _tables(report, worst):
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        shown = [i for i in range(len(head)) if i != 1 or sum(widths) + 3 * len(head) < console.width]
        table = Table()
        for i in shown:  # the shape goes first where the terminal is narrow
            table.add_column(head[i], justify="left" if i < 2 else "right", overflow="fold")
        for row in body:
            table.add_row(*(Text(row[i], style=_style(row[i]) if head[i] == "ratio" else "") for i in shown))
        console.print(f"\n{title}", markup=False, highlight=False, style="bold")
        console.print(table)
        for line in closing(report, mode):
            console.print(line, markup=False, highlight=False)
    console.print()
    console.print(LEGEND, markup=False, highlight=False, style="dim")


def _style(ratio: str) -> str:
    return "" if not ratio else "green" if float(ratio) >= 1.0 else "red"
