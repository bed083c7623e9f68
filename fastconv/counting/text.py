"""A Report as text: a table for the terminal, JSON, CSV and Markdown."""

from dataclasses import asdict

from fastconv.counting.layout import WIDTH, column, paragraph, render
from fastconv.counting.numbers import both, duration, exact, number_text, readable, readable_as, shape_text
from fastconv.counting.report import LayerCount, Report

# What is shown of a layer, in this order: LayerCount's field, the heading, what kind of number it is.
COLUMNS = (
    ("output_shape", "output", "shape"),
    ("parameters", "parameters", "count"),
    ("macs", "MACs", "count"),
    ("dense_parameters", "as dense", "count"),
    ("share", "share", "share"),
    ("seconds", "measured", "seconds"),
    ("roofline_seconds", "roofline", "seconds"),
    ("flops", "FLOPs", "count"),
    ("training_macs", "MACs, training", "count"),
    ("activation_bytes", "activations", "bytes"),
    ("training_bytes", "kept, training", "bytes"),
    ("workspace_bytes", "workspace", "bytes"),
    ("receptive_field", "field", "shape"),
    ("effective_stride", "stride", "shape"),
    ("intensity", "FLOPs/byte", "ratio"),
)
_MANY = 24  # lines from which on all but the first columns show units alone, so that fewer blocks are read
_NO_TOTAL = ("output_shape", "receptive_field", "effective_stride")
_MEASURED = ("seconds", "roofline_seconds")


def table(report: Report, width: int = WIDTH) -> str:
    """Blocks of columns that fit the width, units beside exact numbers, and what the words mean."""
    rows = [*report.layers, report.total]
    labels = [
        column("layer", [*(row.name for row in report.layers), "total"], right=False),
        column("", [*(row.type for row in report.layers), ""], right=False),
    ]
    columns = [
        _times(rows) if key == "seconds" else _column(key, heading, kind, rows)
        for key, heading, kind in _shown(report)
        if key != "roofline_seconds"
    ]
    lines = [_title(report), *render(labels, columns, width, total=True), "", *_below(report, width)]
    return "\n".join(lines)


def json(report: Report) -> str:
    """One JSON object, numbers as exact numbers; measured times only where they were measured."""
    from json import dumps

    return dumps(as_dict(report), indent=2)


def as_dict(report: Report) -> dict:
    """The report for JSON."""
    found = asdict(report)
    for row in (*found["layers"], found["total"]):
        if row["seconds"] is None:
            for key in _MEASURED:
                del row[key]
    return found


def csv(report: Report) -> str:
    """Header, layers, total; lines end in a line feed. Pairs are written as "14x14", what is unknown is empty."""
    from csv import writer
    from io import StringIO

    measured = report.total.seconds is not None
    keys = [key for key in LayerCount.__dataclass_fields__ if measured or key not in _MEASURED][2:]
    stream = StringIO()
    lines = writer(stream, lineterminator="\n")
    lines.writerow(["name", "type", *keys])
    for row in report.layers:
        lines.writerow([row.name, row.type, *(_plain(getattr(row, key)) for key in keys)])
    lines.writerow(["total", "", *(_plain(getattr(report.total, key, None)) for key in keys)])
    return stream.getvalue()


def markdown(report: Report) -> str:
    """A table in GitHub's Markdown, numbers flush right."""
    shown = list(_shown(report))
    lines = [
        f"| layer | {' | '.join(heading for _, heading, _ in shown)} |",
        f"|---|{'|'.join('---' if key == 'output_shape' else '--:' for key, _, _ in shown)}|",
    ]
    for row in report.layers:
        cells = [f"{row.name} {row.type}", *(_precise(kind, getattr(row, key)) for key, _, kind in shown)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    totals = (_precise(kind, getattr(report.total, key)) if _has(report, key) else "" for key, _, kind in shown)
    lines.append(f"| **total** | {' | '.join(f'**{cell}**' if cell else '' for cell in totals)} |")
    return "\n".join(lines) + "\n"


def _shown(report: Report):
    measured = report.total.seconds is not None
    return (each for each in COLUMNS if measured or each[0] not in _MEASURED)


def _has(report: Report, key: str) -> bool:
    return key not in _NO_TOTAL and hasattr(report.total, key)


def _column(key: str, heading: str, kind: str, rows):
    values = [getattr(row, key, None) for row in rows]
    forms = _FORMS[kind]
    if len(rows) > _MANY and kind in ("count", "bytes"):
        forms = (exact, readable) if key in ("parameters", "macs") else forms[-1:]
    forms = [[form(value) for value in values] for form in forms]
    if key in _NO_TOTAL or key == "share":
        for cells in forms:
            cells[-1] = ""
    return column(heading, *forms, right=key != "output_shape")


def _times(rows):
    """Both times in one column, so that they stand side by side at any width."""
    cells = [f"{duration(row.seconds)} /{duration(row.roofline_seconds):>8}" for row in rows]
    return column("measured /roofline", cells)


def _shape(value) -> str:
    return "-" if value is None else "x".join(map(number_text, value))


def _bytes(value) -> str:
    return readable_as(value, "B")


def _share(value) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _ratio(value) -> str:
    return "-" if value is None else f"{value:,.1f}"


# The forms of each kind of number, the fullest first.
_FORMS = {
    "shape": (_shape,),
    "count": (both, exact, readable),
    "bytes": (exact, _bytes),
    "share": (_share,),
    "ratio": (_ratio,),
    "seconds": (duration,),
}


def _precise(kind: str, value) -> str:
    return exact(value) if kind in ("count", "bytes") else _FORMS[kind][0](value)


def _plain(value) -> str:
    if value is None:
        return ""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _title(report: Report) -> str:
    return f"{report.model}, input {shape_text(report.input_shape)}"


def _below(report: Report, width: int) -> list[str]:
    total = report.total
    images = f"{report.batch} image{'s' if report.batch > 1 else ''}"
    facts = [
        f"Parameters: {total.parameters:,} ({readable(total.parameters)}), "
        f"{readable_as(total.parameter_bytes, 'B')} in {report.dtype}; as dense: {total.dense_parameters:,} "
        f"({readable(total.dense_parameters)}).",
        f"One image, forward: {total.macs:,} MACs ({readable_as(total.macs, 'MAC')}), {total.flops:,} FLOPs. "
        f"In training: {total.training_macs:,} MACs ({readable_as(total.training_macs, 'MAC')}), "
        f"{total.training_flops:,} FLOPs.",
        f"Activations of {images} at their peak: {total.peak_bytes:,} bytes ({readable_as(total.peak_bytes, 'B')}), "
        f"in training at most {total.training_peak_bytes:,} ({readable_as(total.training_peak_bytes, 'B')}).",
    ]
    if total.seconds is not None:
        part = 100 * total.roofline_seconds / total.seconds if total.seconds else 0.0
        facts.append(
            f"Measured: {duration(total.seconds)} forward for {images}; this machine's peak and bandwidth allow "
            f"{duration(total.roofline_seconds)}, so that {part:.0f} % of what is possible was reached. (What "
            "stays in a cache between two layers may be faster than memory allows.)"
        )
    words = (
        "A MAC multiplies by a weight and adds: 2 FLOPs. As dense: the parameters if each convolution were a dense "
        f"layer. Bytes are those of {images}; workspace: on one thread, at most. Field, stride: the pixels of the "
        "image that an output sees, and from it to its neighbour. FLOPs/byte: of input, output and parameters."
    )
    return [line for text in (*facts, words) for line in paragraph(text, width)]
