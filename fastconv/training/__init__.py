"""Training: from a network and a data set to weights in a file.

::

    sources.py      a data set by name or folder             digits.py  the embedded one
      idx.py        IDX files                                download.py, resize.py
    dataset.py      Dataset, Split, batches                  bytes in memory, floats a batch at a time
    optimizers.py   SGD, Adam                                in place
    engines.py      a batch through the network, forward and backward
    loop.py         fit, evaluate, Callback                  history.py: what a run has done; interrupt.py: Ctrl-C
    recipes.py      named settings of a run
    checkpoints.py  a run in a file, and back                npz.py: read with suspicion; files.py: all of it or nothing
    weights.py      weights alone, .npz and .safetensors
    trained.py      a checkpoint that classifies             images.py: image files
    curve.py        the learning curve as a picture          features.py: filters and feature maps
    permutation.py  an experiment: pixels in order and permuted
    errors.py       what a file or a run can get wrong
"""

from fastconv.training.checkpoints import Checkpoint, save_checkpoint
from fastconv.training.curve import plot_history
from fastconv.training.dataset import Dataset, Split
from fastconv.training.errors import CheckpointError, DataError, Interrupted, NonFiniteLoss
from fastconv.training.features import plot_features
from fastconv.training.history import EpochResult, State
from fastconv.training.idx import read_idx
from fastconv.training.images import read_images
from fastconv.training.loop import Callback, evaluate, fit
from fastconv.training.optimizers import SGD, Adam
from fastconv.training.profile import profile
from fastconv.training.recipes import Recipe, recipe
from fastconv.training.sources import load_data
from fastconv.training.trained import Trained
from fastconv.training.weights import load_weights, save_weights

__all__ = [
    "SGD",
    "Adam",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "Dataset",
    "EpochResult",
    "Interrupted",
    "NonFiniteLoss",
    "Recipe",
    "Split",
    "State",
    "Trained",
    "evaluate",
    "fit",
    "load_data",
    "load_weights",
    "plot_features",
    "plot_history",
    "profile",
    "read_idx",
    "read_images",
    "recipe",
    "save_checkpoint",
    "save_weights",
]
