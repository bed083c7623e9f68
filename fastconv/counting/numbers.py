"""Counts as a person reads them, in integer arithmetic: any length of number."""


def exact(value: int) -> str:
    """With commas.

    Example:
        >>> exact(61706)
        '61,706'
    """
    return f"{value:,}"


def readable(value: int) -> str:
    """A count with one decimal and a unit.

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


def readable_as(value: int, unit: str) -> str:
    """The same with what is counted: 416,520 MACs as "416.5 kMAC", 3,136 bytes as "3.1 kB"."""
    text = readable(value)
    return text + unit if text[-1].isalpha() else f"{text} {unit}"


def both(value: int) -> str:
    """Exact, and readable where that is shorter: the units stand in a column of their own, 7 wide."""
    return f"{value:,} {readable(value) if value >= 1000 else '':>7}"


def ratio(numerator: int, denominator: int) -> float | None:
    """The quotient of two integers as a float; None by zero. (Of sizes that fit into 64 bits no product overflows.)"""
    return numerator / denominator if denominator else None


def times(value: float | None) -> str:
    """A factor: "0.30x", "2,268x"."""
    if value is None:
        return "-"
    if value >= 1e15:
        return f"{value:.2e}x"
    return f"{value:,.0f}x" if value >= 100 else f"{value:.3g}x" if value < 0.1 else f"{value:.2f}x"


def shape_text(shape: tuple[int, ...]) -> str:
    """(6, 28, 28) as "6x28x28"."""
    return "x".join(map(str, shape))


def number_text(value) -> str:
    """An integer, or a fraction that a transposed convolution made, as short as it goes."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def duration(seconds: float | None) -> str:
    """Seconds as "1.2 us", "3.4 ms" or "5.60 s"."""
    if seconds is None:
        return "-"
    for scale, unit in ((1e-3, "us"), (1.0, "ms")):
        if seconds < scale:
            return f"{seconds / scale * 1000:.3g} {unit}"
    return f"{seconds:.2f} s"


def _divide(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)  # to the nearest
