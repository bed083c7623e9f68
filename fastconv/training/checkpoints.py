"""Checkpoints: .npz files that hold a run exactly, written atomically, read with suspicion.

A file is a plain zip archive of .npy members, none compressed: ``net.KEY`` for each array of the network's state_dict,
``optimizer.KEY`` for each of the optimizer's, and ``meta``, bytes of JSON: the run's settings and its State. No pickle,
in either direction. A reader first looks at names, sizes, shapes and dtypes alone; what does not add up to the file's
own size, or is not what the network expects, is never read.
"""

import contextlib
import io
import json
import struct
import zipfile
import zlib

import numpy as np

from fastconv.training.errors import CheckpointError
from fastconv.training.files import atomic_write
from fastconv.training.history import State

FORMAT = 1
META_LIMIT = 16 << 20  # bytes of JSON
HEADER_LIMIT = 4096  # bytes of a .npy header

# What zipfile, NumPy's header parser and json raise on bytes that are not theirs
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    SyntaxError,
    KeyError,
    AttributeError,
    IndexError,
    RuntimeError,
    MemoryError,
    OverflowError,
)


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


def save_weights(path, net):
    """Write the network's state_dict to ``path`` (.npz), under its own keys; ``np.load(path)`` gives it back."""
    with atomic_write(path) as file:
        np.savez(file, **net.state_dict())


class Checkpoint:
    """A checkpoint file, opened: ``settings`` (dict) and ``state`` (State) are there at once, arrays on ``restore``.

    Raises CheckpointError, one line that names the file, when it is broken or no checkpoint; OSError when it cannot be
    opened.

    Example::

        checkpoint = Checkpoint("runs/lenet-digits/checkpoint.npz")
        checkpoint.restore(net, optimizer)
        fit(net, data, optimizer=optimizer, state=checkpoint.state, ...)
    """

    def __init__(self, path):
        self.path = path
        with _reading(path), zipfile.ZipFile(path) as archive:
            members = _members(archive)
            if "meta" not in members:
                raise CheckpointError(f"{path}: not a checkpoint of fastconv (no member 'meta')")
            meta = _read(archive, members["meta"], np.dtype(np.uint8), None, META_LIMIT)
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
        expected = {f"net.{key}": (array.shape, array.dtype) for key, array in net.state_dict().items()}
        if optimizer is not None:
            expected |= {f"optimizer.{key}": layout for key, layout in optimizer.state_layout().items()}
        with _reading(self.path), zipfile.ZipFile(self.path) as archive:
            members = _members(archive)
            present = {name for name in members if name.startswith("net.") or optimizer is not None} - {"meta"}
            if present != expected.keys():
                raise CheckpointError(f"{self.path}: missing or unknown arrays {sorted(present ^ expected.keys())}")
            arrays = {name: _read(archive, members[name], dtype, shape) for name, (shape, dtype) in expected.items()}
        net.load_state_dict(_under("net.", arrays))
        if optimizer is not None:
            optimizer.load_state_dict(_under("optimizer.", arrays))


def _under(prefix, arrays):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _members(archive):
    """{name without .npy: ZipInfo} of an archive in which every claimed byte can be there."""
    members = {}
    archive.fp.seek(0, io.SEEK_END)
    room = archive.fp.tell()
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise CheckpointError(f"member {info.filename!r} is compressed or encrypted, which no checkpoint's is")
        room -= info.file_size
        if room < 0 or name in members:
            raise CheckpointError(f"the members claim more bytes than the file has, at {info.filename!r}")
        members[name] = info
    return members


def _read(archive, info, dtype, shape, limit=None):
    """One array, of exactly this dtype and shape (None: one dimension of any length up to ``limit`` bytes)."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise CheckpointError(f"member {info.filename!r} has .npy version {version}, expected (1, 0)")
        found_shape, fortran, found_dtype = np.lib.format.read_array_header_1_0(member, max_header_size=HEADER_LIMIT)
        size = info.file_size - member.tell()
        expected = (size,) if shape is None else shape
        if found_shape != expected or found_dtype != dtype or fortran:
            raise CheckpointError(
                f"member {info.filename!r} holds {found_dtype} {found_shape}, expected {dtype} {expected}"
            )
        if size != dtype.itemsize * int(np.prod(expected, dtype=object)) or (limit is not None and size > limit):
            raise CheckpointError(f"member {info.filename!r} has {size:,} bytes of values, not those of its shape")
        data = member.read()  # to its end, where zipfile compares the checksum
    return np.frombuffer(data, dtype).reshape(expected)


@contextlib.contextmanager
def _reading(path):
    """Whatever a broken archive, header or JSON raises becomes one line that names the file."""
    try:
        yield
    except CheckpointError as error:
        text = str(error)
        raise CheckpointError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except _BROKEN as error:
        if isinstance(error, OSError) and error.filename is not None:  # missing, a folder, not readable
            raise
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: broken checkpoint ({first_line:.120})") from None
