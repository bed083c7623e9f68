"""Data sets: IDX files honest and lying, the embedded digits, looking up and downloading, batches."""

import functools
import gzip
import hashlib
import http.server
import struct
import threading
import tracemalloc

import numpy as np
import pytest

from fastconv.training import dataset, digits, download, sources
from fastconv.training.errors import DataError
from fastconv.training.idx import read_idx
from fastconv.training.resize import resize


def idx_bytes(array, shape=None, kind=8):
    """An IDX file of ``array``; its header says ``shape``, if given."""
    shape = array.shape if shape is None else shape
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def write_folder(folder, count=20, size=28, compress=True, seed=0):
    """A small data set under MNIST's names: ``count`` training and half as many validation images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for (images_stem, labels_stem), n in zip(sources.PARTS.values(), (count, count // 2), strict=True):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = rng.integers(0, 256, (n, size, size)).astype(np.uint8)
        for stem, array in ((images_stem, images), (labels_stem, labels)):
            content = idx_bytes(array)
            (folder / f"{stem}.gz" if compress else folder / stem).write_bytes(
                gzip.compress(content, mtime=0) if compress else content
            )


IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """No data set on this machine: neither the system's, nor the user's."""
    monkeypatch.setattr(sources, "SYSTEM_FOLDERS", {})
    monkeypatch.delenv("FASTCONV_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class TestIdx:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_reads_what_was_written(self, tmp_path, pack):
        path = tmp_path / "images"
        path.write_bytes(pack(idx_bytes(IMAGES)))
        result = read_idx(path, dimensions=3)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, IMAGES)

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "not an IDX file"),
            (b"\0\0\x08", "not an IDX file"),
            (b"GIF89a, not an IDX file", "not an IDX file"),
            (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
            (idx_bytes(IMAGES, kind=0x0D), "float32"),
            (idx_bytes(IMAGES.reshape(-1)), "1 dimensions, expected 3"),
            (b"\0\0\x08\x03\0\0\0\1", "header ends too early"),
            (idx_bytes(IMAGES)[:-1], "has 59"),
            (idx_bytes(IMAGES) + b"!", "the file has"),
            (idx_bytes(IMAGES, shape=(4, 4, 5)), "80 bytes of values, the file has 60"),
            (idx_bytes(IMAGES, shape=(2, 4, 5)), "40 bytes of values, the file has"),
            (idx_bytes(IMAGES, shape=(2**32 - 1,) * 3), "bytes of values"),
        ],
    )
    def test_refuses_in_one_line_that_names_the_file(self, tmp_path, pack, content, message):
        path = tmp_path / "images-file"
        path.write_bytes(pack(content))
        with pytest.raises(DataError, match=message) as caught:
            read_idx(path, dimensions=3)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    def test_refuses_a_truncated_or_damaged_gzip_file(self, tmp_path):
        whole = gzip.compress(idx_bytes(IMAGES))
        path = tmp_path / "images"
        for content in (
            whole[:-4],
            whole[:25],
            whole[:-8] + b"\0\0\0\0" + whole[-4:],
            whole[:15] + b"\xff" + whole[16:],
        ):
            path.write_bytes(content)
            with pytest.raises(DataError, match="images: "):
                read_idx(path)

    @pytest.mark.parametrize("claimed", [(10, 1000, 1000), (60000, 28, 28), (2**31, 2**31, 2**31)])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_a_lie_costs_no_memory(self, tmp_path, pack, claimed):
        path = tmp_path / "images"
        path.write_bytes(pack(idx_bytes(np.frombuffer(np.random.default_rng(0).bytes(50_000), np.uint8), claimed)))
        tracemalloc.start()
        with pytest.raises(DataError):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_500_000

    def test_reads_no_more_of_a_gzip_bomb_than_its_header_says(self, tmp_path):
        path = tmp_path / "images"
        path.write_bytes(gzip.compress(idx_bytes(IMAGES) + bytes(200_000_000), compresslevel=1))
        tracemalloc.start()
        with pytest.raises(DataError, match="has more"):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_500_000

    def test_refuses_what_is_no_file(self, tmp_path):
        with pytest.raises(DataError, match="not a regular file"):
            read_idx(tmp_path)
        with pytest.raises(FileNotFoundError):
            read_idx(tmp_path / "absent")


class TestResize:
    def test_keeps_flat_images_and_means(self):
        flat = np.full((2, 8, 8), 255, np.uint8)
        for shape in ((28, 28), (3, 5), (1, 1), (8, 9)):
            assert (resize(flat, *shape) == 255).all()
        image = np.random.default_rng(0).integers(0, 256, (1, 56, 56)).astype(np.uint8)
        assert abs(resize(image, 28, 28).mean() - image.mean()) < 2

    def test_is_bilinear_when_images_grow(self):
        ramp = np.array([[[0, 100]]], np.uint8)
        np.testing.assert_array_equal(resize(ramp, 1, 4), [[[0, 25, 75, 100]]])

    def test_leaves_images_of_the_right_size_alone(self):
        images = np.zeros((1, 28, 28), np.uint8)
        assert resize(images, 28, 28) is images


class TestDigits:
    def test_is_split_evenly_and_always_alike(self):
        data = digits.load_digits()
        assert data.train.images.shape == (1438, 1, 28, 28)
        assert data.validation.images.shape == (359, 1, 28, 28)
        assert data.train.images.dtype == np.uint8 and data.train.images.max() == 255
        assert data.classes == 10
        shares = np.bincount(data.validation.labels) / np.bincount(data.train.labels)
        assert (abs(shares - 0.25) < 0.01).all()
        assert data.fingerprint() == digits.load_digits().fingerprint() == DIGITS_FINGERPRINT


DIGITS_FINGERPRINT = (
    "3600ffc5"  # of the resized images and the split: a change of either changes every result on digits
)


class TestSources:
    @pytest.mark.parametrize("compress", [False, True])
    def test_folder(self, tmp_path, compress):
        write_folder(tmp_path / "mine", compress=compress)
        data = sources.load_data(tmp_path / "mine")
        assert data.train.images.shape == (20, 1, 28, 28) and len(data.validation) == 10

    def test_folder_of_other_sizes_is_resized(self, tmp_path):
        write_folder(tmp_path, size=40)
        assert sources.load_data(tmp_path).train.images.shape == (20, 1, 28, 28)

    def test_folder_with_faults(self, tmp_path):
        with pytest.raises(DataError, match="no such folder"):
            sources.load_data(tmp_path / "absent")
        with pytest.raises(DataError, match="holds no train-images-idx3-ubyte"):
            sources.load_data(tmp_path)
        write_folder(tmp_path, compress=False)
        labels = tmp_path / "t10k-labels-idx1-ubyte"
        labels.write_bytes(idx_bytes(np.zeros(3, np.uint8)))
        with pytest.raises(DataError, match="3 labels for 10 images"):
            sources.load_data(tmp_path)
        labels.write_bytes(idx_bytes(np.zeros(0, np.uint8)))
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((0, 28, 28), np.uint8)))
        with pytest.raises(DataError, match="holds no images"):
            sources.load_data(tmp_path)

    def test_environment_then_system_then_cache(self, tmp_path, monkeypatch, nothing_installed):
        assert sources.find_folder("fashion-mnist") is None
        cache = tmp_path / "cache" / "fastconv" / "fashion-mnist"
        write_folder(cache)
        assert sources.find_folder("fashion-mnist") == cache
        system = tmp_path / "system"
        write_folder(system)
        monkeypatch.setattr(sources, "SYSTEM_FOLDERS", {"fashion-mnist": str(system)})
        assert sources.find_folder("fashion-mnist") == system
        monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "chosen"))
        assert sources.find_folder("fashion-mnist") == system
        write_folder(tmp_path / "chosen" / "fashion-mnist")
        assert sources.find_folder("fashion-mnist") == tmp_path / "chosen" / "fashion-mnist"
        assert sources.load_data("fashion-mnist").train.images.shape == (20, 1, 28, 28)

    def test_an_incomplete_folder_is_passed_over(self, tmp_path, monkeypatch, nothing_installed):
        write_folder(tmp_path / "chosen")
        (tmp_path / "chosen" / "t10k-labels-idx1-ubyte.gz").unlink()
        monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "chosen"))
        assert sources.find_folder("mnist") is None

    def test_mnist_has_no_address_of_its_own(self, nothing_installed):
        with pytest.raises(DataError, match="--mirror"):
            sources.load_data("mnist")

    def test_published_sums(self):
        sums = sources.MD5["fashion-mnist"]
        assert sums["train-images-idx3-ubyte"] == "8d4fb7e6c68d591d4c3dfef9ec88bf0d"
        assert sums["t10k-labels-idx1-ubyte"] == "bb300cfdad3c16e7a12a480ee83cd310"
        assert sources.ADDRESSES["fashion-mnist"] == "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


@pytest.fixture
def server(tmp_path):
    """(address, folder) of an HTTP server on this machine that serves the folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder
        running.shutdown()
        thread.join()


class TestDownload:
    @pytest.fixture
    def sums(self, monkeypatch, server, nothing_installed):
        write_folder(server[1])
        sums = {stem: hashlib.md5((server[1] / f"{stem}.gz").read_bytes()).hexdigest() for stem in sources.STEMS}
        monkeypatch.setitem(sources.MD5, "fashion-mnist", sums)
        return sums

    def test_fills_the_cache_once(self, server, sums, tmp_path):
        address, served = server
        lines = []
        data = sources.load_data("fashion-mnist", mirror=address + "/", report=lines.append)
        assert len(data.train) == 20 and len(lines) == 4 and lines[0].startswith(f"downloading {address}/train-images")
        for file in served.iterdir():
            file.unlink()
        again = sources.load_data("fashion-mnist", mirror=address, report=lines.append)
        assert again.fingerprint() == data.fingerprint() and len(lines) == 4
        cache = tmp_path / "cache" / "fastconv" / "fashion-mnist"
        assert sorted(file.name for file in cache.iterdir()) == sorted(f"{stem}.gz" for stem in sources.STEMS)

    def test_refuses_a_wrong_sum_and_keeps_nothing(self, server, sums, tmp_path):
        sums["train-labels-idx1-ubyte"] = "0" * 32
        with pytest.raises(DataError, match="train-labels-idx1-ubyte.gz: MD5 sum .*, expected 0000"):
            sources.load_data("fashion-mnist", mirror=server[0])
        cache = tmp_path / "cache" / "fastconv" / "fashion-mnist"
        assert [file.name for file in cache.iterdir()] == ["train-images-idx3-ubyte.gz"]

    def test_refuses_what_is_too_long(self, server, sums, monkeypatch, tmp_path):
        monkeypatch.setattr(download, "LIMIT", 1000)
        with pytest.raises(DataError, match="longer than 1,000 bytes"):
            sources.load_data("fashion-mnist", mirror=server[0])
        assert list((tmp_path / "cache").rglob("*.*")) == []

    def test_says_in_one_line_what_went_wrong(self, server, sums, tmp_path):
        (server[1] / "t10k-images-idx3-ubyte.gz").unlink()
        with pytest.raises(DataError, match="t10k-images-idx3-ubyte.gz: cannot be downloaded .*404"):
            sources.load_data("fashion-mnist", mirror=server[0])
        for address in ("http://127.0.0.1:1", "http://[", "ftp://localhost", "file:///etc", "http://127.0.0.1:x"):
            with pytest.raises(DataError) as caught:
                download.download(f"{address}/a.gz", tmp_path / "a.gz", "0" * 32)
            assert "\n" not in str(caught.value) and not (tmp_path / "a.gz").exists()


class TestBatches:
    def test_gathers_and_normalises(self):
        rng = np.random.default_rng(0)
        split = dataset.Split(rng.integers(0, 256, (10, 1, 4, 4)).astype(np.uint8), np.arange(10))
        batches = dataset.Batches(split, 4, np.float64, mean=0.25, std=0.5)
        indices = np.array([7, 0, 9])
        images, labels = batches.gather(indices)
        np.testing.assert_allclose(images, (split.images[indices] / 255 - 0.25) / 0.5, rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(labels, indices)
        assert images.dtype == np.float64 and images.flags.c_contiguous
        again, _ = batches.gather(np.array([1, 2, 3, 4]))
        assert np.shares_memory(again, images)  # no allocation at each draw

    @pytest.mark.parametrize("shift", [(1, 0), (-2, 1), (0, -3), (4, 0), (9, 9)])
    def test_shifts_in_zeros(self, shift):
        images = np.random.default_rng(0).integers(1, 256, (3, 1, 4, 5)).astype(np.uint8)
        batches = dataset.Batches(dataset.Split(images, np.zeros(3, int)), 3)
        moved, _ = batches.gather(np.arange(3), shift)
        down, right = shift
        expected = np.zeros_like(images)
        for i in range(4):
            for j in range(5):
                if 0 <= i - down < 4 and 0 <= j - right < 5:
                    expected[:, :, i, j] = images[:, :, i - down, j - right]
        np.testing.assert_allclose(moved, expected / np.float32(255), rtol=1e-6)

    def test_standardised_pixels_have_mean_0_and_deviation_1(self):
        data = digits.load_digits().standardised()
        images, _ = dataset.Batches(data.train, 2000, np.float64, data.mean, data.std).slice(0, 2000)
        assert abs(images.mean()) < 1e-9 and abs(images.std() - 1) < 1e-9

    def test_float_images_are_taken_as_they_are(self):
        images = np.random.default_rng(0).standard_normal((5, 1, 2, 2)).astype(np.float32)
        batches = dataset.Batches(dataset.Split(images, np.zeros(5, int)), 5, np.float32, mean=3.0, std=2.0)
        np.testing.assert_array_equal(batches.gather(np.arange(5))[0], images)

    def test_order_and_shifts_depend_on_seed_and_epoch_alone(self):
        order = dataset.epoch_order(100, 3, 5)
        np.testing.assert_array_equal(order, dataset.epoch_order(100, 3, 5))
        np.testing.assert_array_equal(np.sort(order), np.arange(100))
        assert (order != dataset.epoch_order(100, 3, 6)).any() and (order != dataset.epoch_order(100, 4, 5)).any()
        shifts = dataset.epoch_shifts(200, 2, 3, 5)
        assert shifts.min() == -2 and shifts.max() == 2 and shifts.shape == (200, 2)

    def test_refuses_what_does_not_fit(self):
        with pytest.raises(TypeError, match="int16"):
            dataset.Split(np.zeros((2, 3), np.int16), np.zeros(2, int))
        with pytest.raises(TypeError, match="labels: dtype float64"):
            dataset.Split(np.zeros((2, 3), np.uint8), np.zeros(2))
        with pytest.raises(ValueError, match="labels: shape"):
            dataset.Split(np.zeros((2, 3), np.uint8), np.zeros(3, int))
        empty = dataset.Split(np.zeros((0, 3), np.uint8), np.zeros(0, int))
        with pytest.raises(DataError, match="no training images"):
            dataset.Dataset("mine", empty)
