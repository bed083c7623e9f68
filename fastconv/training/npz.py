"""Arrays in .npz files, read with suspicion: plain zip archives of .npy members, none compressed, none a pickle.

A reader first looks at names, sizes, shapes and dtypes alone; what does not add up to the file's own size, or is not
what is expected, is never read.
"""

import contextlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib

import numpy as np

from fastconv.training.errors import CheckpointError

HEADER_LIMIT = 4096  # bytes of a .npy header
DIRECTORY_LIMIT = 4 << 20  # bytes of an archive's directory, which zipfile makes objects of eight times that size

# {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, the three in any order
_HEADER = re.compile(
    rb"\{\s*(?:"
    rb"(?:'descr':\s*'([<>|=]?[biufcSUVO]\d*)'|'fortran_order':\s*(True|False)|'shape':\s*\(([\d\s,]*)\))"
    rb",?\s*){3}\}\s*"
)

# What zipfile, NumPy and json raise on bytes that are not theirs
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RuntimeError,
    OverflowError,
)


@contextlib.contextmanager
def open_npz(path, what="checkpoint"):
    """Opens an archive: the block is given ``members``, {name without .npy: ZipInfo}, and ``read(name, dtype, shape,
    limit=None)``, which gives one array of exactly this dtype and shape (None: one dimension of up to ``limit`` bytes).

    Whatever a broken archive, header or JSON raises in the block becomes a CheckpointError of one line that names the
    file; OSError when it cannot be opened.
    """
    with reading(path, what), _File(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        file.most = None
        members = _members(archive)

        def read(name, dtype, shape, limit=None):
            return _read(archive, members[name], dtype, shape, limit)

        yield members, read


class _File(io.BufferedReader):
    """Refuses to read much at once, which is what zipfile does with a directory, until `most` says otherwise."""

    most = DIRECTORY_LIMIT

    def read(self, size=-1):
        if self.most is not None and size is not None and size > self.most:
            raise zipfile.BadZipFile(f"a directory of {size:,} bytes")
        return super().read(size)


@contextlib.contextmanager
def reading(path, what, broken=_BROKEN):
    """Whatever of ``broken`` the block raises becomes one line that names the file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):  # opening a pipe would wait for ever
            raise CheckpointError("not a regular file")
        yield
    except CheckpointError as error:
        text = str(error)
        raise CheckpointError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except broken as error:
        if isinstance(error, OSError) and error.filename is not None:  # missing, a folder, not readable
            raise
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: broken {what} ({first_line:.120})") from None


def _members(archive):
    """{name without .npy: ZipInfo} of an archive in which every claimed byte can be there."""
    members = {}
    archive.fp.seek(0, io.SEEK_END)
    room = archive.fp.tell()
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise CheckpointError(f"member {info.filename!r} is compressed or encrypted; numpy.savez does neither")
        room -= info.file_size
        if room < 0 or name in members:
            raise CheckpointError(f"the members claim more bytes than the file has, at {info.filename!r}")
        members[name] = info
    return members


def _read(archive, info, dtype, shape, limit):
    with archive.open(info) as member:
        found_shape, fortran, found_dtype = _header(member, info.filename)
        size = info.file_size - member.tell()
        expected = (size,) if shape is None else shape
        if found_shape != expected or found_dtype != dtype or fortran:
            order = " in Fortran order" if fortran else ""
            raise CheckpointError(
                f"member {info.filename!r} holds {found_dtype} {found_shape}{order}, expected {dtype} {expected}"
            )
        if size != dtype.itemsize * int(np.prod(expected, dtype=object)) or (limit is not None and size > limit):
            raise CheckpointError(f"member {info.filename!r} has {size:,} bytes of values, not those of its shape")
        data = member.read()  # to its end, where zipfile compares the checksum
    return np.frombuffer(data, dtype).reshape(expected)


def _header(member, name):
    """(shape, whether in Fortran order, dtype).

    NumPy reads a header as a piece of Python. Python's parser says of operators nested too deeply that there is no
    memory, and where there is none it may end without any exception (python/cpython#150207).
    """
    start = member.read(10)
    version = np.lib.format.read_magic(io.BytesIO(start))
    if version != (1, 0):
        raise CheckpointError(f"member {name!r} has .npy version {version}, expected (1, 0)")
    (length,) = struct.unpack("<H", start[8:])
    text = member.read(min(length, HEADER_LIMIT + 1))
    found = _HEADER.fullmatch(text)
    if length > HEADER_LIMIT or not found or None in found.groups():
        raise CheckpointError(f"member {name!r} has a header that no plain array has")
    descr, fortran, shape = (group.decode() for group in found.groups())
    return tuple(int(length) for length in shape.split(",") if length.strip()), fortran == "True", np.dtype(descr)
