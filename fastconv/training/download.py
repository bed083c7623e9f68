"""Files fetched over HTTP: all or nothing, and only with the checksum that was published."""

from fastconv.training.errors import DataError
from fastconv.training.files import atomic_write

LIMIT = 64 << 20  # bytes; more than twice the largest file there is
TIMEOUT = 30  # seconds without a byte
PIECE = 1 << 16


def download(url, path, md5):
    """Fetch ``url`` (http, https) into ``path``, whose folder is made if need be.

    ``md5``: hexadecimal checksum of the whole file. Raises DataError, naming the address, when it cannot be
    fetched, is longer than any data file, or has another checksum; ``path`` is not touched then.
    """
    import hashlib
    import http.client
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    digest = hashlib.md5(usedforsecurity=False)
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise DataError(f"{url}: expected an address that begins with http:// or https://")
        with urlopen(url, timeout=TIMEOUT) as response, atomic_write(path) as file:
            size = 0
            while piece := response.read(PIECE):
                size += len(piece)
                if size > LIMIT:
                    raise DataError(f"{url}: longer than {LIMIT:,} bytes, so not the file that was asked for")
                digest.update(piece)
                file.write(piece)
            if digest.hexdigest() != md5:
                raise DataError(f"{url}: MD5 sum {digest.hexdigest()}, expected {md5}")
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
        if isinstance(error, DataError):
            raise
        raise DataError(f"{url}: cannot be downloaded ({error})") from None
