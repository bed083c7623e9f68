"""What every layer can do. A container overrides `children`, a layer with parameters is a `Parametric`."""

from collections.abc import Mapping
from threading import get_ident

import numpy as np

from fastconv import _arguments as args


class Layer:
    """The base of layers and containers.

    A layer has `forward(x)`, `backward(grad_output, need_input_grad=True)` and `output_shape(input_shape)`.

    backward follows the last forward and returns the gradient of that forward's input. Gradients of parameters
    overwrite those of the backward before. With need_input_grad=False it returns None and saves the work. In training
    mode (the mode at first) forward keeps what backward needs: the arrays themselves, not copies, so leave them
    unchanged until then. In eval mode nothing is kept.

    Threads may share a layer's forward, in either mode. They do not train together: backward is refused in a thread
    other than that of the last forward, whose input it would take for its own.

    Keys of parameters, gradients and states are those of torch: the child's name, a dot, the child's key.
    """

    training = True
    _saved = None

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def children(self):
        """(name, layer) of the layers directly inside this one."""
        return ()

    # --- modes ---

    def train(self, mode=True):
        """Sets training mode (or eval mode) here and in every layer inside; returns self."""
        self.training = bool(mode)
        if not mode:
            self._saved = None
        for _, child in self.children():
            child.train(mode)
        return self

    def eval(self):
        """Sets eval mode, which keeps nothing for backward; returns self."""
        return self.train(False)

    def rewind(self, forwards=0):
        """What is drawn at random inside is drawn from now on as after so many forwards in training mode."""
        for _, child in self.children():
            child.rewind(forwards)

    def _keep(self, *what):
        self._saved = (*what, get_ident()) if self.training else None

    def _kept(self):
        saved = self._saved
        if saved is None:
            mode = "" if self.training else "; this layer is in eval mode, which keeps nothing (call train() first)"
            raise ValueError(f"{type(self).__name__}.backward needs a forward in training mode before it{mode}")
        *what, thread = saved
        if thread != get_ident():
            raise ValueError(
                f"{type(self).__name__}.backward follows the last forward, which was another thread's: a thread that "
                f"trains needs a network of its own"
            )
        return what

    # --- parameters ---

    def parameters(self):
        """The live arrays, drawn now if they were not yet: write into them to change the layer."""
        return self._collect("parameters")

    def parameter_shapes(self):
        """The shapes of `parameters()`; nothing is drawn or allocated."""
        return self._collect("parameter_shapes")

    def gradients(self):
        """The gradients from the last backward, under the keys of `parameters()`.

        Raises:
            ValueError: there was no backward yet.
        """
        return self._collect("gradients")

    def _collect(self, method):
        return {
            f"{name}.{key}": value for name, child in self.children() for key, value in getattr(child, method)().items()
        }

    def buffers(self):
        """The live arrays that are state but no parameters, as a batch normalisation's running statistics are."""
        return self._collect("buffers")

    # --- states ---

    def state_dict(self):
        """Copies of everything that a trained layer is, parameters and buffers: what `load_state_dict` takes."""
        return {key: owner._live()[own].copy() for key, (owner, own) in self._slots().items()}

    def state_layout(self):
        """{key of state_dict(): (shape, dtype)}; nothing is drawn or allocated."""
        return {key: _expected(slot) for key, slot in self._slots().items()}

    def load_state_dict(self, state_dict):
        """Copies `state_dict` into the live arrays: a mapping of arrays, DLPack tensors or what np.asarray takes.

        Nothing is changed unless everything fits.

        Raises:
            TypeError: no mapping, or an array of another dtype than the layer's.
            ValueError: keys that are missing or unexpected, or shapes that differ; all of them are named.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict must be a mapping of names to arrays, got {type(state_dict).__name__}")
        slots = self._slots()
        faults = []
        missing = [key for key in slots if key not in state_dict]
        unexpected = [key for key in state_dict if key not in slots]
        if missing:
            faults.append("missing keys: " + ", ".join(map(repr, missing)))
        if unexpected:
            faults.append("unexpected keys: " + ", ".join(map(repr, unexpected)))
        arrays = {key: np.asarray(state_dict[key]) for key in slots if key in state_dict}
        for key, array in arrays.items():
            shape, _ = _expected(slots[key])
            if array.shape != shape:
                faults.append(f"{key!r} has shape {array.shape}, expected {shape}")
        if faults:
            raise ValueError(f"state_dict does not fit this {type(self).__name__}: {'; '.join(faults)}")
        for key, array in arrays.items():
            _, dtype = _expected(slots[key])
            if array.dtype != dtype:
                raise TypeError(
                    f"state_dict[{key!r}] has dtype {array.dtype}, expected {dtype}: convert with .astype(np.{dtype})"
                )
        for layer in {id(layer): layer for layer, _ in slots.values()}.values():
            layer._fill({own: arrays[key] for key, (owner, own) in slots.items() if owner is layer})

    def _slots(self):
        """key -> (the layer that owns the array, its key there)."""
        slots = {key: (self, key) for key in self._owned()}
        for name, child in self.children():
            slots |= {f"{name}.{key}": slot for key, slot in child._slots().items()}
        return slots

    def _owned(self):
        """key -> (shape, dtype) of the layer's own state, in torch's order; nothing is drawn."""
        return {}

    def _live(self):
        """The arrays of `_owned`, drawn now if they were not yet."""
        return {}

    def _seed(self, seed):
        """What a container does with its `seed=`."""
        seed = args.seed(seed)
        if seed is not None:
            self._seed_from(seed if isinstance(seed, tuple) else (seed,))

    def _seed_from(self, stream):
        """Gives every layer inside that has no seed of its own one that is independent of the others'."""
        for position, (_, child) in enumerate(self.children()):
            child._seed_from((*stream, position))

    # --- text ---

    def extra_repr(self):
        """What stands between the brackets of repr()."""
        return ""

    def __repr__(self):
        children = self.children()
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in children]
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _expected(slot):
    owner, own = slot
    return owner._owned()[own]


def check_layers(layers, name):
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"{name}[{position}] must be a layer of fastconv.nn, got {type(layer).__name__}")


def repeated(container):
    """A layer that stands in two places inside, or None: it keeps the input of its last place only."""
    seen = set()
    stack = [container]
    while stack:
        for _, child in stack.pop().children():
            if id(child) in seen:
                return child
            seen.add(id(child))
            stack.append(child)
    return None
