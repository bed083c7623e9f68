"""The data that count() gives back. The views of it, as text, are in text.py, the picture is in plot.py."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LayerCount:
    """What one layer costs: counts are those of one image, bytes those of the report's batch.

    name: its key in the network's state_dict, e.g. "0"; nested containers give "2.0"
    type: its class, e.g. "Conv2d"
    output_shape: without the batch
    parameters: weights and biases; 0 where the same layer stood earlier in the network
    macs: multiply-accumulates of a forward pass; one MAC is a multiplication of a weight and an addition
    dense_parameters: parameters of the dense layer that computes the same map (of other layers: their own)
    untied_parameters: parameters if it were locally connected: local, not shared
    invariant_parameters: parameters if it were translation invariant: shared, not local
    dense_macs: multiply-accumulates of the dense layer
    flops: floating-point operations of a forward pass, two a MAC; what layers without weights compute is not counted
    training_macs: forward, gradient of the weights, and that of the input where a layer before wants it
    training_flops: two a MAC
    activation_bytes: the output in inference; 0 where it is a view of the input
    training_bytes: the output with what is kept for the backward pass, at most
    workspace_bytes: what its kernel works in besides, on one thread, at most: weights as it wants them and 4 MiB
    column_bytes: the matrix that unfolding would make of its input; it is never in memory here
    moved_bytes: input, output and parameters
    receptive_field: pixels of the image that an output sees, padding included; None where nothing is known
    effective_stride: pixels of the image from an output to its neighbour; None where outputs have no places
    intensity: FLOPs a byte moved; None where none is
    share: the layer's part of the network's MACs, from 0 to 1
    seconds: a forward pass of the batch, measured; None where it was not
    roofline_seconds: the least that this machine's peak and bandwidth allow for it
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    dense_parameters: int
    untied_parameters: int
    invariant_parameters: int
    dense_macs: int
    flops: int
    training_macs: int
    training_flops: int
    activation_bytes: int
    training_bytes: int
    workspace_bytes: int
    column_bytes: int
    moved_bytes: int
    receptive_field: tuple | None
    effective_stride: tuple | None
    intensity: float | None
    share: float
    seconds: float | None = None
    roofline_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sums over all layers of a Report; of workspace_bytes the largest.

    parameter_bytes: of all parameters
    peak_bytes: the most that inputs, outputs and waiting branches take at a time, layer by layer, in inference
    training_peak_bytes: the same in training, at most: all outputs, what is kept beside them, and one layer's gradients
    """

    parameters: int
    macs: int
    dense_parameters: int
    untied_parameters: int
    invariant_parameters: int
    dense_macs: int
    flops: int
    training_macs: int
    training_flops: int
    parameter_bytes: int
    activation_bytes: int
    training_bytes: int
    workspace_bytes: int
    column_bytes: int
    moved_bytes: int
    peak_bytes: int
    training_peak_bytes: int
    intensity: float | None
    seconds: float | None = None
    roofline_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a network costs, a row a layer. All counts are exact Python integers.

    Example:
        >>> import fastconv as fc
        >>> report = fc.count(fc.models.lenet("book"), (1, 28, 28))
        >>> report.total.parameters, report.total.macs, report.total.flops
        (61706, 416520, 833040)
        >>> report.layers[3].output_shape, report.layers[3].receptive_field, report.layers[3].effective_stride
        ((16, 10, 10), (14, 14), (2, 2))
    """

    model: str
    input_shape: tuple[int, ...]
    batch: int
    dtype: str
    layers: tuple[LayerCount, ...]
    total: Total

    def with_times(self, seconds, roofline_seconds) -> "Report":
        """The same report with a measured and a least time for each layer."""
        layers = tuple(
            replace(row, seconds=took, roofline_seconds=least)
            for row, took, least in zip(self.layers, seconds, roofline_seconds, strict=True)
        )
        total = replace(self.total, seconds=sum(seconds), roofline_seconds=sum(roofline_seconds))
        return replace(self, layers=layers, total=total)

    def table(self, width: int = 80) -> str:
        """Plain text of at most `width` columns, readable units beside the exact numbers."""
        from fastconv.counting import text

        return text.table(self, width)

    def json(self) -> str:
        """A JSON object: model, input_shape, batch, dtype, layers (a list), total; numbers as numbers."""
        from fastconv.counting import text

        return text.json(self)

    def csv(self) -> str:
        """Comma-separated values: a header, a line a layer, and a last line named "total"."""
        from fastconv.counting import text

        return text.csv(self)

    def markdown(self) -> str:
        """A Markdown table with exact numbers, the total in bold."""
        from fastconv.counting import text

        return text.markdown(self)

    def plot(self, path) -> None:
        """Draw bars by layer into a file, whose ending says the format: png, svg, pdf.

        Raises:
            ImportError: no matplotlib.
            OSError, ValueError: the file cannot be written, or its format is unknown.
        """
        from fastconv.counting import plot

        plot.draw_report(self, path)

    def __str__(self) -> str:
        return self.table()
