"""A Ladder as text: a table for the terminal, JSON, CSV and Markdown."""

from dataclasses import asdict

from fastconv.counting.ladder import BOTH, CHANNELS, Factor, Ladder
from fastconv.counting.layout import WIDTH, column, paragraph, render
from fastconv.counting.numbers import both, exact, readable, readable_as, shape_text, times

_KEYS = ("step", "principle", "parameters", "book", "macs", "bytes", "formula", "book_formula")


def table(ladder: Ladder, width: int = WIDTH) -> str:
    """Blocks of columns that fit the width, then what each principle bought."""
    rows = ladder.rows
    labels = [column("step", [row.step for row in rows], right=False)]
    columns = [
        _counts("parameters", [row.parameters for row in rows]),
        column("the book", *_cells([row.book for row in rows], exact, readable)),
        _counts("MACs", [row.macs for row in rows]),
        column("bytes", *_cells([row.bytes for row in rows], lambda value: readable_as(value, "B"))),
        column("principle", [row.principle for row in rows], right=False),
        column("parameters are", [row.formula for row in rows], right=False),
        column("the book's are", [row.book_formula for row in rows], right=False),
    ]
    lines = [_title(ladder), *render(labels, columns, width), ""]
    lines += [line for factor in ladder.factors for line in paragraph(sentence(factor), width)]
    local = next(row for row in rows if row.step == "locally connected")
    lines += paragraph(
        f"Of the {local.parameters:,} weights that are local but not shared, {ladder.inside:,} see a pixel; the others "
        "see the padding. Without biases; bytes in float32.",
        width,
    )
    return "\n".join(lines)


def as_dict(ladder: Ladder) -> dict:
    """The ladder for JSON."""
    return asdict(ladder)


def json(ladder: Ladder) -> str:
    """One JSON object, numbers as exact numbers."""
    from json import dumps

    return dumps(as_dict(ladder), indent=2)


def csv(ladder: Ladder) -> str:
    """Header and steps; lines end in a line feed."""
    from csv import writer
    from io import StringIO

    stream = StringIO()
    lines = writer(stream, lineterminator="\n")
    lines.writerow(_KEYS)
    lines.writerows([getattr(row, key) for key in _KEYS] for row in ladder.rows)
    return stream.getvalue()


def markdown(ladder: Ladder) -> str:
    """A table in GitHub's Markdown, numbers flush right."""
    lines = ["| step | principle | parameters | the book | MACs | bytes | parameters are |"]
    lines.append("|---|---|--:|--:|--:|--:|---|")
    for row in ladder.rows:
        numbers = " | ".join(map(exact, (row.parameters, row.book, row.macs, row.bytes)))
        lines.append(f"| {row.step} | {row.principle} | {numbers} | `{row.formula}` |")
    return "\n".join(lines) + "\n"


def sentence(factor: Factor) -> str:
    """What a principle bought, in words."""
    if factor.principle == CHANNELS:
        return f"{factor.to}: channels cost {times(1 / factor.factor)} the weights of one channel to one."
    if factor.principle == BOTH:
        return f"{factor.of} to {factor.to}: both together save {times(factor.factor)}."
    return f"{factor.of} to {factor.to}: {factor.principle} saves {times(factor.factor)}."


def _title(ladder: Ladder) -> str:
    H, W = ladder.image
    sizes = f"{ladder.in_channels}x{H}x{W} to {ladder.out_channels}x{H}x{W}"
    return f"From dense to convolution: {sizes}, window {shape_text(ladder.window)}"


def _cells(values, *forms):
    return [[form(value) for value in values] for form in forms]


def _counts(heading, values):
    return column(heading, *_cells(values, both, exact, readable))
