"""The command: what it prints where, its exit codes, resuming, and how it fails."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_data import write_folder

import fastconv as fc
from fastconv import cli
from fastconv.cli import terminal, values
from fastconv.kernels import runtime

FIELDS = ["epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "images_per_second"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Runs land in tmp_path; the number of threads is put back."""
    monkeypatch.chdir(tmp_path)
    yield
    fc.set_num_threads(0)


@pytest.fixture
def data(tmp_path):
    """A folder of 40 training images."""
    write_folder(tmp_path / "mine", count=40)
    return str(tmp_path / "mine")


def main(*words):
    return cli.main([str(word) for word in words])


def start(*words, **options):
    """``python -m fastconv`` in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(fc.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "fastconv", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def failure(capsys, *words):
    """(exit code, the one line on stderr); nothing may be on stdout."""
    code = main(*words)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err and "error: " in err
    return code, err


def weights(folder):
    with np.load(Path(folder) / "weights.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def history(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(list(line) == FIELDS for line in lines)
    return [{key: line[key] for key in FIELDS if key != "images_per_second"} for line in lines]


class TestTrain:
    def test_says_what_it_did_and_where_it_is(self, data, capsys):
        assert main("train", "mlp", "--data", data, "--epochs", 2, "--threads", 1) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for pattern in (
            r"mlp \(relu\) on .*: 40 training and 20 validation images, 203,530 parameters",
            r"1 thread\b",
            r"\n +2/2 +\d+\.\d{4} +[\d.]+ % +\d+\.\d{4} +[\d.]+ % +[\d,]+\n",
            r"best validation accuracy",
            r"weights +runs/mlp-mine/weights.npz",
            r"checkpoint +runs/mlp-mine/checkpoint.npz",
        ):
            assert re.search(pattern, out), pattern
        assert "\x1b" not in out and "\r" not in out  # no colours, no bar: this is no terminal
        assert Path("runs/mlp-mine/weights.npz").exists() and Path("runs/mlp-mine/checkpoint.npz").exists()
        net = fc.models.mlp()
        net.load_state_dict(weights("runs/mlp-mine"))

    def test_json(self, data, capsys):
        assert main("train", "lenet", "--data", data, "--epochs", 2, "--out", "here", "--json") == 0
        out, err = capsys.readouterr()
        lines = [json.loads(line) for line in out.splitlines()]
        assert [list(line) for line in lines] == [FIELDS, FIELDS] and [line["epoch"] for line in lines] == [1, 2]
        assert "weights" in err and Path("here/weights.npz").exists()

    def test_nothing_said_is_lenet_on_digits(self, capsys):
        assert main("train", "--epochs", 1) == 0
        out = capsys.readouterr().out
        assert "lenet (relu) on digits: 1,438 training and 359 validation images, 61,706 parameters" in out
        assert Path("runs/lenet-digits/weights.npz").exists()

    def test_book_recipe(self, data, capsys):
        assert main("train", "--recipe", "book", "--data", data, "--epochs", 1) == 0
        assert "sgd, learning rate 0.1, batch 128" in capsys.readouterr().out

    def test_options_reach_the_run(self, data, capsys):
        assert (
            main(
                "train",
                "mlp",
                "--data",
                data,
                "--epochs",
                1,
                "--batch-size",
                7,
                "--optimizer",
                "sgd",
                "--lr",
                0.3,
                "--momentum",
                0.5,
                "--weight-decay",
                0.01,
                "--seed",
                4,
                "--threads",
                2,
            )
            == 0
        )
        used = "1 thread\n" if runtime.build_info()["openmp"] == "none" else "2 threads\n"
        assert f"sgd, learning rate 0.3, batch 7, seed 4, {used}" in capsys.readouterr().out
        recipe = fc.training.Checkpoint("runs/mlp-mine/checkpoint.npz").settings["recipe"]
        assert (recipe["momentum"], recipe["weight_decay"]) == (0.5, 0.01)

    def test_picture_or_one_sentence(self, data, capsys, monkeypatch):
        pytest.importorskip("matplotlib")
        main("train", "mlp", "--data", data, "--epochs", 1)
        assert "learning curve  runs/mlp-mine/learning-curve.png" in capsys.readouterr().out
        assert Path("runs/mlp-mine/learning-curve.png").read_bytes().startswith(b"\x89PNG")
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.setitem(sys.modules, "rich", None)
        main("train", "mlp", "--data", data, "--epochs", 1, "--out", "plain")
        out = capsys.readouterr().out
        assert out.count('pip install "fastconv[cli]"') == 1 and not Path("plain/learning-curve.png").exists()

    def test_diverging_run(self, data, capsys):
        code = main(
            "train",
            "mlp",
            "--data",
            data,
            "--optimizer",
            "sgd",
            "--lr",
            "1e30",
            "--epochs",
            3,
            "--batch-size",
            8,
            "--json",
        )
        out, err = capsys.readouterr()
        assert code == 1 and out == ""
        assert re.search(r"error: the loss became (nan|inf) in epoch 1, step \d", err.splitlines()[-1])


class TestResume:
    def run(self, capsys, data, *words):
        assert main("train", "lenet", "--data", data, "--batch-size", 16, "--json", *words) == 0
        return history(capsys)

    @pytest.mark.parametrize("options", [(), ("--recipe", "book"), ("--optimizer", "sgd", "--momentum", 0.9)])
    def test_one_and_two_more_are_three(self, data, capsys, options):
        straight = self.run(capsys, data, *options, "--epochs", 3, "--out", "straight", "--threads", 2)
        first = self.run(capsys, data, *options, "--epochs", 1, "--out", "halves", "--threads", 1)
        assert main("train", "--resume", "halves", "--epochs", 3, "--json") == 0
        assert first + history(capsys) == straight
        expected, found = weights("straight"), weights("halves")
        assert expected.keys() == found.keys()
        for key in expected:
            np.testing.assert_array_equal(expected[key], found[key])
        one, two = (fc.training.Checkpoint(f"{folder}/checkpoint.npz") for folder in ("straight", "halves"))
        assert one.settings == two.settings and one.state.epoch == two.state.epoch

    def test_digits_with_shifts(self, capsys):
        words = ("--threads", 2, "--batch-size", 256, "--json")
        assert main("train", "mlp", *words, "--epochs", 2, "--out", "straight") == 0
        assert main("train", "mlp", *words, "--epochs", 1, "--out", "halves") == 0
        assert main("train", "--resume", "halves", "--epochs", 2) == 0
        for key, array in weights("straight").items():
            np.testing.assert_array_equal(array, weights("halves")[key])

    def test_a_finished_run(self, data, capsys):
        self.run(capsys, data, "--epochs", 1, "--out", "here")
        assert main("train", "--resume", "here") == 0
        assert "is complete; more --epochs than 1 go on" in capsys.readouterr().out

    def test_other_options_are_another_run(self, data, capsys):
        self.run(capsys, data, "--epochs", 1, "--out", "here")
        for words in (("--lr", 0.5), ("--seed", 3), ("--recipe", "book"), ("--batch-size", 1)):
            code, err = failure(capsys, "train", "--resume", "here", "--epochs", 2, *words)
            assert code == 2 and words[0] in err and "the run to resume has" in err
        assert failure(capsys, "train", "mlp", "--resume", "here")[0] == 2

    def test_other_images_are_refused(self, data, capsys, tmp_path):
        self.run(capsys, data, "--epochs", 1, "--out", "here")
        write_folder(tmp_path / "mine", count=40, seed=1)
        code, err = failure(capsys, "train", "--resume", "here", "--epochs", 2)
        assert code == 1 and "other images" in err

    def test_moved_data_and_another_place_for_results(self, data, capsys, tmp_path):
        self.run(capsys, data, "--epochs", 1, "--out", "here")
        (tmp_path / "mine").rename(tmp_path / "moved")
        assert main("train", "--resume", "here/checkpoint.npz", "--data", "moved", "--epochs", 2, "--out", "there") == 0
        assert Path("there/weights.npz").exists()

    def test_no_or_broken_checkpoint(self, capsys):
        code, err = failure(capsys, "train", "--resume", "nowhere")
        assert code == 1 and "nowhere" in err
        Path("checkpoint.npz").write_bytes(b"PK nonsense")
        code, err = failure(capsys, "train", "--resume", ".")
        assert code == 1 and "checkpoint.npz: broken checkpoint" in err

    @pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent another way there")
    def test_ctrl_c_saves_and_goes_on(self, data, capsys):
        words = ("train", "lenet", "--data", data, "--batch-size", 16, "--json", "--threads", 1)
        stopped = start(*words, "--epochs", 100_000, "--out", "halves")
        stopped.stdout.readline()  # the first epoch is done
        stopped.send_signal(signal.SIGINT)
        err = stopped.communicate(timeout=60)[1]
        assert (
            stopped.returncode == 130 and "to go on: fastconv train --resume halves" in err and "Traceback" not in err
        )
        epochs = fc.training.Checkpoint("halves/checkpoint.npz").state.epoch + 2
        assert main("train", "--resume", "halves", "--epochs", epochs, "--threads", 1) == 0
        assert main(*words, "--epochs", epochs, "--out", "straight") == 0
        for key, array in weights("straight").items():
            np.testing.assert_array_equal(array, weights("halves")[key])


class TestFaults:
    @pytest.mark.parametrize(
        "words",
        [
            (),
            ("bake",),
            ("train", "resnet"),
            ("train", "--recipe", "cake"),
            ("train", "--epochs", "0"),
            ("train", "--epochs", "ten"),
            ("train", "--lr", "nan"),
            ("train", "--lr", "0"),
            ("train", "--momentum", "1"),
            ("train", "--batch-size", "-3"),
            ("train", "--seed", "-1"),
            ("train", "--threads", "0"),
            ("train", "--momentum", "0.5"),
            ("train", "--mirror", "http://localhost"),
            ("train", "--epoch", "3"),
            ("params", "--json", "--csv"),
            ("info", "x"),
        ],
    )
    def test_typed_wrong(self, capsys, words):
        code, err = failure(capsys, *words)
        assert code == 2 and "--help)" in err

    def test_files_at_fault(self, data, capsys, tmp_path):
        code, err = failure(capsys, "train", "--data", "absent")
        assert code == 1 and "absent: no such folder" in err
        file = tmp_path / "mine" / "train-images-idx3-ubyte.gz"
        file.write_bytes(file.read_bytes()[:1000])
        code, err = failure(capsys, "train", "--data", data)
        assert code == 1 and "train-images-idx3-ubyte.gz: broken gzip file" in err
        Path("taken").write_text("")
        code, err = failure(capsys, "train", "--out", "taken")
        assert code == 1 and "taken" in err

    def test_download_that_fails(self, capsys, monkeypatch, tmp_path):
        from fastconv.training import sources

        monkeypatch.setattr(sources, "SYSTEM_FOLDERS", {})
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("FASTCONV_DATA", raising=False)
        code = main("train", "--data", "fashion-mnist", "--mirror", "http://127.0.0.1:1", "--json")
        out, err = capsys.readouterr()
        assert code == 1 and out == "" and "cannot be downloaded" in err.splitlines()[-1]

    def test_ctrl_c_before_the_first_step(self, capsys, monkeypatch):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(fc.training, "load_data", interrupt)
        assert failure(capsys, "train")[0] == 130


class TestParams:
    def test_formats(self, capsys):
        assert main("params", "lenet", "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert (
            report["model"] == "lenet"
            and report["total"]["parameters"] == 61_706
            and report["total"]["macs"] == 416_520
        )
        assert main("params", "mlp") == 0
        assert "203,530" in capsys.readouterr().out
        for form, start_of in (("--csv", "name,"), ("--markdown", "|")):
            assert main("params", "--recipe", "book", form) == 0
            assert start_of in capsys.readouterr().out


class TestInfo:
    def test_text_and_json(self, capsys):
        assert main("info") == 0
        out = capsys.readouterr().out
        for word in ("fastconv", "instruction set", "threads", "OpenMP", "compiler", "NumPy"):
            assert re.search(rf"^{word}", out, re.M)
        assert main("info", "--json") == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["isa"] in facts["available_isas"] and facts["version"] == fc.__version__
        assert facts["numpy"] == np.__version__ and facts["threads"] >= 1 and facts["threads_reason"]


class TestCommand:
    def test_help_has_examples(self, capsys):
        for words in ((), *((verb,) for verb in cli.VERBS)):
            assert main(*words, "--help") == 0
            out = capsys.readouterr().out
            assert re.search(r"examples?:\n  fastconv ", out)

    def test_models_are_those_there_are(self):
        assert list(values.MODELS) == fc.models.names()

    def test_version(self, capsys):
        assert main("--version") == 0
        assert capsys.readouterr().out == f"fastconv {fc.__version__}\n"

    def test_help_needs_no_heavy_library(self):
        script = (
            "import sys; from fastconv import cli; assert cli.main(['train', '--help']) == 0; "
            "print([name for name in ('rich', 'matplotlib', 'fastconv.training', 'gzip') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("[]\n")

    @pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind there")
    def test_a_closed_pipe_is_quiet(self):
        for words in (("params", "lenet"), ("info",), ("--help",)):
            process = start(*words)
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(timeout=60) in (0, 1)
            process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals there")
@pytest.mark.parametrize("without", ["", "rich"])
def test_progress_on_a_terminal(data, without):
    """With rich and without: a bar that comes and goes, and the same facts."""
    pty = pytest.importorskip("pty")
    script = (
        f"import sys; sys.modules.update({{name: None for name in {without.split()}}}); from fastconv import cli; "
        f"raise SystemExit(cli.main({['train', 'lenet', '--data', data, '--epochs', '6', '--batch-size', '2']}))"
    )
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, limit = b"", time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=10) == 0
    text = shown.decode()
    assert re.search(r"epoch \d+/6 .*images/s.*left", text) and "6/6" in text
    assert ("\x1b[" in text) == (not without and terminal.has("rich"))
