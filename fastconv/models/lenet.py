"""LeNet: two convolutions, each with an activation and pooling, then three dense layers."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn

# variant -> (activation, pooling, init)
_VARIANTS = {"book": (nn.Sigmoid, nn.AvgPool2d, "xavier"), "relu": (nn.ReLU, nn.MaxPool2d, "torch")}


def lenet(variant="relu", *, num_classes=10, init=None, seed=None, dtype=np.float32):
    """LeNet for images (1, 28, 28): 61,706 parameters and 416,520 multiply-adds an image with ten classes.

    Args:
        variant: "book" (sigmoid, average pooling, Xavier initialisation: Dive into Deep Learning, chapter 7) or "relu"
            (ReLU, max pooling, torch's default initialisation).
        num_classes: how many outputs.
        init: "torch" or "xavier" instead of the variant's own.
        seed: an integer for the same weights every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential; its weights are drawn when they are first used.

    Raises:
        TypeError, ValueError: an unknown variant or init, num_classes below 1.

    Example:
        >>> lenet("book").output_shape((1, 28, 28))
        (10,)

    Source: LeCun et al., Gradient-based learning applied to document recognition (1998); https://d2l.ai, chapter 7.
    """
    activation, pooling, own_init = _VARIANTS[args.choice(variant, "variant", tuple(_VARIANTS))]
    num_classes = args.integer(num_classes, "num_classes", 1)
    drawn = {"init": own_init if init is None else init, "dtype": dtype}
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, **drawn),
        activation(),
        pooling(2, 2),
        nn.Conv2d(6, 16, 5, **drawn),
        activation(),
        pooling(2, 2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120, **drawn),
        activation(),
        nn.Linear(120, 84, **drawn),
        activation(),
        nn.Linear(84, num_classes, **drawn),
        seed=seed,
    )


lenet.input_shape = (1, 28, 28)
