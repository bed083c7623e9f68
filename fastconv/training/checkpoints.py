"""Checkpoints: .npz files that hold a run exactly, written atomically, read with suspicion.

A file is a plain zip archive of .npy members, none compressed: ``net.KEY`` for each array of the network's state_dict,
``optimizer.KEY`` for each of the optimizer's, and ``meta``, bytes of JSON: the run's settings and its State. No pickle,
in either direction; npz.py reads.
"""

import json
from pathlib import Path

import numpy as np

from fastconv.training.errors import CheckpointError
from fastconv.training.files import atomic_write
from fastconv.training.history import State
from fastconv.training.npz import open_npz

CHECKPOINT = "checkpoint.npz"  # its name in a run's folder
FORMAT = 1
META_LIMIT = 16 << 20  # bytes of JSON


def save_checkpoint(path, net, optimizer, state, settings):
    """Write a run to ``path`` (.npz): weights, optimizer's buffers, State, and ``settings``, a dict that JSON can hold.

    Either the whole new file is there afterwards or the old one. Raises OSError when it cannot be written.
    """
    meta = json.dumps({"format": FORMAT, "settings": settings, "state": state.as_dict()}).encode()
    arrays = {"meta": np.frombuffer(meta, np.uint8)}
    arrays |= {f"net.{key}": array for key, array in net.state_dict().items()}
    arrays |= {f"optimizer.{key}": array for key, array in optimizer.state_dict().items()}
    with atomic_write(path) as file:
        np.savez(file, **arrays)


class Checkpoint:
    """A checkpoint file, opened: ``settings`` (dict) and ``state`` (State) are there at once, arrays on ``restore``.

    ``path``: the file, or the folder that ``fastconv train`` wrote it into; afterwards the file's.

    Raises CheckpointError, one line that names the file, when it is broken or no checkpoint; OSError when it cannot be
    opened.

    Example::

        checkpoint = Checkpoint("runs/lenet-digits")
        checkpoint.restore(net, optimizer)
        fit(net, data, optimizer=optimizer, state=checkpoint.state, ...)
    """

    def __init__(self, path):
        path = Path(path)
        self.path = path = path / CHECKPOINT if path.is_dir() else path
        with open_npz(path) as (members, read):
            if "meta" not in members:
                raise CheckpointError(f"{path}: not a checkpoint of fastconv (no member 'meta')")
            meta = read("meta", np.dtype(np.uint8), None, META_LIMIT)
            values = json.loads(meta.tobytes())
            if not isinstance(values, dict) or values.get("format") != FORMAT:
                raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}")
            self.settings, self.state = values.get("settings"), State.from_dict(values.get("state"))
            if not isinstance(self.settings, dict):
                raise CheckpointError(f"{path}: no settings")

    def restore(self, net, optimizer=None):
        """Load the weights into ``net`` and, if given, the buffers into ``optimizer``.

        Raises CheckpointError when a name, a shape or a dtype is not theirs; both are unchanged then.
        """
        expected = {f"net.{key}": layout for key, layout in net.state_layout().items()}
        if optimizer is not None:
            expected |= {f"optimizer.{key}": layout for key, layout in optimizer.state_layout().items()}
        with open_npz(self.path) as (members, read):
            present = {name for name in members if name.startswith("net.") or optimizer is not None} - {"meta"}
            if present != expected.keys():
                raise CheckpointError(f"{self.path}: missing or unknown arrays {sorted(present ^ expected.keys())}")
            arrays = {name: read(name, dtype, shape) for name, (shape, dtype) in expected.items()}
        net.load_state_dict(_under("net.", arrays))
        if optimizer is not None:
            optimizer.load_state_dict(_under("optimizer.", arrays))


def _under(prefix, arrays):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
