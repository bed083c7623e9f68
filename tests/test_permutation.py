"""The experiment with permuted pixels: what it trains on, that it repeats itself, and what the command shows."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import fastconv as fc
from fastconv import cli
from fastconv.training import permutation


def test_permuted_images_are_the_same_pixels():
    for placement in permutation.PLACEMENTS:
        data = permutation._digits(placement)
        moved = permutation._permuted(data, 3)
        assert data.train.images.shape == (1438, 1, 28, 28) and (data.mean, data.std) == (moved.mean, moved.std)
        for split in ("train", "validation"):
            ours, theirs = (getattr(each, split).images.reshape(-1, 784) for each in (data, moved))
            np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))
            np.testing.assert_array_equal(getattr(data, split).labels, getattr(moved, split).labels)
        # One order for all images: each column of pixels is a column of the others.
        columns = {column.tobytes() for column in data.train.images.reshape(-1, 784).T}
        assert {column.tobytes() for column in moved.train.images.reshape(-1, 784).T} == columns
        assert (moved.train.images != permutation._permuted(data, 4).train.images).any()


def test_scattered_digits_are_all_there():
    whole = permutation.load_digits((1, 20, 20))
    images = permutation._digits("scattered").validation.images
    np.testing.assert_array_equal(images.sum((1, 2, 3)), whole.validation.images.sum((1, 2, 3), np.uint64))


def test_the_same_numbers_at_any_number_of_threads(threads):
    found = []
    for count in (1, 2):
        threads(count)
        found.append(permutation.permutation(seeds=1, epochs=1))
    assert found[0] == found[1] and len(found[0].runs) == 8
    assert {dataclasses.astuple(run)[:4] for run in found[0].runs} == {
        (model, placement, order, 0)
        for model in permutation.MODELS
        for placement in permutation.PLACEMENTS
        for order in permutation.ORDERS
    }
    for gap in found[0].gaps:
        at = {
            run.order: run.accuracy for run in found[0].runs if (run.model, run.placement) == (gap.model, gap.placement)
        }
        assert (gap.in_order, gap.permuted) == (at["in order"], at["permuted"])
        assert gap.loss == gap.in_order - gap.permuted and gap.chance > 0


def test_what_it_shows():
    """LeNet loses where digits stand anywhere; the MLP does not. (README: three seeds, twenty epochs.)"""
    found = permutation.permutation(seeds=1, epochs=8)
    loss = {(gap.model, gap.placement): gap.loss for gap in found.gaps}
    assert loss["lenet", "scattered"] > 0.05 > abs(loss["mlp", "scattered"])
    assert abs(loss["mlp", "centred"]) < 0.03


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "permutation", "--seeds", "1", "--epochs", "1", "--threads", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert out.count("\n") == 1 and len(found["runs"]) == 8 and len(found["gaps"]) == 4
    assert "scattered  LeNet" in err and "\x1b" not in err
    if Path("runs/permutation.png").exists():
        assert Path("runs/permutation.png").read_bytes()[:4] == b"\x89PNG"
    else:
        assert 'pip install "fastconv[cli]"' in err
    fc.set_num_threads(0)


@pytest.mark.parametrize(
    "words", [(), ("rotation",), ("permutation", "--seeds", "0"), ("permutation", "--epochs", "x")]
)
def test_typed_wrong(words, capsys):
    assert cli.main(["demo", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"epochs": 0}, {"seeds": 1.5}, {"epochs": True}], ids=repr)
def test_wrong_arguments(wrong):
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=name):
        permutation.permutation(**wrong)


@pytest.mark.parametrize("name", ["seeds", "epochs"])
@pytest.mark.parametrize("value, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_counts_are_positive_integers(name, value, error):
    with pytest.raises(error, match=name):
        permutation.permutation(**{name: value})
