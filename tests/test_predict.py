"""``fastconv predict`` and ``fastconv show``: images of the user's own, what is printed and drawn, how it fails."""

import json
import os
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from test_cli import failure, main
from test_data import idx_bytes, write_folder

import fastconv as fc
from fastconv.training import DataError, Trained, plot_features, read_images
from fastconv.training.dataset import Batches

SHAPE = (1, 28, 28)
WORDS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two runs of one epoch: runs/lenet-digits, and runs/mlp-mine with names for its classes."""
    folder = tmp_path_factory.mktemp("predict")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main("train", "lenet", "--epochs", 2, "--json", "--threads", 1) == 0
        write_folder(folder / "mine", count=40)
        (folder / "mine" / "classes.txt").write_text("\n".join(WORDS) + "\n")
        assert main("train", "mlp", "--data", "mine", "--epochs", 1, "--json") == 0
    finally:
        os.chdir(before)
        fc.set_num_threads(0)
    return folder


@pytest.fixture(autouse=True)
def own_folder(folder, tmp_path, monkeypatch):
    """Each test in a folder of its own, beside the runs."""
    (tmp_path / "runs").symlink_to(folder / "runs", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    yield
    fc.set_num_threads(0)


@pytest.fixture(scope="module")
def digits():
    """uint8 (N, 28, 28)"""
    return fc.training.load_data("digits").validation.images[:, 0]


def write_idx(path, array):
    Path(path).write_bytes(idx_bytes(array))
    return path


def picture(path, array, mode=None, **options):
    image = pytest.importorskip("PIL.Image").fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


class TestReadImages:
    def test_idx(self, digits):
        np.testing.assert_array_equal(read_images(write_idx("a", digits[:3]), SHAPE)[:, 0], digits[:3])
        np.testing.assert_array_equal(read_images("a", SHAPE, invert=True)[:, 0], 255 - digits[:3])
        assert read_images(write_idx("b", digits[:2, ::2, ::3]), SHAPE).shape == (2, 1, 28, 28)

    @pytest.mark.filterwarnings("ignore")  # what Pillow says about forms without a mode is its own business
    @pytest.mark.parametrize("mode", [None, "RGB", "RGBA", "LA", "P", "CMYK"])
    @pytest.mark.parametrize("form", ["png", "bmp", "tiff", "gif", "ppm", "webp"])
    def test_exact_forms_and_modes(self, digits, mode, form):
        features = pytest.importorskip("PIL.features")
        if form == "webp" and not features.check("webp"):
            pytest.skip("this Pillow has no WebP")
        if form == "gif" and mode not in (None, "P"):
            pytest.skip("its palette is fitted to the colours")
        name = f"a.{form}"
        try:
            picture(name, digits[0], mode, **({"lossless": True} if form == "webp" else {}))
        except (OSError, ValueError):
            pytest.skip("a form without this mode")
        limit = 2 if mode in ("P", "CMYK") else 0  # palettes and inks round
        assert np.abs(read_images(name, SHAPE)[0, 0].astype(int) - digits[0]).max() <= limit

    def test_jpeg_of_another_size(self, digits):
        picture("a.jpg", digits[0].repeat(5, 0).repeat(4, 1), quality=95)
        assert np.abs(read_images("a.jpg", SHAPE)[0, 0].astype(int) - digits[0]).mean() < 6

    def test_sixteen_bits_and_one(self, digits):
        picture("a.png", digits[0].astype(np.uint16) * 257)
        np.testing.assert_array_equal(read_images("a.png", SHAPE)[0, 0], digits[0])
        picture("b.png", digits[0] > 99)
        np.testing.assert_array_equal(read_images("b.png", SHAPE)[0, 0], 255 * (digits[0] > 99))

    def test_transparent_pixels_show_paper(self, digits):
        ink = np.zeros((28, 28, 4), np.uint8)
        ink[..., 3] = digits[0]
        picture("a.png", ink)
        np.testing.assert_array_equal(read_images("a.png", SHAPE, invert=True)[0, 0], digits[0])

    def test_turned_as_the_camera_says(self, digits):
        image = pytest.importorskip("PIL.Image").fromarray(digits[0])
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
        image.save("a.png", exif=exif)
        np.testing.assert_array_equal(read_images("a.png", SHAPE)[0, 0], np.rot90(digits[0], -1))

    @pytest.mark.parametrize("form", ["png", "tiff"])
    @pytest.mark.parametrize("number", range(10))
    def test_turned_as_pillow_turns(self, rng, number, form):
        image_module, operations = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageOps")
        image = image_module.fromarray(rng.integers(0, 256, (130, 28), np.uint8))
        exif = image.getexif()
        exif[0x0112] = number
        image.save(f"a.{form}", exif=exif)
        with image_module.open(f"a.{form}") as found:
            expected = np.asarray(operations.exif_transpose(found))
        np.testing.assert_array_equal(read_images(f"a.{form}", (1, *expected.shape))[0, 0], expected)

    def test_large_photographs_are_read_and_large_nothings_refused(self, rng):
        """Within 64 MiB and twice the file: JPEG is decoded at a fraction of its size where it needs more."""
        noise = rng.integers(0, 256, (110, 160, 3), np.uint8).repeat(50, 0).repeat(50, 1)  # 44 million pixels
        picture("a.jpg", noise, quality=60)
        small = picture("b.png", noise[::50, ::50])
        one, two = read_images("a.jpg", SHAPE).astype(int), read_images(small, SHAPE).astype(int)
        assert np.abs(one - two).mean() < 3
        picture("c.png", np.zeros((7000, 7000), np.uint8))
        with pytest.raises(DataError, match="c.png: 7,000 x 7,000 pixels are more than a file of its size is trusted"):
            read_images("c.png", SHAPE)
        picture("d.png", np.zeros((2160, 3840, 4), np.uint8))  # a screen
        assert (read_images("d.png", SHAPE) == 255).all()

    @pytest.mark.parametrize("form", ["png", "jpg", "tiff", "gif", "bmp", "ppm"])
    def test_truncated_and_damaged_pictures(self, digits, form):
        name = f"a.{form}"
        picture(name, digits[0])
        content = Path(name).read_bytes()
        rng = np.random.default_rng(0)
        broken = [content[:length] for length in range(0, len(content) - 1, max(1, len(content) // 40))]
        for position in rng.integers(0, len(content), 60):
            broken.append(content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :])
        refused = 0
        for piece in broken:
            Path(name).write_bytes(piece)
            try:
                assert read_images(name, SHAPE).shape == (1, *SHAPE)
            except DataError as error:
                assert str(error).startswith(f"{name}: ") and "\n" not in str(error)
                refused += 1
        assert refused > 10

    def test_bombs_and_strangers(self, digits, monkeypatch):
        image = pytest.importorskip("PIL.Image")
        picture("a.png", digits[0])
        for most in (400, 100):  # Pillow warns of the first and refuses the second
            monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", most)
            with pytest.raises(DataError, match=f"a.png: more than {most} pixels"):
                read_images("a.png", SHAPE)
        for content in (b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"):
            Path("a.eps").write_bytes(content)
            with pytest.raises(DataError, match="neither an IDX file nor an image"):
                read_images("a.eps", SHAPE)

    def test_long_and_large_images_cost_little_memory(self):
        thin = np.full((1, 1, 1 << 20), 7, np.uint8)
        with pytest.raises(DataError, match="^a: 1 x 1,048,576 pixels, at most 32,768 a side are read"):
            read_images(write_idx("a", thin), SHAPE)
        write_idx("b", np.full((1, 3000, 4000), 7, np.uint8))
        tracemalloc.start()
        image = read_images("b", SHAPE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (image == 7).all() and peak < 60_000_000  # the file has 12 MB

    def test_nothing_in_it(self):
        with pytest.raises(DataError, match="holds no images"):
            read_images(write_idx("a", np.zeros((0, 28, 28), np.uint8)), SHAPE)
        with pytest.raises(DataError, match="1 dimensions, expected 3"):
            read_images(write_idx("a", np.zeros(3, np.uint8)), SHAPE)


class TestTrained:
    def test_sees_images_as_in_training(self, digits):
        trained = Trained("runs/lenet-digits")
        data = fc.training.load_data("digits")
        settings = trained.settings
        expected, _ = Batches(data.validation, 9, np.float32, settings.mean, settings.std).slice(0, 9)
        np.testing.assert_array_equal(trained.prepare(data.validation.images[:9]), expected)
        probabilities = trained.probabilities(data.validation.images)
        accuracy = np.mean(probabilities.argmax(1) == data.validation.labels)
        assert accuracy == fc.training.Checkpoint("runs/lenet-digits").state.history[-1].validation_accuracy
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
        np.testing.assert_array_equal(trained.probabilities(data.validation.images[300:301])[0], probabilities[300])

    def test_class_names(self):
        assert Trained("runs/mlp-mine/checkpoint.npz").class_name(9) == "Ankle boot"
        assert Trained("runs/lenet-digits").class_name(9) == "9"

    def test_checkpoints_of_before_there_were_names(self):
        settings = fc.training.Checkpoint("runs/lenet-digits").settings
        del settings["class_names"]
        assert fc.training.settings.Settings.from_dict(settings, "x").class_names is None

    @pytest.mark.parametrize("names", [[], ["a"] * 9, [1] * 10, ["a\n"] * 10, "0123456789", {}])
    def test_names_that_are_none(self, names):
        settings = fc.training.Checkpoint("runs/lenet-digits").settings | {"class_names": names}
        with pytest.raises(fc.training.CheckpointError, match="class_names is"):
            fc.training.settings.Settings.from_dict(settings, "x")

    @pytest.mark.parametrize("content", [b"", b"a\nb\n", b"\xff\xfe" * 20, b"a\x1b[2J\n" * 10, b"a\n" * 10**6])
    def test_a_file_of_names_that_is_none(self, tmp_path, content):
        write_folder(tmp_path / "mine")
        (tmp_path / "mine" / "classes.txt").write_bytes(content)
        with pytest.raises(DataError, match="name of a class a line|2 names for 10 classes"):
            fc.training.load_data(str(tmp_path / "mine"))


class TestPredict:
    def test_table(self, digits, capsys):
        write_idx("images", digits[:3])
        assert main("predict", "runs/lenet-digits", "images") == 0
        out, err = capsys.readouterr()
        lines = out.splitlines()
        assert err == "" and len(lines) == 4 and re.fullmatch(r"image +class  probability   then", lines[0])
        for index, line in enumerate(lines[1:]):
            pattern = rf"images\[{index}\] +\d {{6}}[ \d]+\.\d\d %(   \d {{4}}[ \d]+\.\d\d %){{2}}"
            assert re.fullmatch(pattern, line), line

    def test_json_is_the_network(self, digits, capsys):
        write_idx("images", digits[:5])
        assert main("predict", "runs/mlp-mine", "images", "--first", 4, "--json", "--threads", 1) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        expected = Trained("runs/mlp-mine").probabilities(digits[:4, None])
        assert [line["index"] for line in lines] == [0, 1, 2, 3]
        for line, row in zip(lines, expected, strict=True):
            assert line["file"] == "images" and line["class"] == row.argmax() and line["name"] == WORDS[row.argmax()]
            np.testing.assert_array_equal(np.float32(line["probabilities"]), row)
            assert line["probability"] == max(line["probabilities"])

    def test_names_and_how_many(self, digits, capsys):
        write_idx("image", digits[:1])
        assert main("predict", "runs/mlp-mine", "image", "--top", 10) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert line.startswith("image ") and "[" not in line and all(line.count(word) == 1 for word in WORDS)

    def test_a_picture_is_its_pixels(self, digits, capsys):
        write_idx("image", digits[:1])
        picture("a.png", 255 - digits[0])
        assert main("predict", "runs/lenet-digits", "image", "--json") == 0
        assert main("predict", "runs/lenet-digits", "a.png", "--invert", "--json") == 0
        one, two = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert one["probabilities"] == two["probabilities"]

    def test_a_bad_file_is_a_line_and_the_others_go_on(self, digits, capsys):
        pytest.importorskip("PIL")
        write_idx("image", digits[:1])
        Path("bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
        Path("line\nbreak").write_text("hello")
        assert main("predict", "runs/lenet-digits", "bad.png", "absent", "line\nbreak", ".", "image", "--json") == 1
        out, err = capsys.readouterr()
        assert out.count("\n") == 1 and json.loads(out)["file"] == "image"
        assert re.fullmatch(r"(fastconv: error: .*: .*\n){4}", err) and "Traceback" not in err

    def test_without_pillow_a_sentence_names_the_extra(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "PIL", None)
        Path("a.png").write_bytes(b"\x89PNG")
        for verb in ("predict", "show"):
            if verb == "show":
                pytest.importorskip("matplotlib")
            code, err = failure(capsys, verb, "runs/lenet-digits", "a.png")
            assert code == 1 and 'a.png: image files need Pillow: pip install "fastconv[images]"' in err

    def test_checkpoints_that_are_none(self, capsys):
        for path, message in (
            ("absent", "absent: "),
            ("runs", "checkpoint.npz: "),
            ("runs/lenet-digits/weights.npz", "weights.npz: not a checkpoint"),
        ):
            for verb in ("predict", "show"):
                code, err = failure(capsys, verb, path, "image")
                assert code == 1 and (message in err or "matplotlib" in err)

    def test_weights_that_have_grown_too_large(self, digits, capsys):
        trained = Trained("runs/lenet-digits")
        trained.net[0].weight[...] = np.inf
        optimizer = trained.settings.recipe.make_optimizer(trained.net)
        fc.training.save_checkpoint("bad.npz", trained.net, optimizer, fc.training.State(), trained.settings.as_dict())
        write_idx("image", digits[:1])
        code, err = failure(capsys, "predict", "bad.npz", "image")
        assert code == 1 and "not finite" in err

    def test_typed_wrong(self, capsys):
        for words in ("predict", "predict x", "predict x y --top 0", "predict x y --first 0", "show x --index -1"):
            assert failure(capsys, *words.split())[0] == 2


class TestShow:
    @pytest.fixture(autouse=True)
    def drawing(self):
        pytest.importorskip("matplotlib")

    @staticmethod
    def size(path):
        content = Path(path).read_bytes()
        assert content.startswith(b"\x89PNG")
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")

    def test_beside_the_checkpoint(self, capsys):
        assert main("show", "runs/lenet-digits") == 0
        assert capsys.readouterr().out == "filters and feature maps  runs/lenet-digits/features.png\n"
        assert min(self.size("runs/lenet-digits/features.png")) > 1000

    def test_other_forms(self, capsys):
        assert main("show", "runs/lenet-digits", "--out", "a.svg") == 0
        assert "<svg" in Path("a.svg").read_text()
        capsys.readouterr()
        code, err = failure(capsys, "show", "runs/lenet-digits", "--out", "a.doc")
        assert code == 1 and "'doc' is not supported" in err and not Path("a.doc").exists()

    def test_an_image_of_a_file(self, digits, capsys):
        write_idx("images", digits[:3])
        assert main("show", "runs/mlp-mine", "images", "--index", 2, "--out", "here/a.png") == 0
        self.size("here/a.png")
        capsys.readouterr()
        code, err = failure(capsys, "show", "runs/mlp-mine", "images", "--index", 3)
        assert code == 1 and "images: has 3 images, counted from 0; there is no 3" in err

    def test_data_that_are_gone(self, capsys):
        assert main("show", "runs/mlp-mine", "--out", "a.png") == 0
        assert "For feature maps, name an image: mine is not on this machine." in capsys.readouterr().out
        self.size("a.png")

    def test_maps_are_those_of_the_layers(self, digits, monkeypatch):
        from fastconv.training import features

        trained = Trained("runs/lenet-digits")
        sections = list(features._maps(trained, digits[:1]))
        assert [heading for heading, *_ in sections] == [
            "Conv2d + ReLU: 6 maps, 28 x 28",
            "MaxPool2d: 6 maps, 14 x 14",
            "Conv2d + ReLU: 16 maps, 10 x 10",
            "MaxPool2d: 16 maps, 5 x 5",
        ]
        expected = trained.net[:6](trained.prepare(digits[:1, None]))[0]
        np.testing.assert_array_equal(sections[-1][1], expected)

    def test_nothing_is_left_of_a_failed_write(self, digits):
        Path("taken").write_text("")
        with pytest.raises(OSError):
            plot_features(Trained("runs/lenet-digits"), "taken/a.png", digits[:1])

    def test_without_matplotlib(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        code, err = failure(capsys, "show", "runs/lenet-digits")
        assert code == 1 and 'show needs matplotlib: pip install "fastconv[cli]"' in err
