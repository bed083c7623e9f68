"""Tables of plain text that fit a width: what does not fit beside the rest goes into another block below it.

The labels, which say what a line is about, begin every block.
"""

from dataclasses import dataclass
from textwrap import wrap

WIDTH = 80  # columns where nobody says how many there are
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and a cell for each line, in one or more forms, the fullest first."""

    heading: str
    forms: tuple[tuple[str, ...], ...]
    right: bool = True


def column(heading: str, cells, *shorter, right: bool = True) -> Column:
    """A Column of the cells; `shorter` are the same cells in shorter forms, for where the first do not fit."""
    return Column(heading, (tuple(cells), *map(tuple, shorter)), right)


def render(labels: list[Column], columns: list[Column], width: int, total: bool = False) -> list[str]:
    """Lines of text. `total`: the last cell of each column is a sum, and stands under a rule of its own.

    A column whose shortest form is too wide for a block of its own is left as wide as it is: numbers are never cut.
    """
    label = [(each.heading, each.forms[0], each.right) for each in labels]
    room = width - _wide(label)
    blocks, here = [], []
    for each in columns:
        picked = [(each.heading, form, each.right) for form in each.forms]
        fits = next((one for one in picked if _wide([one]) + len(_GAP) <= room), picked[-1])
        if here and _wide(here) + _wide([fits]) + 2 * len(_GAP) > room:
            blocks.append(here)
            here = []
        here.append(fits)
    blocks.append(here)
    lines = []
    for block in blocks:
        if lines:
            lines.append("")
        lines += _block([*label, *block], total)
    return lines


def paragraph(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`; a word that is longer stays whole."""
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _wide(columns) -> int:
    return sum(max(map(len, [heading, *cells])) for heading, cells, _ in columns) + len(_GAP) * (len(columns) - 1)


def _block(columns, total: bool) -> list[str]:
    rows = zip(*([heading, *cells] for heading, cells, _ in columns), strict=True)
    widths = [max(map(len, [heading, *cells])) for heading, cells, _ in columns]
    lines = []
    for row in rows:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, (_, _, right) in zip(row, widths, columns, strict=True)
        )
        lines.append(_GAP.join(padded).rstrip())
    rule = "-" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    lines.insert(1, rule)
    if total and len(lines) > 2:
        lines.insert(len(lines) - 1, rule)
    return lines
