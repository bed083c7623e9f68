"""The networks of the book's chapter 8 as they run: a few steps of training, compiled, and as torch computes them."""

import numpy as np
import pytest
from test_data import write_folder
from test_facts import NETWORKS, TORCH

import fastconv as fc
from fastconv import cli, nn, training
from fastconv.training.dataset import Batches, Split

DEEP = ("alexnet", "vgg11", "nin", "resnet18")


@pytest.mark.parametrize("name", DEEP)
def test_a_few_steps_and_compiled(name, rng):
    """Two steps change all weights and leave a finite loss; the compiled network gives the network's logits."""
    shape = fc.models.INPUT_SHAPES[name]
    small = rng.integers(0, 256, (4, 1, 28, 28), np.uint8)
    train = Split(small, np.arange(4) % 2, shape[1:])  # resized as they are drawn
    net = fc.models.build(name, seed=0)
    before = {key: float(array.ravel()[0]) for key, array in net.parameters().items() if key.endswith("weight")}
    data = training.Dataset("drawn", train, Split(small[:2], np.arange(2), shape[1:]))
    (result,) = training.fit(net, data, optimizer=training.SGD(net, 0.01), epochs=1, batch_size=2)
    assert np.isfinite([result.train_loss, result.validation_loss]).all()
    assert any(float(net.parameters()[key].ravel()[0]) != value for key, value in before.items())
    x = training.dataset.normalise(train.sized(small[:2]), np.empty((2, *shape), np.float32))
    y = net(x)  # fit leaves it in eval mode
    plan = fc.compile(net, shape, batch=2)
    assert y.shape == (2, 10) and np.isfinite(y).all()
    np.testing.assert_allclose(plan(x), y, rtol=1e-3, atol=1e-3 * np.abs(y).max())


@pytest.mark.parametrize("name", DEEP)
def test_shapes_are_the_books(name):
    """What comes out of each block, as the book prints it."""
    shapes, shape = [], fc.models.INPUT_SHAPES[name]
    for layer in fc.models.build(name):
        shape = layer.output_shape(shape)
        if isinstance(layer, (nn.Sequential, nn.Conv2d, nn.MaxPool2d)):
            shapes.append(shape)
    books = {
        "alexnet": [
            *((96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 12, 12), (256, 12, 12)),
            (256, 5, 5),
        ],
        "vgg11": [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)],
        "nin": [(96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5), (10, 5, 5)],
        "resnet18": [(64, 24, 24), (64, 24, 24), (128, 12, 12), (256, 6, 6), (512, 3, 3)],
    }
    assert shapes == books[name]


@pytest.mark.parametrize("name", ["alexnet", "nin", "resnet18"])  # VGG-11 has the same layers, and 515 MB of weights
def test_torch_computes_the_same(name, rng):
    torch = pytest.importorskip("torch")
    net, theirs = fc.models.build(name, seed=0, init="torch").eval(), TORCH[name](torch.nn).eval()
    ours = list(net.state_dict().values())
    with torch.no_grad():
        for array, (_, tensor) in zip(ours, theirs.state_dict().items(), strict=True):
            tensor.copy_(torch.from_numpy(array.reshape(tensor.shape)))
    x = rng.standard_normal((2, *NETWORKS[name][0]), np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(net(x), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_command_trains_them(tmp_path, monkeypatch, capsys):
    """Images of 28 x 28 in a folder come to the network's 96 x 96; the run goes on where it stopped."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "mine", count=6)
    words = ("--threads", "2", "--batch-size", "3")
    assert cli.main(["train", "resnet18", "--data", "mine", "--epochs", "1", *words]) == 0
    out = capsys.readouterr().out
    assert "resnet18 (relu) on mine: 6 training" in out and "11,176,326 parameters" in out  # six classes
    assert cli.main(["train", "--resume", "runs/resnet18-mine", "--epochs", "2"]) == 0
    assert cli.main(["predict", "runs/resnet18-mine", str(next((tmp_path / "mine").glob("t10k-images*")))]) == 0
    assert cli.main(["params", "runs/resnet18-mine"]) == 0
    assert "11,176,326" in capsys.readouterr().out
    fc.set_num_threads(0)


def test_recipes_suit_the_network():
    assert training.recipe("book", "fashion-mnist", "nin").lr == 0.05
    assert training.recipe("relu", "digits", "resnet18").lr == 1e-3
    assert training.recipe("relu", "digits", "resnet18", lr=0.5).lr == 0.5


def test_images_resized_a_batch_at_a_time_are_those_resized_at_once(rng):
    images, labels = rng.integers(0, 256, (7, 1, 9, 11), np.uint8), np.arange(7)
    later = Split(images, labels, (30, 20))
    at_once = Split(later.sized(images), labels)
    assert later.image_shape == at_once.image_shape == (1, 30, 20)
    lots = [Batches(split, 3, np.float32, 0.5, 2.0) for split in (later, at_once)]
    for shift in ((0, 0), (2, -1)):
        found = [batches.gather(np.array([6, 0, 3]), shift)[0].copy() for batches in lots]
        np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(*(batches.slice(2, 5)[0].copy() for batches in lots))


def test_large_data_are_resized_a_batch_at_a_time(tmp_path, monkeypatch):
    write_folder(tmp_path / "mine", count=6)
    monkeypatch.setattr(training.sources, "MOST_RESIZED", 6 * 96 * 96 - 1)
    data = training.load_data(str(tmp_path / "mine"), (1, 96, 96))
    assert data.train.images.shape[1:] == (1, 28, 28) and data.train.image_shape == (1, 96, 96)
    assert training.load_data(str(tmp_path / "mine"), (1, 28, 28)).train.size is None
    shown = training.sources.local_validation_images(str(tmp_path / "mine"), (1, 96, 96))
    assert shown.shape[1:] == (1, 96, 96)


def test_sizes_are_for_gray_bytes(rng):
    with pytest.raises(ValueError, match="size"):
        Split(rng.random((3, 1, 5, 5)), np.arange(3), (9, 9))
