"""Weights alone, in a file whose ending names its form: .npz (NumPy's, never a pickle) or .safetensors.

Both hold the arrays of a state_dict under its own keys, which are torch's: what torch saved from the same layers loads.
"""

import os
from pathlib import Path

import numpy as np

from fastconv.training.errors import CheckpointError
from fastconv.training.files import atomic_write
from fastconv.training.npz import open_npz, reading

HEADER_LIMIT = 16 << 20  # bytes of a .safetensors header

_SAFETENSORS_DTYPES = {"F32": np.dtype(np.float32), "F64": np.dtype(np.float64), "I64": np.dtype(np.int64)}


def save_weights(path, net):
    """Write the network's state_dict to a file, under its own keys.

    Args:
        path: ends in ".npz" (``np.load(path)`` gives the arrays back) or ".safetensors", which needs the package
            safetensors. The file is replaced whole or not at all.
        net: a layer or network.

    Raises:
        ValueError: another ending.
        ImportError: ".safetensors" without the package.
        OSError: the file cannot be written.

    Example:
        >>> save_weights("lenet.safetensors", fc.models.lenet(seed=0))
    """
    if _form(path) == ".npz":
        with atomic_write(path) as file:
            np.savez(file, **net.state_dict())
        return
    _require_safetensors()
    from safetensors.numpy import save

    content = save(net.state_dict())
    with atomic_write(path) as file:
        file.write(content)


def load_weights(path, net):
    """Load a file of weights into a network.

    The file's keys are those of ``net.state_dict()``, as torch names them ("0.weight", "0.bias", ...). One word before
    all of them ("net.0.weight": the module stood inside another when it was saved) does no harm. In torch,
    ``safetensors.torch.save_file(module.state_dict(), path)`` writes such a file, and so does
    ``numpy.savez(path, **{key: value.numpy() for key, value in module.state_dict().items()})``.

    Args:
        path: ends in ".npz" or ".safetensors"; the latter needs the package safetensors.
        net: the network; nothing in it is changed unless everything fits.

    Raises:
        CheckpointError: a broken file, or keys, shapes or dtypes that are not the network's; a line that names the
            file.
        ValueError: another ending.
        ImportError: ".safetensors" without the package.
        OSError: the file cannot be opened.

    Example:
        >>> net = fc.models.lenet("book")
        >>> load_weights("lenet.safetensors", net)
    """
    read = _read_npz if _form(path) == ".npz" else _read_safetensors
    net.load_state_dict(read(path, net.state_layout()))


def _form(path):
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".safetensors"):
        raise ValueError(f"path: {str(path)!r} ends in {suffix!r}, expected '.npz' or '.safetensors'")
    return suffix


def _require_safetensors():
    try:
        import safetensors  # noqa: F401
    except ImportError:
        raise ImportError('.safetensors files need safetensors: pip install "fastconv[safetensors]"') from None


def _read_npz(path, expected):
    with open_npz(path, "file of weights") as (members, read):
        names = _matched(members, expected)
        return {key: read(names[key], dtype, shape) for key, (shape, dtype) in expected.items()}


def _read_safetensors(path, expected):
    """The file is read whole and not mapped: what another process does to it meanwhile cannot hurt this one."""
    _require_safetensors()
    from safetensors import SafetensorError, deserialize

    with reading(path, "file of weights", (SafetensorError, ValueError, OverflowError, OSError)):
        size = os.path.getsize(path)
        most = HEADER_LIMIT + sum(_bytes(*layout) for layout in expected.values())
        if size > most:
            raise CheckpointError(f"{size:,} bytes, more than the weights of this network can have ({most:,})")
        with open(path, "rb") as file:
            found = dict(deserialize(file.read(most)))
        names = _matched(found, expected)
        return {key: _tensor(names[key], found[names[key]], *expected[key]) for key in expected}


def _tensor(name, found, shape, dtype):
    found_shape, found_dtype = tuple(found["shape"]), found["dtype"]
    if found_shape != shape or _SAFETENSORS_DTYPES.get(found_dtype) != dtype:
        raise CheckpointError(f"{name!r} holds {found_dtype} {found_shape}, expected {dtype} {shape}")
    if len(found["data"]) != _bytes(shape, dtype):
        raise CheckpointError(f"{name!r} has {len(found['data']):,} bytes of values, not those of its shape")
    return np.frombuffer(found["data"], dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _bytes(shape, dtype):
    return dtype.itemsize * int(np.prod(shape, dtype=object))


def _matched(found, expected):
    """{key of the network: name in the file}; the names may share a first word that the network does not have."""
    words = {name.split(".")[0] for name in found}
    prefix = f"{words.pop()}." if len(words) == 1 and not expected.keys() & found.keys() else ""
    names = {name.removeprefix(prefix): name for name in found}
    missing, unknown = sorted(expected.keys() - names.keys()), sorted(names.keys() - expected.keys())
    faults = [f"{what} {_listed(keys)}" for what, keys in (("missing", missing), ("unknown", unknown)) if keys]
    if faults:
        raise CheckpointError(f"not the weights of this network: {'; '.join(faults)}")
    return names


def _listed(keys, most=5):
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(f"{key!r:.60}" for key in keys[:most]) + more
