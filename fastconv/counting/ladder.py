"""The ladder from a dense layer to a convolution, and what each principle saves on the way down."""

from dataclasses import dataclass
from math import prod

from fastconv import _arguments as args
from fastconv.counting.numbers import ratio

ITEMSIZE = 4  # bytes of a weight: float32
INVARIANCE, LOCALITY, BOTH = "translation invariance", "locality", "translation invariance, locality"
CHANNELS = "channels"


@dataclass(frozen=True, slots=True)
class Step:
    """One layer that makes such images of such images. Biases are left out.

    step: what the layer is called
    principle: what it assumes, "none" for a dense layer
    parameters: its weights, exactly
    book: the same as "Dive into Deep Learning" rounds it
    macs: multiply-accumulates for one image; weights over the padding count, as the kernels multiply them
    bytes: of the weights, in float32
    formula: the parameters, with the numbers put in
    book_formula: the same for `book`
    """

    step: str
    principle: str
    parameters: int
    book: int
    macs: int
    bytes: int
    formula: str
    book_formula: str


@dataclass(frozen=True, slots=True)
class Factor:
    """By how much a principle divides the parameters: those of the step `of` by those of the step `to`."""

    principle: str
    of: str
    to: str
    factor: float


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps, and what each principle bought.

    inside: weights of the locally connected layer that see a pixel of the image; the others see the padding only
    """

    image: tuple[int, int]
    window: tuple[int, int]
    in_channels: int
    out_channels: int
    hidden: int
    rows: tuple[Step, ...]
    factors: tuple[Factor, ...]
    inside: int

    def table(self, width: int = 80) -> str:
        """Plain text of at most `width` columns."""
        from fastconv.counting import ladder_text

        return ladder_text.table(self, width)

    def json(self) -> str:
        """A JSON object: what was asked for, rows, factors, inside; numbers as numbers."""
        from fastconv.counting import ladder_text

        return ladder_text.json(self)

    def csv(self) -> str:
        """Comma-separated values: a header, and a line a step."""
        from fastconv.counting import ladder_text

        return ladder_text.csv(self)

    def markdown(self) -> str:
        """A Markdown table with exact numbers."""
        from fastconv.counting import ladder_text

        return ladder_text.markdown(self)

    def plot(self, path) -> None:
        """Draw the steps on a logarithmic axis into a file, whose ending says the format: png, svg, pdf.

        Raises:
            ImportError: no matplotlib.
            OSError, ValueError: the file cannot be written, or its format is unknown.
        """
        from fastconv.counting import plot

        plot.draw_ladder(self, path)

    def __str__(self) -> str:
        return self.table()


def ladder(image=(1000, 1000), window=21, in_channels=1, out_channels=1, hidden=1000) -> Ladder:
    """From every pixel to every hidden unit, down to one window for all places.

    All steps but the first make `out_channels` images of `in_channels` images of the same size, which is padded where a
    window reaches over its border.

    Args:
        image: (H, W), or an integer for both.
        window: (KH, KW), or an integer for both; the book's D gives 2 * D + 1.
        in_channels, out_channels: how many images go in and come out.
        hidden: the units of the first step, a dense layer that makes a row of features.

    Returns:
        A Ladder; its numbers are exact Python integers.

    Raises:
        TypeError, ValueError: sizes that are no integers of at least 1.

    Example:
        >>> [row.parameters for row in ladder().rows]
        [1000000000, 1000000000000, 3996001, 441000000, 441]

    Source: "Dive into Deep Learning", section 7.1
    """
    with args.without_limits():
        H, W = image = args.pair(image, "image", 1)
        KH, KW = window = args.pair(window, "window", 1)
        Cin, Cout = args.integer(in_channels, "in_channels", 1), args.integer(out_channels, "out_channels", 1)
        hidden = args.integer(hidden, "hidden", 1)
    pixels, taps, pairs = H * W, KH * KW, Cin * Cout
    offsets = (2 * H - 1) * (2 * W - 1)
    # The book's D is half a window without its centre: it writes 4 D^2 for (2 D + 1)^2, and 4 H W for the offsets.
    rounded = (KH - 1) * (KW - 1)
    size, wide = f"{H}*{W}", f"{KH}*{KW}"
    channels = f" * {Cin}*{Cout}" if pairs > 1 else ""
    into, out_of = (f"{count}*{size}" if count > 1 else size for count in (Cin, Cout))
    dense = f"({into}) * ({out_of})"
    near = f"{KH - 1}*{KW - 1}"

    def step(name, principle, parameters, book, macs, formula, book_formula=None):
        return Step(name, principle, parameters, book, macs, parameters * ITEMSIZE, formula, book_formula or formula)

    rows = [
        step(
            f"dense, {hidden:,} units", "none", Cin * pixels * hidden, Cin * pixels * hidden, Cin * pixels * hidden,
            f"({into}) * {hidden}",
        ),
        step("dense", "none", pixels**2 * pairs, pixels**2 * pairs, pixels**2 * pairs, dense),
        step(
            "translation invariant", INVARIANCE, offsets * pairs, 4 * pixels * pairs, pixels**2 * pairs,
            f"(2*{H}-1) * (2*{W}-1){channels}", f"4*{size}{channels}",
        ),
        step(
            "locally connected", LOCALITY, pixels * taps * pairs, pixels * rounded * pairs, pixels * taps * pairs,
            f"({size}) * ({wide}){channels}", f"({size}) * ({near}){channels}",
        ),
        step(
            "convolution", BOTH, taps * pairs, rounded * pairs, pixels * taps * pairs,
            f"{wide}{channels}", f"{near}{channels}",
        ),
    ]  # fmt: skip
    if pairs > 1:
        rows.append(step("convolution, 1 channel to 1", CHANNELS, taps, rounded, pixels * taps, wide, near))
    inside = prod(_inside(size, reach) for size, reach in zip(image, window, strict=True)) * pairs
    return Ladder(image, window, Cin, Cout, hidden, tuple(rows), _factors(rows), inside)


def _factors(rows: list[Step]) -> tuple[Factor, ...]:
    at = {row.step: row.parameters for row in rows}
    ways = [
        (INVARIANCE, "dense", "translation invariant"),
        (LOCALITY, "translation invariant", "convolution"),
        (LOCALITY, "dense", "locally connected"),
        (INVARIANCE, "locally connected", "convolution"),
        (BOTH, "dense", "convolution"),
    ]
    if rows[-1].principle == CHANNELS:
        ways.append((CHANNELS, rows[-1].step, "convolution"))
    return tuple(Factor(principle, of, to, ratio(at[of], at[to])) for principle, of, to in ways)


def _inside(size: int, window: int) -> int:
    """Pairs of a place and a tap of its window, centred there, that lies on the line of `size` pixels."""
    before = (window - 1) // 2
    after = window - 1 - before
    # Place i misses max(0, before - i) taps on the left: an arithmetic series, of which the line holds `size` terms.
    return size * window - _missed(size, before) - _missed(size, after)


def _missed(size: int, reach: int) -> int:
    terms = min(size, reach)
    return terms * reach - terms * (terms - 1) // 2
