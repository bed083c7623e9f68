"""A Report as text: a table for the terminal, JSON, CSV and Markdown."""

from fastconv.counting.report import LayerCount, Report, Total

WIDTH = 80  # columns that a table may take
KEYS = ("parameters", "macs", "dense_parameters")
HEADINGS = ("parameters", "MACs", "as dense")


def table(report: Report) -> str:
    """The widest of three layouts that fits: units beside numbers, plain numbers, units alone with exact totals below.

    Only names and numbers longer than any real network's can push the last one over WIDTH; they are never cut.
    """
    below = f"Total {_totals(report.total)}"
    for number in (_exact_and_readable, _exact):
        text = _layout(report, number)
        if max(map(len, text)) <= WIDTH:
            return "\n".join([_title(report), *text, _legend()])
    return "\n".join([_title(report), *_layout(report, readable), *_wrap(below), _legend()])


def json(report: Report) -> str:
    """One JSON object, numbers as exact numbers."""
    from dataclasses import asdict
    from json import dumps

    return dumps(asdict(report), indent=2)


def csv(report: Report) -> str:
    """Header, layers, total; lines end in a line feed."""
    from csv import writer
    from io import StringIO

    stream = StringIO()
    lines = writer(stream, lineterminator="\n")
    lines.writerow(["name", "type", "output_shape", *KEYS])
    for row in report.layers:
        lines.writerow([row.name, row.type, shape_text(row.output_shape), *_counts(row)])
    lines.writerow(["total", "", "", *_counts(report.total)])
    return stream.getvalue()


def markdown(report: Report) -> str:
    """A table in GitHub's Markdown, numbers flush right."""
    lines = [f"| layer | output | {' | '.join(HEADINGS)} |", "|---|---|--:|--:|--:|"]
    for row in report.layers:
        cells = [f"{row.name} {row.type}", shape_text(row.output_shape), *map(_exact, _counts(row))]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    lines.append(f"| **total** | | {' | '.join(f'**{value:,}**' for value in _counts(report.total))} |")
    return "\n".join(lines) + "\n"


def readable(value: int) -> str:
    """A count with one decimal and a unit, in integer arithmetic: any length of number.

    Example:
        >>> readable(61706), readable(999), readable(10**30)
        ('61.7 k', '999', '1.0e30')
    """
    if value < 1000:
        return str(value)
    for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), start=1):
        tenths = _divide(value * 10, 1000**power)
        if tenths < 10_000:
            return f"{tenths // 10}.{tenths % 10} {unit}"
    exponent = len(str(value)) - 1
    tenths = _divide(value * 10, 10**exponent)
    if tenths == 100:
        exponent, tenths = exponent + 1, 10
    return f"{tenths // 10}.{tenths % 10}e{exponent}"


def shape_text(shape: tuple[int, ...]) -> str:
    """(6, 28, 28) as "6x28x28"."""
    return "x".join(map(str, shape))


def _divide(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)  # to the nearest


def _counts(row: LayerCount | Total) -> tuple[int, int, int]:
    return row.parameters, row.macs, row.dense_parameters


def _title(report: Report) -> str:
    return f"{report.model}, input {shape_text(report.input_shape)}"


def _legend() -> str:
    return "As dense: the parameters if each convolution were a dense layer.  2 FLOPs a MAC."


def _totals(total: Total) -> str:
    return "; ".join(f"{name} {value:,}" for name, value in zip(HEADINGS, _counts(total), strict=True))


def _exact(value: int) -> str:
    return f"{value:,}"


def _exact_and_readable(value: int) -> str:
    # The units stand in a column of their own, 7 wide ("416.5 k"), empty where the number is short enough by itself.
    return f"{value:,} {readable(value) if value >= 1000 else '':>7}"


def _layout(report: Report, number) -> list[str]:
    heading = ["layer", "", "output", *HEADINGS]
    body = [[row.name, row.type, shape_text(row.output_shape), *map(number, _counts(row))] for row in report.layers]
    total = ["total", "", "", *map(number, _counts(report.total))]
    widths = [max(map(len, column)) for column in zip(heading, *body, total, strict=True)]

    def line(cells):
        left = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
        return f"{left[0]} {left[1]}  {left[2]}  {'  '.join(right)}".rstrip()

    rule = "-" * len(line(total).ljust(sum(widths) + 9))
    return [line(heading), rule, *map(line, body), rule, line(total)]


def _wrap(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, WIDTH, break_long_words=False)
