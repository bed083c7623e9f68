"""The ladder and the comparison of a network: against slow counts of small images, and their views."""

import csv
import io
import itertools
import json

import pytest

import fastconv as fc
from fastconv import counting, nn


def slow_ladder(H, W, KH, KW, Cin, Cout):
    """Weights counted one by one: (dense, invariant, local, those of it inside the image, convolution)."""
    pixels = list(itertools.product(range(H), range(W)))
    taps = list(itertools.product(range(-((KH - 1) // 2), KH // 2 + 1), range(-((KW - 1) // 2), KW // 2 + 1)))
    dense = [(at, seen) for at in pixels for seen in pixels]
    distances = {(seen[0] - at[0], seen[1] - at[1]) for at, seen in dense}
    local = [(at[0] + a, at[1] + b) for at in pixels for a, b in taps]
    inside = sum(0 <= row < H and 0 <= column < W for row, column in local)
    return [Cin * Cout * n for n in (len(dense), len(distances), len(local), inside, len(taps))]


@pytest.mark.parametrize("sizes", [(4, 5, 3, 3), (3, 3, 5, 5), (6, 2, 1, 3), (5, 5, 2, 4), (1, 7, 1, 1), (2, 3, 9, 9)])
@pytest.mark.parametrize("channels", [(1, 1), (2, 3)])
def test_against_weights_counted_one_by_one(sizes, channels):
    H, W, KH, KW = sizes
    found = counting.ladder((H, W), (KH, KW), *channels, hidden=7)
    at = {row.step: row for row in found.rows}
    dense, invariant, local, inside, shared = slow_ladder(*sizes, *channels)
    assert at["dense"].parameters == dense and at["translation invariant"].parameters == invariant
    assert (at["locally connected"].parameters, found.inside) == (local, inside)
    assert at["convolution"].parameters == shared
    assert at["dense, 7 units"].parameters == channels[0] * H * W * 7
    assert at["dense"].macs == at["translation invariant"].macs == dense
    assert at["locally connected"].macs == at["convolution"].macs == local
    assert ("convolution, 1 channel to 1" in at) == (channels != (1, 1))
    for row in found.rows:
        assert eval(row.formula) == row.parameters and row.bytes == 4 * row.parameters


def test_what_each_principle_bought():
    factors = {(factor.of, factor.to): factor.factor for factor in counting.ladder(10, 3).factors}
    assert factors["dense", "translation invariant"] == 10**4 / 19**2
    assert factors["dense", "locally connected"] == 10**4 / 900
    assert factors["dense", "convolution"] == 10**4 / 9
    down = factors["dense", "translation invariant"] * factors["translation invariant", "convolution"]
    assert down == pytest.approx(factors["dense", "convolution"])
    last = counting.ladder(10, 3, 2, 5).factors[-1]
    assert last.principle == "channels" and last.factor == 1 / 10


def test_the_steps_are_those_of_the_layers():
    """A layer of the ladder's sizes is counted alike, but for biases."""
    found = {row.step: row for row in counting.ladder((9, 8), 3, 2, 5).rows}
    row = fc.count(nn.Conv2d(2, 5, 3, padding=1, bias=False), (2, 9, 8)).layers[0]
    assert row.parameters == found["convolution"].parameters
    assert row.untied_parameters == found["locally connected"].parameters
    assert row.invariant_parameters == found["translation invariant"].parameters
    assert row.dense_parameters == row.dense_macs == found["dense"].parameters
    assert row.macs == found["convolution"].macs


def test_json_of_the_ladder():
    found = json.loads(counting.ladder().json())
    keys = {"step", "principle", "parameters", "book", "macs", "bytes", "formula"}
    assert all(keys <= row.keys() for row in found["rows"]) and len(found["rows"]) == 5
    assert all(type(row[key]) is int for row in found["rows"] for key in ("parameters", "book", "macs", "bytes"))
    assert [row["principle"] for row in found["rows"]] == [
        "none", "none", "translation invariance", "locality", "translation invariance, locality",
    ]  # fmt: skip


def test_numbers_beyond_every_machine_integer_are_exact():
    side = 10**20
    rows = {row.step: row.parameters for row in counting.ladder(side, side + 1, 10**20, 10**20).rows}
    assert rows["dense"] == side**4 * 10**40
    assert json.loads(counting.ladder(side).json())["rows"][1]["parameters"] == side**4


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "found",
    [
        counting.ladder(),
        counting.ladder(224, 3, 3, 64),
        counting.ladder((1, 7), (1, 3)),
        counting.compare(fc.models.lenet(), (1, 28, 28), model="lenet"),
        counting.compare(nn.ReLU(), (3,)),
    ],
    ids=lambda found: type(found).__name__,
)
def test_tables_fit_a_terminal(found, width):
    text = found.table(width)
    assert max(map(len, text.splitlines())) <= width and text.isascii() and "\t" not in text
    assert str(found) == found.table(80)


def test_csv_and_markdown():
    for found, count in ((counting.ladder(), 5), (counting.compare(fc.models.lenet(), (1, 28, 28)), 7)):
        rows = list(csv.DictReader(io.StringIO(found.csv())))
        assert len(rows) == count and any(row["parameters"] in ("441", "2416") for row in rows)
        lines = found.markdown().splitlines()
        assert len(lines) == count + 2 and len({line.count("|") for line in lines}) == 1


def test_json_of_a_comparison():
    found = json.loads(counting.compare(fc.models.lenet(), (1, 28, 28), model="lenet").json())
    assert found["model"] == "lenet" and found["input_shape"] == [1, 28, 28] and len(found["rows"]) == 5
    assert found["rows"][0]["dense_parameters"] == 3_692_640 and found["total"]["untied_parameters"] == 423_038
    assert found["mlp"]["parameters"] == 203_530


@pytest.mark.parametrize(
    "wrong",
    [{"image": 0}, {"image": (3, 4, 5)}, {"image": 2.5}, {"window": -1}, {"in_channels": True}, {"hidden": 0}],
    ids=repr,
)
def test_wrong_sizes(wrong):
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=name):
        counting.ladder(**wrong)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures(ending, tmp_path):
    pytest.importorskip("matplotlib")
    pictures = {
        "ladder": counting.ladder(224, 3, 3, 64),
        "comparison": counting.compare(fc.models.lenet(), (1, 28, 28)),
        "report": fc.count(fc.models.lenet(), (1, 28, 28), batch=256),
        "huge": counting.ladder(10**30),
        "many": fc.count(nn.Sequential(*(nn.ReLU() for _ in range(100)), nn.Linear(3, 3)), (3,)),
        "none": fc.count(nn.Sequential(), (3,)),
    }
    for name, found in pictures.items():
        path = tmp_path / f"{name}.{ending}"
        found.plot(path)
        assert path.read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")
