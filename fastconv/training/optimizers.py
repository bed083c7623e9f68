"""Optimizers: read a network's gradients, change its parameters in place.

Formulas and defaults are torch.optim's. A parameter is one call of a kernel that reads and writes each element once;
buffers are made at the first step, later steps allocate no arrays.
"""

import math

import numpy as np

from fastconv.kernels import optimizer as kernels


class Optimizer:
    """What the optimizers share: the network, the learning rate, and buffers named after the parameters.

    ``lr`` is a plain attribute and may be changed between steps.
    """

    slots = ()  # names of the buffers that each parameter needs and a checkpoint keeps

    def __init__(self, net, lr, weight_decay=0.0):
        self.net = net
        self.lr = _number("lr", lr)
        self.weight_decay = _number("weight_decay", weight_decay)
        self.steps = 0
        self._buffers = {}  # (slot, parameter's name) -> array

    def step(self):
        """Change each parameter once, by the gradients of the last backward."""
        gradients = self.net.gradients()
        self.steps += 1
        for name, parameter in self.net.parameters().items():
            self._update(name, parameter, gradients[name])

    def state_dict(self):
        """A flat dict of arrays: "steps", and "slot.parameter" for each buffer. Copies."""
        state = {"steps": np.array(self.steps, np.int64)}
        for name, parameter in self.net.parameters().items():
            for slot in self.slots:
                state[f"{slot}.{name}"] = self._buffer(slot, name, parameter).copy()
        return state

    def state_layout(self):
        """{key of state_dict(): (shape, dtype)}: what a checkpoint must hold. Nothing is drawn or allocated."""
        layout, parameters = {"steps": ((), np.dtype(np.int64))}, self.net.state_layout()
        for name in self.net.parameter_shapes():
            layout |= {f"{slot}.{name}": parameters[name] for slot in self.slots}
        return layout

    def load_state_dict(self, state):
        """Take over what ``state_dict`` gave. ValueError if a key is missing or left over, or a shape differs."""
        layout = self.state_layout()
        if state.keys() != layout.keys():
            raise ValueError(f"state: missing or unknown keys {sorted(state.keys() ^ layout.keys())}")
        for key, (shape, _) in layout.items():
            if np.shape(state[key]) != shape:
                raise ValueError(f"state: {key} has shape {np.shape(state[key])}, expected {shape}")
        self.steps = int(state["steps"])
        for name, parameter in self.net.parameters().items():
            for slot in self.slots:
                np.copyto(self._buffer(slot, name, parameter), state[f"{slot}.{name}"])

    def _update(self, name, parameter, gradient):
        raise TypeError(f"{type(self).__name__} is no optimizer by itself: SGD and Adam are")

    def _buffer(self, slot, name, parameter):
        key = (slot, name)
        if key not in self._buffers:
            self._buffers[key] = np.zeros_like(parameter)
        return self._buffers[key]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum and weight decay.

    ``net``: has ``parameters()`` and ``gradients()``. ``lr``, ``momentum``, ``weight_decay``: numbers >= 0.
    Raises ValueError for others.

    g = gradient + weight_decay * p;  v = momentum * v + g;  p = p - lr * v.

    Example: ``optimizer = SGD(net, 0.1, momentum=0.9)``, then after each backward ``optimizer.step()``.
    Source: torch.optim.SGD; Sutskever et al., "On the importance of initialization and momentum" (2013).
    """

    def __init__(self, net, lr, momentum=0.0, weight_decay=0.0):
        super().__init__(net, lr, weight_decay)
        self.momentum = _number("momentum", momentum)
        self.slots = ("momentum",) if self.momentum else ()

    def _update(self, name, parameter, gradient):
        velocity = self._buffer("momentum", name, parameter) if self.momentum else None
        kernels.sgd_step(parameter, gradient, velocity, self.lr, self.momentum, self.weight_decay)


class Adam(Optimizer):
    """Adam, with weight decay added to the gradient as torch.optim.Adam adds it.

    ``net``: has ``parameters()`` and ``gradients()``. ``lr``, ``eps``, ``weight_decay``: numbers >= 0; ``betas``: two
    numbers in [0, 1). Raises ValueError for others.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p = p - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps).

    Example: ``optimizer = Adam(net)``, then after each backward ``optimizer.step()``.
    Source: torch.optim.Adam; Kingma and Ba, "Adam: a method for stochastic optimization" (2015).
    """

    slots = ("mean", "square")

    def __init__(self, net, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(net, lr, weight_decay)
        if len(betas) != 2:
            raise ValueError(f"betas: {betas!r}, expected two numbers")
        self.betas = tuple(_number("betas", beta, below=1.0) for beta in betas)
        self.eps = _number("eps", eps)

    def _update(self, name, parameter, gradient):
        beta1, beta2 = self.betas
        kernels.adam_step(
            parameter,
            gradient,
            self._buffer("mean", name, parameter),
            self._buffer("square", name, parameter),
            self.lr / (1 - beta1**self.steps),
            beta1,
            beta2,
            math.sqrt(1 - beta2**self.steps),
            self.eps,
            self.weight_decay,
        )


def _number(name, value, below=math.inf):
    """``value`` as a float in [0, below)."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < below:
        limit = "" if below == math.inf else f" and < {below:g}"
        raise ValueError(f"{name}: {value!r}, expected a finite number >= 0{limit}")
    return float(value)
