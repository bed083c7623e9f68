"""ResNet-18: blocks that learn what is to be added to their input."""

import numpy as np

from fastconv import _arguments as args
from fastconv import nn

_STAGES = 64, 128, 256, 512  # channels; two blocks each, and all but the first halve the image


def resnet18(*, num_classes=10, init="torch", seed=None, dtype=np.float32):
    """ResNet-18 for gray images (1, 96, 96): 11,178,378 parameters with ten classes.

    Args:
        num_classes: how many outputs.
        init: "torch" or "xavier" (the book).
        seed: an integer for the same weights every time, or None.
        dtype: np.float32 or np.float64.

    Returns:
        An nn.Sequential of Sequentials, the stages, which hold nn.Residuals; its weights are drawn when they are first
        used.

    Raises:
        TypeError, ValueError: an unknown init, num_classes below 1.

    Example:
        >>> resnet18().output_shape((1, 96, 96))
        (10,)

    Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition (2015); https://d2l.ai, section 8.6.
    """
    num_classes = args.integer(num_classes, "num_classes", 1)
    drawn = {"init": init, "dtype": dtype}
    stages, channels = [], _STAGES[0]
    for wide in _STAGES:
        first = _block(channels, wide, 1 if wide == channels else 2, drawn)
        stages.append(nn.Sequential(*first, *_block(wide, wide, 1, drawn)))
        channels = wide
    return nn.Sequential(
        nn.Sequential(
            nn.Conv2d(1, _STAGES[0], 7, stride=2, padding=3, **drawn),
            nn.BatchNorm2d(_STAGES[0], dtype=dtype),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        ),
        *stages,
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(channels, num_classes, **drawn),
        seed=seed,
    )


resnet18.input_shape = (1, 96, 96)


def _block(channels, wide, stride, drawn):
    """A residual block and its last activation. The shortcut is the input itself where that has the right shape."""
    same = stride == 1 and channels == wide
    return (
        nn.Residual(
            nn.Conv2d(channels, wide, 3, stride, 1, **drawn),
            nn.BatchNorm2d(wide, dtype=drawn["dtype"]),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1, **drawn),
            nn.BatchNorm2d(wide, dtype=drawn["dtype"]),
            shortcut=None if same else nn.Conv2d(channels, wide, 1, stride, **drawn),
        ),
        nn.ReLU(),
    )
