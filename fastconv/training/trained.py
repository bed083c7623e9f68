"""A trained network as its checkpoint describes it, ready to classify images."""

from pathlib import Path

import numpy as np

from fastconv import functional, models
from fastconv.training.checkpoints import Checkpoint
from fastconv.training.dataset import normalise
from fastconv.training.engines import evaluation_batch
from fastconv.training.settings import Settings


class Trained:
    """A network from the checkpoint of a run of ``fastconv train``, and how it saw its images.

    Args:
        path: the checkpoint file, or the folder of the run.

    Attributes:
        net: the network, in evaluation mode.
        input_shape: (1, H, W).
        settings: the run's Settings.
        path: the checkpoint file.

    Raises:
        CheckpointError: a broken checkpoint, or none.
        OSError: the file cannot be opened.

    Example:
        >>> trained = fc.training.Trained("runs/lenet-digits")
        >>> images = fc.training.read_images("seven.png", trained.input_shape)
        >>> trained.probabilities(images).shape
        (1, 10)
    """

    def __init__(self, path):
        checkpoint = Checkpoint(path)
        self.path = checkpoint.path
        self.settings = Settings.from_dict(checkpoint.settings, self.path)
        self.input_shape = models.INPUT_SHAPES[self.settings.model]
        self.net = self.settings.build_network()
        checkpoint.restore(self.net)
        self.net.eval()

    def prepare(self, images):
        """``images``, uint8 (N, 1, H, W), as the network saw those it was trained on: float32."""
        return normalise(images, np.empty(images.shape, np.float32), self.settings.mean, self.settings.std)

    def probabilities(self, images):
        """The probability of each class: (N, classes) for uint8 (N, 1, H, W).

        Raises:
            ArithmeticError: one of them is not finite; the weights have grown too large.
        """
        result = np.empty((len(images), self.settings.classes), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            size = evaluation_batch(self.input_shape)
            for start in range(0, len(images), size):
                logits = self.net(self.prepare(images[start : start + size]))
                result[start : start + size] = functional.softmax(logits, 1)
        if not np.isfinite(result).all():
            raise ArithmeticError(f"{self.path}: the network's outputs are not finite")
        return result

    def class_name(self, number):
        """The data set's word for a class, or its number."""
        names = self.settings.class_names
        return names[number] if names else str(number)

    def __str__(self):
        settings = self.settings
        return f"{settings.model} ({settings.recipe.name}) on {Path(settings.data).name or settings.data}"
