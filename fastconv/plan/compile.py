"""compile(): from layers to a plan."""

from fastconv import _arguments as args
from fastconv import nn
from fastconv.plan import lanes, meeting, steps
from fastconv.plan.arena import Node
from fastconv.plan.folding import folded
from fastconv.plan.plan import Plan


def compile(net, input_shape, batch=1, *, dataflow=None, dtype=None, fold=True):
    """Prepares a network for inference on images of one shape.

    The plan holds a copy of the weights as they are now: train the layers, then compile again. A ReLU behind a
    convolution or a dense layer is computed along with it, and batch normalisation behind a convolution is folded into
    its weights; other activations work in place; pooling and dense layers write into an arena that is allocated here;
    Flatten and Dropout cost nothing. Small networks like LeNet compute several images at a time, one in each lane of
    the vectors, with what lies between the layers in a core's cache.

    Where fastconv.allow_winograd says so now, convolutions may use Winograd's algorithm: also some which
    functional.conv2d does not, because their weights are transformed here, once. Otherwise, without folding,
    a plan gives the bits that the network gives.

    Args:
        net: a layer of fastconv.nn, or a Sequential, Residual or Concat of them, nested or not.
        input_shape: the shape of one image or row, without the batch: (1, 28, 28).
        batch: the largest number of images a call; memory is laid out for so many.
        dataflow: the name of the one that computes the network's only convolution; None: the one thought fastest. The
            names: "panels", "rows", "channels", "filters", "winograd4", "winograd3", "winograd2", "lines4", "lines2".
        dtype: np.float32 or np.float64, for a network without weights; None: that of the weights, or np.float32.
        fold: whether batch normalisation with running statistics is folded into the convolution before it, which saves
            a pass over its output and rounds differently.

    Returns:
        A Plan: plan(x) is net(x), plan.memory the arena's size in bytes; print(plan) shows what it does.

    Raises:
        TypeError: something other than layers, a layer type that a plan does not know, dtypes that differ.
        ValueError: a shape that the network does not take, a batch below 1, a dataflow that is unknown, cannot compute
            the layer, or has no convolution, or several, to choose for.
        MemoryError: no memory for the weights or the arena.

    Example:
        >>> net = fc.models.lenet(seed=0)
        >>> plan = fc.compile(net, (1, 28, 28), batch=32)
        >>> plan(np.zeros((8, 1, 28, 28), np.float32)).shape
        (8, 10)
    """
    if not isinstance(net, nn.Layer):
        raise TypeError(f"net must be a layer of fastconv.nn, got {type(net).__name__}")
    layers = list(leaves(net))
    everything = list(_with_branches(layers))
    for _, layer in everything:
        if not _is_branching(layer):
            steps.check(layer)
    shape = first = args.shape(input_shape, "input_shape", None, 1)
    net.output_shape(shape)
    batch = args.integer(batch, "batch", 1)
    args.check_bytes((batch, *shape), "an input for this input_shape and batch, an array")
    fold = args.flag(fold, "fold")
    dtype = _common_dtype(everything, dtype)
    if dataflow is not None:
        _check_one_convolution(everything, dataflow)

    described = None if dataflow is not None else lanes.describe(_computing(layers), first)
    graph = _Graph(batch, dtype, dataflow, described is not None, fold)
    shape, value = graph.chain(layers, first, 0)
    if all(node.step.run is None for node in graph.nodes):
        graph.add(steps.copy(steps.Place("copy", shape, batch, dtype)), value)
    in_lanes = None
    if described and batch >= lanes.LEAST_IMAGES:
        names = lanes.names(described, layers)
        in_lanes = lanes.LaneNetwork(lanes.with_copies(described), first, dtype, names=names, winograd=True)
    return Plan(_title(net, layers), graph.nodes, first, shape, batch, dtype, in_lanes)


class _Graph:
    """The nodes of a network as they come; values are numbered as `arena.Node` has it."""

    def __init__(self, batch, dtype, dataflow, as_lanes, fold):
        self.batch, self.dtype, self.dataflow, self.as_lanes, self.fold = batch, dtype, dataflow, as_lanes, fold
        self.nodes = []

    def add(self, step, *sources):
        args.check_bytes((self.batch, *step.output_shape), f"{step.name}: an output")
        self.nodes.append(Node(step, sources))
        return len(self.nodes)

    def chain(self, layers, shape, value):
        """Layers one after the other from a value of this shape on: (shape, value) of what they give."""
        for name, layer, relu in _fused(folded(layers) if self.fold else layers):
            if _is_branching(layer):
                shape, value = self._branches(name, layer, shape, value)
                continue
            chosen = self.dataflow if _planned(layer) else None
            place = steps.Place(name, shape, self.batch, self.dtype, relu, chosen, self.as_lanes)
            step = steps.make(layer, place)
            shape, value = step.output_shape, self.add(step, value)
        return shape, value

    def _branches(self, name, layer, shape, value):
        ends = [self.chain(list(branch), shape, value) for branch in _branches(name, layer)]
        if isinstance(layer, nn.Residual):
            if layer.shortcut is None:
                ends.append((shape, value))
            (shape, main), (_, shortcut) = ends
            return shape, self.add(meeting.add(steps.Place(name, shape, self.batch, self.dtype)), main, shortcut)
        shapes, values = zip(*ends, strict=True)
        step = meeting.concatenate(steps.Place(name, shape, self.batch, self.dtype), shapes, layer.dim)
        return step.output_shape, self.add(step, *values)


def leaves(net, prefix=""):
    """(name, layer) of the layers that compute, in order: "0 Conv2d"; one that stands alone has no number. Containers
    of branches are one of them."""
    if isinstance(net, nn.Sequential) and type(net).forward is nn.Sequential.forward:
        for position, layer in enumerate(net):
            yield from leaves(layer, f"{prefix}.{position}" if prefix else str(position))
    else:
        yield f"{prefix} {type(net).__name__}".strip(), net


def _computing(layers):
    """Those that do something in inference."""
    return [layer for _, layer in layers if type(layer) not in (nn.Dropout, nn.Identity)]


def _is_branching(layer):
    return any(isinstance(layer, kind) and type(layer).forward is kind.forward for kind in (nn.Residual, nn.Concat))


def _with_branches(layers):
    """The same, and what stands in branches."""
    for name, layer in layers:
        yield name, layer
        if _is_branching(layer):
            for branch in _branches(name, layer):
                yield from _with_branches(branch)


def _branches(name, layer):
    """The leaves of each branch: "3.main.0 Conv2d", ... of "3 Residual"."""
    *place, _ = name.split(" ")
    return [leaves(child, ".".join([*place, key])) for key, child in layer.children()]


def _fused(layers):
    """(name, layer, whether the ReLU behind it is computed along with it)."""
    done = []
    for name, layer in layers:
        if isinstance(layer, nn.ReLU) and done and _takes_relu(done[-1][1]) and not done[-1][2]:
            before, weighted, _ = done[-1]
            done[-1] = f"{before} + {name}", weighted, True
        else:
            done.append((name, layer, False))
    return done


def _takes_relu(layer):
    return _planned(layer) or isinstance(layer, nn.Linear)


def _planned(layer):
    """Whether it is a convolution whose dataflow a plan chooses."""
    return isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros"


def _title(net, layers):
    return repr(net) if layers and net is layers[0][1] else f"{type(net).__name__} of {len(layers)} layers"


def _common_dtype(layers, dtype):
    wanted = None if dtype is None else args.dtype(dtype)
    for name, layer in layers:
        if isinstance(layer, nn.Parametric):
            if wanted is not None and layer.dtype != wanted:
                raise TypeError(f"layer {name} has dtype {layer.dtype}, expected {wanted}: all of a plan must be alike")
            wanted = layer.dtype
    return args.FLOAT32 if wanted is None else wanted


def _check_one_convolution(layers, dataflow):
    count = sum(_planned(layer) for _, layer in layers)
    if count != 1:
        raise ValueError(f"dataflow (={dataflow!r}) needs a network with one convolution, got {count}")
