"""NiN, network in network: a small perceptron at each pixel behind every convolution, and no dense layer at the end."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn


def nin(*, num_classes=10, init="torch", seed=None, dtype=np.float32):
    """NiN for gray images (1, 224, 224): 1,992,166 parameters, 762 M multiply-adds an image with ten classes.

    Args:
        num_classes: how many outputs.
        init: "torch" or "xavier" (the book).
        seed: an integer for the same weights and dropouts every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential of the blocks, Sequentials themselves, pooling and dropout; its weights are drawn when they are
        first used.

    Raises:
        TypeError, ValueError: an unknown init, num_classes below 1.

    Example:
        >>> nin().output_shape((1, 224, 224))
        (10,)

    Source: Lin, Chen, Yan, Network in network (2013); https://d2l.ai, section 8.3.
    """
    num_classes = args.integer(num_classes, "num_classes", 1)
    drawn = {"init": init, "dtype": dtype}
    return nn.Sequential(
        _block(1, 96, 11, 4, 0, drawn),
        nn.MaxPool2d(3, 2),
        _block(96, 256, 5, 1, 2, drawn),
        nn.MaxPool2d(3, 2),
        _block(256, 384, 3, 1, 1, drawn),
        nn.MaxPool2d(3, 2),
        nn.Dropout(0.5),
        _block(384, num_classes, 3, 1, 1, drawn),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        seed=seed,
    )


nin.input_shape = (1, 224, 224)


def _block(channels, wide, kernel_size, stride, padding, drawn):
    """A convolution, then two dense layers at each pixel, which are convolutions of one pixel."""
    return nn.Sequential(
        nn.Conv2d(channels, wide, kernel_size, stride, padding, **drawn),
        nn.ReLU(),
        nn.Conv2d(wide, wide, 1, **drawn),
        nn.ReLU(),
        nn.Conv2d(wide, wide, 1, **drawn),
        nn.ReLU(),
    )
