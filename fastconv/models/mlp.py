"""The network without convolutions that LeNet is compared with."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn


def mlp(*, num_classes=10, hidden=256, init="torch", seed=None, dtype=np.float32):
    """A multilayer perceptron 784-256-10 for images (1, 28, 28): 203,530 parameters, 203,264 multiply-adds an image.

    Args:
        num_classes: how many outputs.
        hidden: how many hidden units.
        init: "torch" or "xavier".
        seed: an integer for the same weights every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential; its weights are drawn when they are first used.

    Raises:
        TypeError, ValueError: an unknown init, sizes below 1.

    Example:
        >>> mlp().output_shape((1, 28, 28))
        (10,)

    Source: https://d2l.ai, chapter 5.
    """
    num_classes = args.integer(num_classes, "num_classes", 1)
    hidden = args.integer(hidden, "hidden", 1)
    init = "torch" if init is None else init
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, hidden, init=init, dtype=dtype),
        nn.ReLU(),
        nn.Linear(hidden, num_classes, init=init, dtype=dtype),
        seed=seed,
    )


mlp.input_shape = (1, 28, 28)
