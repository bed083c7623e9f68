"""Files that are either written whole or not at all."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path):
    """Open a new binary file that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    The temporary file lies in the same folder (a rename never crosses file systems) and is synced before the rename,
    so that after a power cut either the old or the new content is there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder):
    """Make the rename itself durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
