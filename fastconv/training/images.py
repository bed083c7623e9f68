"""Images of the user's own as bytes of a network's input size: IDX files, and with Pillow the usual image files."""

import os
import stat
import warnings

import numpy as np

from fastconv.training.errors import DataError
from fastconv.training.idx import TYPE_NAMES, read_idx
from fastconv.training.resize import resize

# What is read; Pillow knows more, of which some start other programs
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")

PAPER = (255, 255, 255, 255)  # what transparent pixels show

# A picture of few bytes may claim to be enormous: one is read in so much memory and twice its file's size.
ROOM = 64 << 20
ROWS = 64  # that become gray at a time

# How to turn the gray pixels, by the number that EXIF gives the orientation
_TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: pixels.T[:, ::-1],
    7: lambda pixels: pixels.T[::-1, ::-1],
    8: lambda pixels: pixels.T[::-1],
}
_ORIENTATION = 0x0112


def read_images(path, input_shape, invert=False):
    """Read the images of a file and bring them to a network's input: gray, resized.

    Args:
        path: an IDX file of images, plain or gzip-compressed (told by its first bytes), or an image file (PNG, JPEG,
            BMP, GIF, TIFF, WebP, PNM: the first picture of it), which needs Pillow.
        input_shape: (1, H, W).
        invert: make light what is dark, and dark what is light: MNIST's digits are light on dark.

    Returns:
        uint8 (N, 1, H, W).

    Raises:
        DataError: a line that names the file, when it is broken or holds no image.
        ImportError: an image file, and no Pillow.
        OSError: the file cannot be opened.

    Example:
        >>> read_images("seven.png", (1, 28, 28), invert=True).shape
        (1, 1, 28, 28)
    """
    if input_shape[0] != 1:
        raise DataError(f"{path}: read as gray, the network takes {input_shape[0]} channels")
    images = read_idx(path, dimensions=3) if is_idx(path) else _read_picture(path)[None]
    if images.size == 0:
        raise DataError(f"{path}: holds no images ({' x '.join(map(str, images.shape))})")
    images = resize(images, *input_shape[1:], path)[:, None]
    return 255 - images if invert else images


def is_idx(path):
    """Whether a file begins as IDX files do, plain or compressed. Raises as read_images."""
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):  # opening a pipe would wait for ever
        raise DataError(f"{path}: not a regular file")
    with open(path, "rb") as file:
        start = file.read(4)
    return start[:2] == b"\x1f\x8b" or (start[:2] == b"\0\0" and len(start) == 4 and start[2] in TYPE_NAMES)


def _read_picture(path):
    """uint8 (H, W) of an image file."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError('image files need Pillow: pip install "fastconv[images]"') from None
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=formats) as picture:
                _fit_into_room(picture, path)
                picture.load()  # which turns a TIFF by itself
                turn = _TURNS.get(picture.getexif().get(_ORIENTATION), lambda pixels: pixels)
                return np.ascontiguousarray(turn(_gray(picture, Image)))
        except Image.UnidentifiedImageError:
            raise DataError(f"{path}: neither an IDX file nor an image ({', '.join(formats)})") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise DataError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
        except Exception as error:  # each of Pillow's decoders raises what it likes on broken files
            if isinstance(error, (DataError, MemoryError)) or (isinstance(error, OSError) and error.errno is not None):
                raise
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{path}: broken image ({first_line:.120})") from None


def _fit_into_room(picture, path):
    """Refuses a picture whose pixels need too much memory; one in JPEG is decoded at a fraction of its size instead."""
    room = ROOM + 2 * os.stat(path).st_size
    if _bytes(picture) > room and picture.format == "JPEG":
        picture.draft("L", tuple(max(side // 8, 1) for side in picture.size))
    if _bytes(picture) > room:
        width, height = picture.size
        raise DataError(f"{path}: {width:,} x {height:,} pixels are more than a file of its size is trusted with")


def _bytes(picture):
    """What Pillow holds of a picture, and its gray pixels twice: as they come, and turned."""
    held = 1 if picture.mode in ("1", "L", "P") else 2 if picture.mode in ("LA", "PA") or "16" in picture.mode else 4
    return picture.size[0] * picture.size[1] * (held + 2)


def _gray(picture, image_module):
    """uint8 (H, W), a band of rows at a time."""
    width, height = picture.size
    pixels = np.empty((height, width), np.uint8)
    for top in range(0, height, ROWS):
        stop = min(top + ROWS, height)
        pixels[top:stop] = _gray_band(picture.crop((0, top, width, stop)), image_module)
    return pixels


def _gray_band(picture, image_module):
    if picture.mode == "F":
        raise ValueError("pixels are floats, expected 8 or 16 bits")
    if picture.mode.startswith("I"):  # 16 bits
        return np.clip(np.asarray(picture, np.int64) >> 8, 0, 255).astype(np.uint8)
    if "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = image_module.alpha_composite(image_module.new("RGBA", picture.size, PAPER), picture)
    return np.asarray(picture.convert("L"))
