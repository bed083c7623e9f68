"""count(): walk a network without running it."""

from math import prod
from operator import index

from fastconv import nn
from fastconv._arguments import without_limits
from fastconv.counting import field as fields
from fastconv.counting.costs import THREAD_BYTES, Shape, cost, is_known, output_bytes
from fastconv.counting.numbers import ratio
from fastconv.counting.report import LayerCount, Report, Total


def count(net, input_shape, batch: int = 1, *, model: str | None = None) -> Report:
    """What a network costs, layer by layer: parameters, operations, memory, and what its outputs see of the image.

    net: a layer or a container (nn.Sequential), whose weights need not have been drawn yet: none are
    input_shape: positive integers without the batch, e.g. (1, 28, 28)
    batch: how many images the bytes are for; MACs and FLOPs are always those of one image
    model: the name that stands in the report; by default net.name where there is one, else the class

    A layer that stands twice counts its parameters once (the first time) and its MACs every time. The branches of a
    Residual or Concat follow each other. A FLOP is half a MAC. Pooling, activations, reshaping, padding, sums and
    biases have none: they multiply no weights. A normalisation has one MAC for each element that it scales.

    Nothing is allocated at the network's size, and sizes are exact whatever they are: a dense layer of 10^12 weights
    is counted like any other.

    Raises TypeError for an input shape or batch that holds anything but integers and for a layer type without a rule
    (add one with ``fastconv.counting.cost.register``); ValueError for a shape that the network does not take, naming
    the layer, and for a batch below 1.

    Example:
        >>> import fastconv as fc
        >>> net = fc.nn.Sequential(fc.nn.Conv2d(1, 6, 5, padding=2), fc.nn.ReLU())
        >>> total = fc.count(net, (1, 28, 28), batch=256).total
        >>> total.parameters, total.macs, total.flops, total.dense_parameters, total.peak_bytes
        (156, 117600, 235200, 3692640, 9633792)

    Source: the dense equivalent is the matrix between the flattened maps: "Dive into Deep Learning", section 7.1.
    """
    shape = _parse_shape(input_shape)
    batch = _parse_extent(batch, "batch", batch)
    dtype = next((layer.dtype for layer in _leaves(net) if isinstance(layer, nn.Parametric)), None)
    walk = _Walk(batch, dtype.itemsize if dtype is not None else 4)
    with without_limits():
        walk.visit(net, "", _Place(shape, fields.of_image(shape), 0, prod(shape) * walk.scale))
    name = model or getattr(net, "name", None) or type(net).__name__
    rows, total = walk.finish(prod(shape))
    return Report(name, shape, batch, str(dtype or "float32"), rows, total)


def seen(net, input_shape: Shape):
    """(output shape, what each output sees of the image: a field.Field, or None where it is not known)."""
    walk = _Walk(1, 4)
    place = walk.visit(net, "", _Place(input_shape, fields.of_image(input_shape), 0, 0))
    return place.shape, place.field


class _Place:
    """What stands in front of a layer: a map of `shape`, what each of its elements sees, and the memory in use.

    held: bytes of what waits beside it, for a sum or a join further on
    own: bytes of the map itself, unless they are held already
    """

    def __init__(self, shape: Shape, field, held: int, own: int):
        self.shape, self.field, self.held, self.own = shape, field, held, own


class _Walk:
    """The rows so far, and what can only be known along the way."""

    def __init__(self, batch: int, itemsize: int):
        self.batch, self.itemsize = batch, itemsize
        self.scale = batch * itemsize  # bytes of an element of a map
        self._rows = []  # LayerCount's fields, without the share
        self._seen = set()
        self._with_parameters = False  # whether a layer behind which a gradient of the input is wanted has come
        self._peak = self._pair = self._sums = 0

    def visit(self, net, name: str, place: _Place) -> _Place:
        """Count the layers that compute, in order, under their names in the network's state_dict (a lone layer is
        "0"). Returns what stands behind them."""
        if isinstance(net, nn.Sequential):
            for child, layer in net.children():
                place = self.visit(layer, _join(name, child), place)
            return place
        if isinstance(net, nn.Residual):
            return self._residual(net, name, place)
        if isinstance(net, nn.Concat):
            return self._concat(net, name, place)
        return self._layer(net, name or "0", place)

    def _residual(self, net, name: str, place: _Place) -> _Place:
        branches = dict(net.children())
        wanted = self._with_parameters
        held = place.held + place.own
        main = self.visit(branches["main"], _join(name, "main"), _Place(place.shape, place.field, held, 0))
        seen, beside = self._with_parameters, place
        if "shortcut" in branches:
            self._with_parameters = wanted
            start = _Place(place.shape, place.field, held + main.own, 0)
            beside = self.visit(branches["shortcut"], _join(name, "shortcut"), start)
            held += beside.own
        self._with_parameters |= seen
        return self._join([main, beside], name, net, place, held + main.own)

    def _concat(self, net, name: str, place: _Place) -> _Place:
        wanted, seen, held = self._with_parameters, self._with_parameters, place.held + place.own
        ends = []
        for child, branch in net.children():
            self._with_parameters = wanted
            ends.append(self.visit(branch, _join(name, child), _Place(place.shape, place.field, held, 0)))
            held += ends[-1].own
            seen |= self._with_parameters
        self._with_parameters = seen
        return self._join(ends, name, net, place, held)

    def _join(self, ends: list[_Place], name: str, net, place: _Place, live: int) -> _Place:
        """Where branches meet: a new map, while all of theirs are there."""
        shape = _output_shape(name, net, place.shape)
        own = prod(shape) * self.scale
        self._peak = max(self._peak, live + own)
        self._sums += own  # in training it is kept as well
        return _Place(shape, fields.joined([end.field for end in ends]), place.held, own)

    def _layer(self, layer, name: str, place: _Place) -> _Place:
        if not is_known(layer):
            cost(layer, place.shape, ())  # raises, before anything is asked of an object that may be no layer at all
        shape = _output_shape(name, layer, place.shape)
        told = cost(layer, place.shape, shape)
        own = sum(prod(sizes) for sizes in layer.parameter_shapes().values())
        dense, untied, invariant = (
            own if other is None else other
            for other in (told.dense_parameters, told.untied_parameters, told.invariant_parameters)
        )
        field = None if place.field is None else fields.through(layer, place.field, place.shape, shape)
        made = output_bytes(layer, shape, self.itemsize) * self.batch
        kept = output_bytes(layer, shape, self.itemsize, training=True) * self.batch
        moved = (prod(place.shape) + prod(shape)) * self.scale + own * self.itemsize if made else 0
        training_macs = told.macs * (2 + self._with_parameters) if own else told.macs * (1 + self._with_parameters)
        workspace = 0 if told.prepared_elements is None else told.prepared_elements * self.itemsize + THREAD_BYTES
        self._rows.append(
            {
                "name": name,
                "type": type(layer).__name__,
                "output_shape": shape,
                "parameters": own if self._first_time(id(layer)) else 0,
                "macs": told.macs,
                # Unlike a convolution, these serve one input shape only; one with the same counts is shared.
                "dense_parameters": dense if self._first_time(id(layer), "dense", dense) else 0,
                "untied_parameters": untied if self._first_time(id(layer), "untied", untied) else 0,
                "invariant_parameters": invariant if self._first_time(id(layer), "invariant", invariant) else 0,
                "dense_macs": told.macs if told.dense_macs is None else told.dense_macs,
                "flops": 2 * told.macs,
                "training_macs": training_macs,
                "training_flops": 2 * training_macs,
                "activation_bytes": made,
                "training_bytes": kept,
                "workspace_bytes": workspace,
                "column_bytes": told.column_elements * self.scale,
                "moved_bytes": moved,
                "receptive_field": fields.sizes(field),
                "effective_stride": fields.strides(field),
                "intensity": ratio(2 * told.macs * self.batch, moved),
            }
        )
        self._with_parameters |= bool(own)
        self._peak = max(self._peak, place.held + place.own + made)
        self._pair = max(self._pair, (prod(place.shape) + prod(shape)) * self.scale)
        return _Place(shape, field, place.held, made or place.own)

    def _first_time(self, *key) -> bool:
        new = key not in self._seen
        self._seen.add(key)
        return new

    def finish(self, input_elements: int) -> tuple[tuple[LayerCount, ...], Total]:
        """The rows and their total."""
        rows = self._rows
        summed = {
            key: sum(row[key] for row in rows)
            for key in (
                *("parameters", "macs", "dense_parameters", "untied_parameters", "invariant_parameters", "dense_macs"),
                *("flops", "training_macs", "training_flops"),
                *("activation_bytes", "training_bytes", "column_bytes", "moved_bytes"),
            )
        }
        kept = input_elements * self.scale + summed["training_bytes"] + self._sums
        total = Total(
            **summed,
            parameter_bytes=summed["parameters"] * self.itemsize,
            workspace_bytes=max((row["workspace_bytes"] for row in rows), default=0),
            peak_bytes=max(self._peak, input_elements * self.scale),
            training_peak_bytes=kept + self._pair,
            intensity=ratio(summed["flops"] * self.batch, summed["moved_bytes"]),
        )
        shares = (ratio(row["macs"], total.macs) or 0.0 for row in rows)
        return tuple(LayerCount(**row, share=share) for row, share in zip(rows, shares, strict=True)), total


def _leaves(net):
    children = net.children() if isinstance(net, nn.Sequential | nn.Residual | nn.Concat) else ()
    if not children:
        yield net
    for _, child in children:
        yield from _leaves(child)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _output_shape(name: str, layer, input_shape: Shape) -> Shape:
    try:
        return tuple(layer.output_shape(input_shape))
    except (TypeError, ValueError) as error:
        # The layer knows what it takes; which layer it was, and what reached it, only the walk knows.
        kind = type(layer).__name__
        raise type(error)(f"layer {name} ({kind}) does not take input of shape {input_shape}: {error}") from error


def _parse_shape(input_shape) -> Shape:
    if isinstance(input_shape, (str, bytes)):
        raise TypeError(f"input_shape (= {input_shape!r}) must be a sequence of integers such as (1, 28, 28)")
    try:
        entries = tuple(input_shape)
    except TypeError:
        raise TypeError(f"input_shape (= {input_shape!r}) must be a sequence of integers such as (1, 28, 28)") from None
    shape = tuple(_parse_extent(entry, "input_shape", input_shape) for entry in entries)
    if not shape:
        raise ValueError("input_shape (= ()) must hold at least one extent, e.g. (1, 28, 28)")
    return shape


def _parse_extent(entry, name: str, whole) -> int:
    must = "must hold" if name == "input_shape" else "must be"
    try:
        extent = None if isinstance(entry, bool) or type(entry).__name__ == "bool_" else index(entry)
    except TypeError:
        extent = None
    if extent is None:
        raise TypeError(f"{name} (= {whole!r}) {must} integers, got {entry!r}")
    if extent <= 0:
        raise ValueError(f"{name} (= {whole!r}) {must} positive integers, got {extent}")
    return extent
