"""The verbs that count: params and compare, as they are typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv as fc
from fastconv import cli
from fastconv.training import SGD, Recipe, State, checkpoints
from fastconv.training.settings import Settings

LINE = "conv 6 5 pad 2; sigmoid; avgpool 2; dense 10"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    yield
    fc.set_num_threads(0)


def shown(capsys, *words):
    """What a command printed on stdout; all was well."""
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert code == 0 and err == "", err
    return out


def read(capsys, *words):
    return json.loads(shown(capsys, *words, "--json"))


def failure(capsys, *words):
    """(exit code, the one line on stderr); nothing may be on stdout."""
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err and "error: " in err
    return code, err


class TestCompare:
    def test_the_book_where_nothing_is_said(self, capsys):
        rows = read(capsys, "compare")["rows"]
        assert [row["parameters"] for row in rows] == [10**9, 10**12, 3_996_001, 441 * 10**6, 441]
        assert [row["book"] for row in rows] == [10**9, 10**12, 4 * 10**6, 4 * 10**8, 400]
        out = shown(capsys, "compare")
        for words in ("1,000,000,000,000   1.0 T", "3,996,001", "436,392,100", "(2*1000-1) * (2*1000-1)", "9,061x"):
            assert words in out
        assert max(map(len, out.splitlines())) <= 80 and "\x1b" not in out

    def test_other_sizes(self, capsys):
        words = ("--image", "480x640", "--window", 3, "--in-channels", 3, "--out-channels", 64, "--hidden", 5)
        rows = {row["step"]: row["parameters"] for row in read(capsys, "compare", *words)["rows"]}
        assert rows["dense, 5 units"] == 3 * 480 * 640 * 5 and rows["convolution"] == 9 * 3 * 64

    def test_a_network(self, capsys):
        found = read(capsys, "compare", "lenet")
        assert found["total"]["dense_parameters"] == 5_634_974
        assert round(found["mlp"]["parameter_ratio"], 2) == 0.3 and round(found["mlp"]["mac_ratio"], 2) == 2.05
        out = shown(capsys, "compare", "lenet")
        assert "0.30x the parameters (61,706) and 2.05x the MACs" in " ".join(out.split())
        assert read(capsys, "compare", LINE)["rows"][0]["untied_parameters"] == 122_304

    def test_forms(self, capsys):
        for words in (("compare",), ("compare", "lenet")):
            assert shown(capsys, *words, "--csv").count(",") > 20
            assert shown(capsys, *words, "--markdown").startswith("| ")


class TestParams:
    def test_wide_and_narrow(self, capsys, monkeypatch):
        for columns in (80, 120, 200):
            monkeypatch.setenv("COLUMNS", str(columns))
            lines = shown(capsys, "params", "lenet", "--batch", 256).splitlines()
            assert columns - 30 < max(map(len, lines)) <= columns

    def test_a_line_of_layers(self, capsys):
        found = read(capsys, "params", LINE, "--input", "3x32x32", "--batch", 256)
        assert found["input_shape"] == [3, 32, 32] and found["batch"] == 256
        assert found["total"]["parameters"] == 6 * 76 + 10 * (6 * 16 * 16 + 1)
        assert read(capsys, "params", "relu")["input_shape"] == [1, 28, 28]

    def test_a_checkpoint(self, capsys, tmp_path):
        recipe = Recipe("book", "book", 1, 8, "sgd", 0.1)
        settings = Settings("lenet", "digits", recipe, 0, 7, 0.0, 1.0, "00000000")
        net = settings.build_network()
        checkpoints.save_checkpoint("checkpoint.npz", net, SGD(net, 0.1), State(), settings.as_dict())
        for typed in (".", "checkpoint.npz"):
            found = read(capsys, "params", typed)
            assert found["layers"][1]["type"] == "Sigmoid" and found["total"]["parameters"] == 61_706 - 3 * 85
        whole = Path("checkpoint.npz").read_bytes()
        for broken in (whole[:100], whole[:-100], b"", whole.replace(b"lenet", b"lunet")):
            Path("broken.npz").write_bytes(broken)
            code, err = failure(capsys, "params", "broken.npz")
            assert code == 1 and "broken.npz" in err

    def test_a_callable(self, capsys, tmp_path):
        Path("mine.py").write_text(
            "from fastconv import nn\n"
            "def small():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
            "small.input_shape = (3, 9, 9)\n"
            "def unsaid():\n    return nn.ReLU()\n"
            "def broken():\n    raise KeyError('so')\n"
            "def number():\n    return 3\n"
            "net = nn.Linear(3, 4)\n"
        )
        assert read(capsys, "params", "mine:small")["total"]["parameters"] == 112
        assert read(capsys, "params", "mine:net", "--input", 3)["total"]["parameters"] == 16
        assert "--input" in failure(capsys, "params", "mine:unsaid")[1]
        for typed, code, words in (
            ("mine:absent", 2, "mine has no absent"),
            ("absent:net", 2, "no module absent"),
            ("mine:broken", 1, "KeyError: 'so'"),
            ("mine:number", 1, "returned a int"),
            ("mine:__name__", 2, "no callable"),
        ):
            found, err = failure(capsys, "params", typed)
            assert found == code and words in err
        sys.modules.pop("mine")

    def test_measured(self, capsys):
        code = cli.main(["params", "conv 2 3; relu; residual (conv 2 1)", "--measure", "--seconds", "0.001", "--json"])
        found = json.loads(capsys.readouterr().out)
        assert code == 0 and len(found["layers"]) == 3
        for row in (*found["layers"], found["total"]):
            assert row["seconds"] > 0 and 0 < row["roofline_seconds"] < 1
        out = shown(capsys, "params", "mlp", "--measure", "--seconds", "0.001", "--threads", 1)
        assert "measured" in out and "roofline" in out and "% of what is possible" in " ".join(out.split())

    def test_a_huge_network_is_counted_but_not_measured(self, capsys):
        words = ("params", "dense 1000000000000 nobias", "--input", 10**12)
        assert read(capsys, *words)["total"]["parameters"] == 10**24
        code, err = failure(capsys, *words, "--measure")
        assert code == 1 and "memory" in err


@pytest.mark.parametrize(
    "words, said",
    [
        (("params", "resnet99"), "unknown network 'resnet99'"),
        (("params", "conv 6 5 padd 2"), "column 10, 'padd'"),
        (("params", "lenet", "--input", "3x28x28"), "input has 3 channels"),
        (("params", "lenet", "--input", "1x28x"), "1x28x28"),
        (("params", "lenet", "--input", "1x0x28"), "1x28x28"),
        (("params", "lenet", "--batch", "0"), "--batch"),
        (("params", "mlp", "--recipe", "book"), "mlp has no variants"),
        (("params", "relu", "--classes", "3"), "--classes"),
        (("params", "lenet", "--classes", "0"), "--classes"),
        (("params", "\0"), "unknown network"),
        (("params", 5000 * "x"), "unknown network"),
        (("compare", "--image", "0"), "--image"),
        (("compare", "--image", "1x2x3"), "--image"),
        (("compare", "--window", "x"), "--window"),
        (("compare", "--in-channels", "0"), "--in-channels"),
        (("compare", "lenet", "--window", "3"), "--window"),
        (("compare", "--input", "1x2x3"), "--input"),
        (("compare", "lenet", "--json", "--csv"), "not allowed"),
    ],
)
def test_typed_wrong(capsys, words, said):
    code, err = failure(capsys, *words)
    assert code == 2 and said in err


def test_sizes_beyond_64_bits_are_exact(capsys):
    side = 10**20
    found = read(capsys, "params", "conv 3 3 pad 1; dense 7", "--input", f"1x{side}x{side}", "--batch", side)
    assert found["total"]["parameters"] == 30 + 7 * (3 * side**2 + 1)
    assert found["layers"][0]["activation_bytes"] == 4 * 3 * side**3
    assert read(capsys, "compare", "--image", side)["rows"][1]["parameters"] == side**4


@pytest.mark.parametrize("words", [("compare",), ("compare", "lenet"), ("params", "lenet")])
def test_pictures(capsys, words, monkeypatch):
    if pytest.importorskip("matplotlib"):
        shown(capsys, *words, "--plot", "picture.png")
        assert Path("picture.png").read_bytes()[:4] == b"\x89PNG"
        assert failure_after_text(capsys, *words, "--plot", "no/folder.png") == 1
        assert failure_after_text(capsys, *words, "--plot", "picture.xyz") == 1


def failure_after_text(capsys, *words):
    code = cli.main([*words, "--json"])
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err
    return code


def test_without_matplotlib(tmp_path):
    """A sentence that names the extra, before anything is counted."""
    script = "import sys; sys.modules['matplotlib'] = None; from fastconv import cli; sys.exit(cli.main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(Path(fc.__file__).parents[1])}
    for words in (("compare",), ("params", "lenet")):
        command = [sys.executable, "-c", script, *words, "--plot", "x.png"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
        assert 'pip install "fastconv[cli]"' in done.stderr


def test_receptive_fields_are_what_gradients_say(rng):
    """Which pixels an output's gradient reaches, for drawn networks, is what count() computes."""
    lines = (
        "conv 2 3; relu; maxpool 2; conv 3 3 stride 2 dilation 2",
        "avgpool 3x2 stride 2x1; conv 2 2 stride 3; conv 2 3",
        "residual (conv 1 5 pad 2; conv 1 3 pad 1); avgpool 2",
        "concat (conv 2 1) (conv 2 5 pad 2); conv 1 2 stride 2",
    )
    for line in lines:
        net = fc.models.parse(line, (1, 29, 31), seed=0, dtype=np.float64)
        row = fc.count(net, (1, 29, 31)).layers[-1]
        y = net(rng.random((1, 1, 29, 31)))
        boxes = []
        for place in ((y.shape[2] // 2, y.shape[3] // 2), (y.shape[2] // 2 + 1, y.shape[3] // 2 + 1)):
            gradient = np.zeros_like(y)
            gradient[0, :, place[0], place[1]] = rng.random(y.shape[1])
            touched = net.backward(gradient)[0, 0]
            boxes.append([np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0)])
        if "maxpool" not in line:  # of a maximum only one pixel has a gradient
            assert row.receptive_field == tuple(here[-1] - here[0] + 1 for here in boxes[0])
            assert row.effective_stride == tuple(b[0] - a[0] for a, b in zip(*boxes, strict=True))
