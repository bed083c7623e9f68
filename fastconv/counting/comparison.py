"""A network beside what its convolutions would be without their principles, and beside a multilayer perceptron."""

from dataclasses import asdict, dataclass
from math import prod

from fastconv.counting.count import count
from fastconv.counting.layout import WIDTH, column, paragraph, render
from fastconv.counting.numbers import both, exact, ratio, readable, times
from fastconv.counting.report import Report

HIDDEN = 256  # units of the perceptron
_WIDE = 118  # columns from which on units stand beside all numbers; in fewer the counts would not stand side by side

# (field of a row, heading), from the most parameters to the least
COUNTS = (
    ("dense_parameters", "dense"),
    ("invariant_parameters", "invariant"),
    ("untied_parameters", "local"),
    ("parameters", "as it is"),
    ("dense_macs", "MACs, dense"),
    ("macs", "MACs"),
)


@dataclass(frozen=True, slots=True)
class Perceptron:
    """The network without convolutions: every pixel to HIDDEN units, these to the outputs.

    parameter_ratio, mac_ratio: the network's, divided by the perceptron's
    """

    name: str
    parameters: int
    macs: int
    parameter_ratio: float
    mac_ratio: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` gives; all counts are exact Python integers, those of layers include biases.

    report: the network's Report; its rows hold the counts of each layer's equivalents
    mlp: the perceptron beside it
    """

    report: Report
    mlp: Perceptron

    @property
    def rows(self):
        """The layers that have parameters or MACs, LayerCounts."""
        return tuple(row for row in self.report.layers if row.parameters or row.macs)

    def table(self, width: int = WIDTH) -> str:
        """Plain text of at most `width` columns."""
        rows, total = self.rows, self.report.total
        labels = [
            column("layer", [*(row.name for row in rows), "total"], right=False),
            column("", [*(row.type for row in rows), ""], right=False),
        ]
        forms = (both, exact, readable) if width >= _WIDE else (exact, readable)
        columns = []
        for key, heading in COUNTS:
            values = [getattr(row, key) for row in (*rows, total)]
            columns.append(column(heading, *([form(value) for value in values] for form in forms)))
        shape = "x".join(map(str, self.report.input_shape))
        lines = [f"{self.report.model}, input {shape}: its layers' parameters", *render(labels, columns, width, True)]
        lines.append("")
        for text in self.sentences():
            lines += paragraph(text, width)
        return "\n".join(lines)

    def sentences(self) -> list[str]:
        """What the table says, in words."""
        total, mlp, model = self.report.total, self.mlp, self.report.model
        local, dense = (
            times(ratio(part, total.parameters)) for part in (total.untied_parameters, total.dense_parameters)
        )
        return [
            f"With untied weights (local) {model} would have {local} its parameters, as dense layers {dense}.",
            f"Beside the {mlp.name} MLP ({mlp.parameters:,} parameters, {mlp.macs:,} MACs), {model} has "
            f"{times(mlp.parameter_ratio)} the parameters ({total.parameters:,}) and {times(mlp.mac_ratio)} the MACs "
            f"({total.macs:,}).",
            "Dense: every input to every output. Invariant: shared, not local. Local: not shared. Biases are counted.",
        ]

    def as_dict(self) -> dict:
        """The comparison for JSON."""
        keys = ["name", "type", "output_shape", *(key for key, _ in COUNTS)]
        return {
            "model": self.report.model,
            "input_shape": self.report.input_shape,
            "rows": [{key: getattr(row, key) for key in keys} for row in self.rows],
            "total": {key: getattr(self.report.total, key) for key, _ in COUNTS},
            "mlp": asdict(self.mlp),
        }

    def json(self) -> str:
        """A JSON object: model, input_shape, rows, total, mlp; numbers as numbers."""
        from json import dumps

        return dumps(self.as_dict(), indent=2)

    def csv(self) -> str:
        """Comma-separated values: a header, a line a layer, the total, and the perceptron."""
        from csv import writer
        from io import StringIO

        stream = StringIO()
        lines = writer(stream, lineterminator="\n")
        keys = [key for key, _ in COUNTS]
        lines.writerow(["name", "type", *keys])
        lines.writerows([row.name, row.type, *(getattr(row, key) for key in keys)] for row in self.rows)
        lines.writerow(["total", "", *(getattr(self.report.total, key) for key in keys)])
        mlp = {"parameters": self.mlp.parameters, "macs": self.mlp.macs}
        lines.writerow([f"mlp {self.mlp.name}", "", *(mlp.get(key, "") for key in keys)])
        return stream.getvalue()

    def markdown(self) -> str:
        """A Markdown table with exact numbers."""
        lines = [f"| layer | {' | '.join(heading for _, heading in COUNTS)} |", "|---|" + "--:|" * len(COUNTS)]
        for row in self.rows:
            lines.append(f"| {row.name} {row.type} | {' | '.join(exact(getattr(row, key)) for key, _ in COUNTS)} |")
        total = " | ".join(f"**{getattr(self.report.total, key):,}**" for key, _ in COUNTS)
        mlp = {"parameters": exact(self.mlp.parameters), "macs": exact(self.mlp.macs)}
        lines += [
            f"| **total** | {total} |",
            f"| MLP {self.mlp.name} | {' | '.join(mlp.get(key, '') for key, _ in COUNTS)} |",
        ]
        return "\n".join(lines) + "\n"

    def plot(self, path) -> None:
        """Draw the layers on a logarithmic axis into a file, whose ending says the format: png, svg, pdf.

        Raises:
            ImportError: no matplotlib.
            OSError, ValueError: the file cannot be written, or its format is unknown.
        """
        from fastconv.counting import plot

        plot.draw_comparison(self, path)

    def __str__(self) -> str:
        return self.table()


def compare(net, input_shape, *, model: str | None = None) -> Comparison:
    """A network's layers beside their dense, translation-invariant and locally connected equivalents, and the whole
    beside a perceptron of 256 hidden units.

    Args:
        net, input_shape, model: as `count` takes them.

    Returns:
        A Comparison.

    Raises:
        TypeError, ValueError: as `count`.

    Example:
        >>> import fastconv as fc
        >>> comparison = compare(fc.models.lenet(), (1, 28, 28))
        >>> comparison.rows[0].dense_parameters, comparison.rows[0].untied_parameters, comparison.rows[0].parameters
        (3692640, 122304, 156)
        >>> round(comparison.mlp.parameter_ratio, 2), round(comparison.mlp.mac_ratio, 2)
        (0.3, 2.05)

    Source: "Dive into Deep Learning", section 7.1 and chapter 5
    """
    report = count(net, input_shape, model=model)
    inputs, outputs = prod(report.input_shape), prod(report.layers[-1].output_shape) if report.layers else 1
    # An image to HIDDEN units to the outputs, with biases: counted here, as its sizes may be larger than any layer's.
    parameters = (inputs + 1) * HIDDEN + (HIDDEN + 1) * outputs
    macs = (inputs + outputs) * HIDDEN
    mlp = Perceptron(
        f"{inputs}-{HIDDEN}-{outputs}",
        parameters,
        macs,
        ratio(report.total.parameters, parameters),
        ratio(report.total.macs, macs),
    )
    return Comparison(report, mlp)
