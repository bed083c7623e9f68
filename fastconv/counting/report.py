"""The data that count() gives back. The views of it, as text, are in text.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerCount:
    """What one layer costs for one image.

    name: its key in the network's state_dict, e.g. "0"; nested containers give "2.0"
    type: its class, e.g. "Conv2d"
    output_shape: without the batch
    parameters: weights and biases; 0 where the same layer stood earlier in the network
    macs: multiply-accumulates of a forward pass; one MAC is a multiplication and an addition (2 FLOPs)
    dense_parameters: parameters of the dense layer that computes the same map (of other layers: their own)
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    dense_parameters: int


@dataclass(frozen=True, slots=True)
class Total:
    """The sums over all layers of a Report."""

    parameters: int
    macs: int
    dense_parameters: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a network costs, a row a layer. All numbers are exact Python integers.

    Example:
        >>> import fastconv as fc
        >>> report = fc.count(fc.models.lenet("book"), (1, 28, 28))
        >>> report.total.parameters, report.total.macs
        (61706, 416520)
        >>> report.layers[0].output_shape
        (6, 28, 28)
    """

    model: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerCount, ...]
    total: Total

    def table(self) -> str:
        """Plain text of at most 80 columns, readable units beside the exact numbers."""
        from fastconv.counting import text

        return text.table(self)

    def json(self) -> str:
        """A JSON object: model, input_shape, layers (a list), total; numbers as numbers."""
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

    def __str__(self) -> str:
        return self.table()
