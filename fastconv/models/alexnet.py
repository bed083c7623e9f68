"""AlexNet, as the book builds it: LeNet's plan, deeper and wider, with ReLU and dropout."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn


def alexnet(*, num_classes=10, init="torch", seed=None, dtype=np.float32):
    """AlexNet for gray images (1, 224, 224): 46,764,746 parameters, 938 M multiply-adds an image with ten classes.

    Args:
        num_classes: how many outputs.
        init: "torch" or "xavier" (the book).
        seed: an integer for the same weights and dropouts every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential; its weights are drawn when they are first used.

    Raises:
        TypeError, ValueError: an unknown init, num_classes below 1.

    Example:
        >>> alexnet().output_shape((1, 224, 224))
        (10,)

    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks (2012);
        https://d2l.ai, section 8.1.
    """
    num_classes = args.integer(num_classes, "num_classes", 1)
    drawn = {"init": init, "dtype": dtype}
    return nn.Sequential(
        nn.Conv2d(1, 96, 11, stride=4, padding=1, **drawn),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, **drawn),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1, **drawn),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, **drawn),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, **drawn),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(256 * 5 * 5, 4096, **drawn),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096, **drawn),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, num_classes, **drawn),
        seed=seed,
    )


alexnet.input_shape = (1, 224, 224)
