"""Named ways to train: which variant of a network, which optimizer, how long.

A recipe plus a data set gives the settings of a run; what the user says replaces single values.
"""

import dataclasses

from fastconv.training.optimizers import SGD, Adam


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings of a run, apart from network, data and seed.

    ``lr_decay``: the learning rate of epoch e (from 0) is lr * lr_decay ** e. It depends on the epoch alone, not on how
    many there will be, so that a run that is resumed for longer is the longer run. ``standardise``: the network sees
    pixels of mean 0 and standard deviation 1 rather than 0 to 1. ``shift``: see ``fit``.
    """

    name: str
    variant: str
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    lr_decay: float = 1.0
    standardise: bool = False
    shift: int = 0

    def make_optimizer(self, net):
        if self.optimizer == "adam":
            return Adam(net, self.lr, weight_decay=self.weight_decay)
        return SGD(net, self.lr, momentum=self.momentum, weight_decay=self.weight_decay)

    def schedule(self, epoch):
        """What the learning rate is multiplied by in epoch ``epoch``, from 0."""
        return self.lr_decay**epoch


# What an optimizer starts from where the recipe was made for the other one
OPTIMIZERS = {"sgd": {"lr": 0.02, "momentum": 0.9}, "adam": {"lr": 1e-3, "momentum": 0.0}}

RECIPES = {
    # ReLU, max pooling, Adam: what gets the most out of LeNet today
    "relu": Recipe("relu", "relu", epochs=10, batch_size=64, optimizer="adam", lr=2e-3, lr_decay=0.8, standardise=True),
    # Dive into Deep Learning, section 7.6: sigmoid, average pooling, Xavier, plain SGD
    "book": Recipe("book", "book", epochs=10, batch_size=128, optimizer="sgd", lr=0.1),
}

# What else suits a data set. The embedded digits are few. Shifting them makes more of them; the book's network needs
# hundreds of steps before it learns anything, so it gets smaller batches and longer: 2,700 steps, the book's 10 epochs
# of Fashion-MNIST being 4,690.
ADJUSTMENTS = {
    ("book", "digits"): {"epochs": 30, "batch_size": 16, "standardise": True},
    ("relu", "digits"): {"epochs": 15, "lr": 4e-3, "lr_decay": 0.87, "shift": 2},
}


# The deep networks, which have no variants, learn more slowly: "book" is what sections 8.1 to 8.6 take.
DEEP = {"lr_decay": 0.9, "shift": 0}
NETWORKS = {
    ("relu", "alexnet"): {"lr": 3e-4, **DEEP},
    ("relu", "vgg11"): {"lr": 1e-4, **DEEP},
    ("relu", "nin"): {"lr": 3e-4, **DEEP},
    ("relu", "resnet18"): {"lr": 1e-3, **DEEP},
    ("book", "alexnet"): {"lr": 0.01},
    ("book", "vgg11"): {"lr": 0.01},
    ("book", "nin"): {"lr": 0.05},
    ("book", "resnet18"): {"lr": 0.01},
}


def recipe(name="relu", data="", model="", **changes):
    """The recipe ``name`` as it is used on ``data`` for ``model``, with ``changes`` (None: keep the recipe's value).

    Raises ValueError for an unknown name. Example: ``recipe("book", "digits", epochs=3)``.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe: {name!r}, expected one of {', '.join(RECIPES)}")
    settings = ADJUSTMENTS.get((name, data), {}) | NETWORKS.get((name, model), {})
    optimizer = changes.get("optimizer")
    if optimizer not in (None, RECIPES[name].optimizer):
        settings |= OPTIMIZERS[optimizer]
    settings |= {key: value for key, value in changes.items() if value is not None}
    return dataclasses.replace(RECIPES[name], **settings)
