"""Where data sets come from: embedded, on this machine, or downloaded once into the user's cache."""

import os
from pathlib import Path

from fastconv.training.dataset import Dataset, Split
from fastconv.training.digits import load_digits
from fastconv.training.errors import DataError
from fastconv.training.idx import read_idx
from fastconv.training.resize import resize

# (images, labels) of each part, under the names that MNIST gave them
PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "validation": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
STEMS = tuple(stem for pair in PARTS.values() for stem in pair)

# Where systems install a data set: Debian's package dataset-fashion-mnist
SYSTEM_FOLDERS = {"fashion-mnist": "/usr/share/datasets/fashion-mnist"}

# Addresses that the data sets' own pages give; MNIST's has gone, so it needs a mirror
ADDRESSES = {"fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"}

# MD5 of each download, STEM.gz, as published with the data sets
MD5 = {
    "fashion-mnist": {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    "mnist": {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
}

# What the data sets' own pages call their classes; digits need no names
CLASS_NAMES = {
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )
}  # fmt: skip

NAMES = ("digits", *MD5)

MOST_RESIZED = 1 << 28  # bytes of a part's images that are resized all at once

CLASSES_FILE = "classes.txt"  # in a folder of one's own: a class a line
CLASSES_LIMIT = 1 << 16  # bytes


def load_data(name="digits", input_shape=(1, 28, 28), mirror=None, report=None):
    """Load a data set by name, or from a folder of IDX files.

    ``name``: "digits" (embedded), "fashion-mnist", "mnist", or the path of a folder that holds the four IDX files under
    MNIST's names, each plain or with ".gz", and perhaps classes.txt with the name of a class a line. ``input_shape``:
    (1, H, W); other sizes are resized to it: now, or a batch at a time where that would take more than MOST_RESIZED
    bytes. ``mirror``: address of a folder to download from instead of the data set's
    own. ``report``: called with a line of text when a download begins.

    The named sets are looked for in $FASTCONV_DATA, where the system installs them, and in the user's cache; what is
    in none of these is downloaded into the cache and its MD5 sum compared with the published one.

    Returns a Dataset of uint8 images (N, 1, H, W). Raises DataError for what is missing, broken or inconsistent.

    Example: ``load_data("fashion-mnist").train.images.shape == (60000, 1, 28, 28)``.
    """
    if input_shape[0] != 1:
        raise DataError(f"{name}: images have 1 channel, the network takes {input_shape[0]}")
    if name == "digits":
        return load_digits(input_shape)
    if name in MD5:
        folder = find_folder(name)
        if folder is None:
            folder = _download(name, mirror, report)
    else:
        folder = Path(name)
        if not folder.is_dir():
            raise DataError(f"{name}: no such folder, and no data set of this name ({', '.join(NAMES)})")
    parts = (_load_part(folder, *stems, input_shape) for stems in PARTS.values())
    class_names = CLASS_NAMES.get(name) if name in NAMES else _read_names(folder)
    return Dataset(str(name), *parts, class_names=class_names)


def local_validation_images(name, input_shape):
    """The validation images of ``load_data(name)`` alone, uint8 (N, 1, H, W), or None where they would have to be
    downloaded or have gone."""
    if name == "digits":
        return load_digits(input_shape).validation.images
    folder = find_folder(name) if name in MD5 else Path(name)
    if folder is None or not all(_find_file(folder, stem) for stem in PARTS["validation"]):
        return None
    part = _load_part(folder, *PARTS["validation"], input_shape)
    return part.sized(part.images)


def find_folder(name):
    """The first folder that holds all four files of the data set, or None."""
    candidates = []
    if os.environ.get("FASTCONV_DATA"):
        chosen = Path(os.environ["FASTCONV_DATA"])
        candidates += [chosen / name, chosen]
    if name in SYSTEM_FOLDERS:
        candidates.append(Path(SYSTEM_FOLDERS[name]))
    candidates.append(cache_folder(name))
    return next((folder for folder in candidates if all(_find_file(folder, stem) for stem in STEMS)), None)


def cache_folder(name):
    """Where downloads of the data set are kept: below $XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fastconv" / name


def _download(name, mirror, report):
    from fastconv.training.download import download

    address = mirror or ADDRESSES.get(name)
    if address is None:
        raise DataError(
            f"{name}: not on this machine; put its four IDX files into {cache_folder(name)}, or name an "
            "address to download them from (--mirror URL)"
        )
    folder = cache_folder(name)
    for stem in STEMS:
        file = f"{stem}.gz"
        if not (folder / file).is_file():
            url = f"{address.rstrip('/')}/{file}"
            if report is not None:
                report(f"downloading {url}")
            download(url, folder / file, MD5[name][stem])
    return folder


def _find_file(folder, stem):
    """The file under its usual name or with the dot that some copies have, plain or compressed; None if absent."""
    dotted = stem.replace("-idx", ".idx")
    names = (stem, f"{stem}.gz", dotted, f"{dotted}.gz")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_names(folder):
    """The names in CLASSES_FILE, or None without one."""
    path = folder / CLASSES_FILE
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        content = file.read(CLASSES_LIMIT + 1)
    try:
        names = tuple(line.strip() for line in content.decode().splitlines() if line.strip())
    except UnicodeDecodeError:
        names = ()
    if len(content) > CLASSES_LIMIT or not names or not all(name.isprintable() for name in names):
        raise DataError(f"{path}: expected the name of a class a line")
    return names


def _load_part(folder, images_stem, labels_stem, input_shape):
    paths = []
    for stem in (images_stem, labels_stem):
        path = _find_file(folder, stem)
        if path is None:
            raise DataError(f"{folder}: holds no {stem} or {stem}.gz")
        paths.append(path)
    images, labels = read_idx(paths[0], dimensions=3), read_idx(paths[1], dimensions=1)
    if len(images) != len(labels):
        raise DataError(f"{paths[1]}: {len(labels):,} labels for {len(images):,} images")
    if images.size == 0:
        raise DataError(f"{paths[0]}: holds no images ({' x '.join(map(str, images.shape))})")
    size = input_shape[1:]
    if images.shape[1:] != size and len(images) * size[0] * size[1] > MOST_RESIZED:
        resize(images[:1], *size, paths[0])  # refuses now what it would refuse later
        return Split(images[:, None], labels, size)
    return Split(resize(images, *size, paths[0])[:, None], labels)
