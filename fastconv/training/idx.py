"""IDX files, the format of MNIST and Fashion-MNIST, plain or gzip-compressed.

Layout: two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian 32-bit integer, then the
values, last dimension fastest. Nothing that the header claims is believed before the file's real size has been looked
at, so that a lying file costs no more memory than an honest one of its size.
"""

import os
import stat
import struct
import zlib

import numpy as np

from fastconv.training.errors import DataError

UNSIGNED_BYTE = 0x08
TYPE_NAMES = {
    0x08: "unsigned byte",
    0x09: "signed byte",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}
MAX_DIMENSIONS = 4
# Deflate could grow by a factor of 1,032; images do by 5 or 10. A compressed file is believed up to the first number of
# bytes, or up to the second for each of its own.
COMPRESSED_ROOM, COMPRESSED_RATIO = 64 << 20, 20
FIRST_PIECE, LARGEST_PIECE = 1 << 16, 1 << 20


def read_idx(path, dimensions=None):
    """Read an IDX file of unsigned bytes.

    Parameters: ``path`` of the file, gzip-compressed or not (told by its first bytes, not by its name); ``dimensions``
    that it must have, or None for any up to four.

    Returns a uint8 array of the shape that the header gives.

    Raises DataError, one line that names the file, when it is no IDX file, is of another type or rank, or is shorter
    or longer than its header says. OSError when it cannot be read.

    Example: ``images = read_idx("train-images-idx3-ubyte.gz", dimensions=3)``. Format: the "MNIST database" page of
    Y. LeCun, C. Cortes and C. Burges.
    """
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode):  # opening a pipe would wait for ever
        raise DataError(f"{path}: not a regular file")
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            return _read(raw, path, dimensions, info.st_size, exact=True)
        import gzip

        try:
            with gzip.GzipFile(fileobj=raw) as file:
                return _read(file, path, dimensions, _room(info.st_size), exact=False)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: broken gzip file ({error})") from None


def _room(size):
    return max(COMPRESSED_ROOM, size * COMPRESSED_RATIO)


def _read(file, path, dimensions, room, exact):
    """Header and values from an open file. ``room``: bytes that can be there, all told; exact if they must be."""
    shape, header_size = _read_header(file, path, dimensions)
    size = 1
    for length in shape:  # Python's integers: no product overflows
        size *= length
    claim = f"{path}: the header says {' x '.join(map(str, shape))} = {size:,} bytes of values"
    if exact and header_size + size != room:
        raise DataError(f"{claim}, the file has {room - header_size:,}")
    if header_size + size > room:
        raise DataError(f"{claim}, more than a compressed file of its size is trusted with")
    values = bytearray()
    while len(values) < size:  # grows with what is really there: gzip takes twice the memory that it is asked to fill
        wanted = min(max(FIRST_PIECE, len(values)), LARGEST_PIECE)
        piece = file.read(min(wanted, size - len(values)))
        if not piece:
            raise DataError(f"{claim}, the file has {len(values):,}")
        values += piece
    if file.read(1):  # reading to the end also makes gzip compare its checksum
        raise DataError(f"{claim}, the file has more")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_header(file, path, dimensions):
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPE_NAMES:
        raise DataError(f"{path}: not an IDX file (it starts with {start.hex(' ') or 'nothing'})")
    kind, rank = start[2], start[3]
    if kind != UNSIGNED_BYTE:
        raise DataError(f"{path}: values of type {TYPE_NAMES[kind]} (0x{kind:02x}), expected unsigned byte (0x08)")
    if not 1 <= rank <= MAX_DIMENSIONS or dimensions not in (None, rank):
        raise DataError(f"{path}: {rank} dimensions, expected {dimensions or f'1 to {MAX_DIMENSIONS}'}")
    lengths = file.read(4 * rank)
    if len(lengths) < 4 * rank:
        raise DataError(f"{path}: the header ends too early")
    return struct.unpack(f">{rank}I", lengths), 4 + 4 * rank
