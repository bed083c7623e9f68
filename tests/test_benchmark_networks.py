"""`fastconv bench MODEL`: how networks are described to other libraries, timed, profiled and drawn."""

import json

import pytest

import fastconv as fc
from fastconv import benchmark, cli, nn

QUICK = ["--rounds", "1", "--seconds", "0.01", "--libraries", "fastconv"]


def test_lenet_is_described_by_plain_numbers():
    lenet = benchmark.networks.describe(fc.models.lenet("book"), (1, 28, 28), 256, "lenet")
    assert lenet.layers[0] == ("conv2d", (6, 1, 5, 5), (1, 1), (2, 2), (1, 1), 1)
    assert [kind for kind, *_ in lenet.layers].count("sigmoid") == 4
    assert (lenet.name, lenet.macs, lenet.parameters) == ("lenet-b256", 416_520, 61_706)
    assert lenet.work("inference", 4)[0] == 2 * 416_520 * 256
    assert lenet.work("training", 4)[0] == 6 * 416_520 * 256 * benchmark.networks.STEPS
    assert benchmark.networks.from_request(json.loads(json.dumps(lenet.request()))) == lenet


@pytest.mark.parametrize(
    "layer",
    [
        nn.Residual(nn.Conv2d(1, 1, 3, padding=1)),
        nn.Conv2d(1, 1, 3, bias=False),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.AvgPool2d(2, divisor_override=3),
        nn.Softmax(1),
    ],
)
def test_what_other_libraries_are_not_told_of(layer):
    with pytest.raises(ValueError, match="other libraries"):
        benchmark.networks.describe(nn.Sequential(layer), (1, 8, 8), 1, "network")


def test_the_whole_way(tmp_path, capsys):
    stored = tmp_path / "bench.json"
    words = ["bench", "lenet", "--batch", "8", *QUICK, "--json", str(stored)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "lenet-b8" in said and "0 Conv2d + 1 ReLU" in said and "the rest" in said
    assert "0 Conv2d + 1 ReLU backward" in said and "optimizer" in said
    report = benchmark.from_json(stored.read_text())
    assert [result.mode for result in report.results] == ["inference", "training"]
    assert benchmark.from_json(report.to_json()) == report
    assert cli.main(["bench", "--from", str(stored)]) == 0
    assert "lenet-b8" in capsys.readouterr().out


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "profile.png"
    words = ["bench", "conv 4 3; relu; flatten; dense 5", "--input", "1x9x9", "--modes", "inference", *QUICK]
    assert cli.main([*words, "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_to_be_described():
    huge = nn.Sequential(nn.Flatten(), nn.Linear(10**6, 10**6))
    assert benchmark.networks.describe(huge, (10, 100, 1000), 1, "huge").parameters == 10**12 + 10**6


def test_only_the_modes_asked_for(capsys):
    assert cli.main(["bench", "lenet", "--modes", "training", "--batch", "8", *QUICK]) == 0
    said = capsys.readouterr().out
    assert "a training step" in said and "inference" not in said


def test_compiled_pytorch_trains_where_it_can():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 3))
    work = [(benchmark.MODES["training"], benchmark.networks.describe(net, (1, 8, 8), 4, "tiny"))]
    libraries = ["fastconv", "torch_compile"]
    report = benchmark.measure(work, threads=1, rounds=1, seconds=0.01, libraries=libraries)
    (result,) = report.results
    if "torch_compile" in result.times:
        assert result.times["torch_compile"].form == "compile"
    else:  # without torch the library is missing, without a C++ compiler it is left out; either way the reason is kept
        assert {**report.missing, **result.left_out}["torch_compile"]
    assert "fastconv" in result.times


def test_what_has_no_classes_is_not_trained(capsys):
    assert cli.main(["bench", "conv 4 3; relu", "--input", "1x9x9", "--batch", "2", *QUICK]) == 0
    captured = capsys.readouterr()
    assert "left out: training" in captured.err
    assert "inference" in captured.out and "training" not in captured.out


def test_a_network_that_others_are_not_told_of_is_profiled(capsys):
    words = ["bench", "conv 4 3 pad 1; globalavgpool; dense 5", "--input", "1x9x9", "--batch", "2", *QUICK]
    assert cli.main(words) == 0
    captured = capsys.readouterr()
    assert "left out: other libraries" in captured.err
    assert "0 Conv2d" in captured.out


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["lenet", "--modes", "plain"], 2, "plain"),
        (["lenet", "--sweep", "3"], 2, "--sweep"),
        (["lenet", "--list"], 2, "--list"),
        (["lenet", "--dtype", "float64"], 2, "--dtype"),
        (["--batch", "3"], 2, "--batch"),
        (["--recipe", "book"], 2, "--recipe"),
        (["lenut"], 2, "lenut"),
        (["resnet18", "--input", "1x32x32", "--json"], 1, "other libraries"),
    ],
)
def test_wrong_use(words, code, said, capsys):
    try:
        found = cli.main(["bench", *words])
    except SystemExit as error:
        found = error.code
    captured = capsys.readouterr()
    assert found == code
    assert said in captured.err
    assert captured.err.count("\n") == 1
