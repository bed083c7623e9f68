"""VGG-11: blocks of 3 x 3 convolutions, each followed by pooling, then three dense layers."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn

# (convolutions, channels) of each block; a block halves the image
_BLOCKS = (1, 64), (1, 128), (2, 256), (2, 512), (2, 512)


def vgg11(*, num_classes=10, init="torch", seed=None, dtype=np.float32):
    """VGG-11 for gray images (1, 224, 224): 128,806,154 parameters, 7.55 G multiply-adds an image with ten classes.

    Args:
        num_classes: how many outputs.
        init: "torch" or "xavier" (the book).
        seed: an integer for the same weights and dropouts every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential of the blocks, Sequentials themselves, and the dense layers; its weights are drawn when they
        are first used.

    Raises:
        TypeError, ValueError: an unknown init, num_classes below 1.

    Example:
        >>> vgg11().output_shape((1, 224, 224))
        (10,)

    Source: Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition (2014);
        https://d2l.ai, section 8.2.
    """
    num_classes = args.integer(num_classes, "num_classes", 1)
    drawn = {"init": init, "dtype": dtype}
    blocks, channels = [], 1
    for count, wide in _BLOCKS:
        blocks.append(_block(count, channels, wide, drawn))
        channels = wide
    return nn.Sequential(
        *blocks,
        nn.Flatten(),
        nn.Linear(channels * 7 * 7, 4096, **drawn),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096, **drawn),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, num_classes, **drawn),
        seed=seed,
    )


vgg11.input_shape = (1, 224, 224)


def _block(count, channels, wide, drawn):
    layers = []
    for _ in range(count):
        layers += nn.Conv2d(channels, wide, 3, padding=1, **drawn), nn.ReLU()
        channels = wide
    return nn.Sequential(*layers, nn.MaxPool2d(2, 2))
