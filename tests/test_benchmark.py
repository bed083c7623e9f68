"""The benchmark: its notation, its list, its sweep, its protocol on one small layer, and what it stores."""

import json
import math
import os
import time

import numpy as np
import pytest

from fastconv import benchmark, cli
from fastconv.benchmark import Report, Result, Roofline, Timing, picture, text
from fastconv.benchmark.machine import Others
from fastconv.benchmark.modes import work
from fastconv.benchmark.process import Worker, WorkerError
from fastconv.benchmark.stored import with_stored_peers
from fastconv.benchmark.worker import clock, problem

TINY = "3x9x8->4 3x3 s2 p1 b2"


@pytest.mark.parametrize(
    "notation, shape, macs",
    [
        ("1x28x28->6 5x5 p2", (1, 6, 28, 28), 117_600),
        ("6x14x14->16 5x5 b256", (256, 16, 10, 10), 256 * 240_000),
        ("3x224x224->64 7x7 s2 p3", (1, 64, 112, 112), 118_013_952),
        ("64x112x112->64 3x3 s2 p1 g64", (1, 64, 56, 56), 64 * 9 * 56 * 56),
        ("40x1x500->512 1x5", (1, 512, 1, 496), 512 * 496 * 200),
        ("max 64x112x112 3x3 s2 p1", (1, 64, 56, 56), 64 * 9 * 56 * 56),
        ("avg 6x28x28 2x2 s2 b256", (256, 6, 14, 14), 256 * 6 * 14 * 14 * 4),
        ("correlate2d 1000x1000 7x7", (1, 1, 1000, 1000), 49_000_000),
        ("8x9x9->8 3x3 d2 g2", (1, 8, 5, 5), 8 * 25 * 4 * 9),
    ],
)
def test_notation(notation, shape, macs):
    layer = benchmark.parse(notation)
    assert (layer.output_shape, layer.macs, layer.describe()) == (shape, macs, notation)


@pytest.mark.parametrize(
    "notation, words",
    [
        ("", "cannot be read"),
        ("64x56x56", "cannot be read"),
        ("64x56x56->64", "cannot be read"),
        ("64x56->64 3x3", "cannot be read"),
        ("64x56x56 3x3", "cannot be read"),
        ("max 64x56x56->64 2x2", "cannot be read"),
        ("64x56x56->64 3x3 q2", "cannot be read"),
        ("64x56x56->64 3x3 s0", "size of 0"),
        ("64x56x56->64 3x3 g7", "groups (=7)"),
        ("1x4x4->1 5x5", "no output"),
        ("max 1x8x8 2x2 p2", "half of the pooling kernel"),
    ],
)
def test_notation_errors(notation, words):
    with pytest.raises(ValueError) as caught:
        benchmark.parse(notation)
    assert words in str(caught.value)


def test_layers_have_unique_names_and_patterns_select():
    names = [layer.name for layer in benchmark.LAYERS]
    assert len(set(names)) == len(names) == 27 + 10 + 3
    assert [layer.name for layer in benchmark.select("vgg-512*")] == ["vgg-512@28", "vgg-512@14"]
    with pytest.raises(ValueError, match="nothing is named 'vgh-"):
        benchmark.select("resnet-*,vgh-*")


def test_modes():
    assert [mode.name for mode in benchmark.parse_modes("plain, pool,plain")] == ["plain", "pool"]
    with pytest.raises(ValueError, match="'fast' is none of compiled, plain"):
        benchmark.parse_modes("fast")
    vgg, lenet, pool = (benchmark.select(name)[0] for name in ("vgg-64@224", "lenet-conv1-b1", "max-lenet-b1"))
    scaling, plain = benchmark.MODES["scaling"], benchmark.MODES["plain"]
    assert scaling.takes(vgg) and not scaling.takes(lenet) and not scaling.takes(pool) and not plain.takes(pool)
    assert work(lenet, "plain") == (2 * 117_600, 4 * (784 + 150 + 4704))
    assert work(lenet, "backward")[0] == 6 * 117_600


def test_sweep_is_the_same_for_a_seed_and_within_bounds():
    layers = benchmark.sample(60, seed=7)
    assert layers == benchmark.sample(60, seed=7) and layers[:10] == benchmark.sample(10, seed=7)
    assert layers != benchmark.sample(60, seed=8)
    for layer in layers:
        assert 1e6 <= 2 * layer.macs <= 4e9
        assert 1 <= layer.in_channels <= 1024 and 1 <= layer.out_channels <= 1024 and 1 <= layer.batch <= 64
        assert min(layer.height, layer.width) >= 5 and max(layer.height, layer.width) <= 256
        assert min(layer.kernel) >= 1 and max(layer.kernel) <= 11 and 1 <= layer.stride <= 4
        assert benchmark.parse(layer.describe(), layer.name) == layer
    assert any(layer.groups > 1 for layer in layers) and any(layer.batch > 1 for layer in layers)


def _direct(layer, data):
    """A whole convolution or pooling in NumPy, window by window."""
    pad, stride, kernel = layer.padding, layer.stride, layer.kernel
    fill = -math.inf if layer.op == "max_pool2d" else 0.0
    x = np.pad(data["input"].astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)], constant_values=fill)
    y = np.empty(layer.output_shape)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = x[:, :, i * stride : i * stride + kernel[0], j * stride : j * stride + kernel[1]]
            if layer.op == "conv2d":
                y[:, :, i, j] = np.einsum("nchw,ochw->no", window, data["weight"]) + data["bias"]
            else:
                y[:, :, i, j] = window.max((2, 3)) if layer.op == "max_pool2d" else window.mean((2, 3))
    return y


@pytest.mark.parametrize("notation", [TINY, "max 3x9x8 3x3 s2 p1", "avg 3x9x8 3x3 s2 p1"])
def test_check_takes_the_right_result_and_refuses_wrong_ones(notation):
    layer = benchmark.parse(notation)
    facts = layer.request()
    data = problem.arrays(facts, "float64")
    output = _direct(layer, data)
    problem.check(facts, data, {"output": output})
    with pytest.raises(ValueError, match="expected"):
        problem.check(facts, data, {"output": output + 1e-6})
    with pytest.raises(ValueError, match="expected"):
        problem.check(facts, data, {"output": output[:, :, :-1]})
    with pytest.raises(ValueError, match="output"):
        problem.check(facts, data, {"output": np.full_like(output, np.nan)})


def test_check_of_gradients_is_the_derivative():
    """The sampled gradients against differences of the direct convolution, which is linear in each argument."""
    layer = benchmark.parse(TINY)
    facts = layer.request()
    data = problem.arrays(facts, "float64")
    grads = {}
    for name in ("input", "weight", "bias"):
        grad = np.empty(data[name].shape)
        for place in np.ndindex(grad.shape):
            step = data[name].copy()
            step[place] += 1.0
            grad[place] = ((_direct(layer, {**data, name: step}) - _direct(layer, data)) * data["grad_output"]).sum()
        grads[f"grad_{name}"] = grad
    random = np.random.default_rng(1)
    for name, grad in grads.items():
        for place in random.integers(0, grad.shape, (20, grad.ndim)).tolist():
            direct = problem._PRODUCTS["conv2d", name](facts, data, tuple(place)).sum()
            assert math.isclose(direct, grad[tuple(place)], rel_tol=1e-9, abs_tol=1e-9)


def test_arrays_are_the_same_every_time_and_aligned():
    facts = benchmark.parse(TINY).request()
    once, again = problem.arrays(facts), problem.arrays(facts)
    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert all(array.ctypes.data % 64 == 0 and array.dtype == np.float32 for array in once.values())


def test_clock():
    calls = []
    took = clock.median(lambda: calls.append(1), 0.005)
    assert 0 < took < 1e-3 and len(calls) > 10


def test_foreign_work_is_not_ours():
    others = Others()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    share = others.share()
    assert share is None or 0 <= share < (os.cpu_count() or 1)


def _report(**changes) -> Report:
    layer = benchmark.select("vgg-512@14")[0]
    times = {"fastconv": Timing((0.002, 0.001), "conv2d"), "torch": Timing((0.003, 0.004)), "scipy": Timing((0.009,))}
    facts = dict(
        results=(Result(layer, "plain", "float32", times, {"openvino": "is missing"}),),
        threads=2, seconds=0.1, versions={"fastconv": "1"}, missing={"onnxruntime": "No module"},
        machine={"processor": "P", "system": "S", "python": "3"}, date="2025-01-01T00:00:00+00:00",
        roofline=Roofline(2e11, 2e10),
    )  # fmt: skip
    return Report(**{**facts, **changes})


def test_report_figures_and_json_round_trip():
    report = _report()
    result = report.results[0]
    assert result.best_peer == "torch" and result.ratio == pytest.approx(3.0)
    assert report.roofline.share(result) == pytest.approx(2 * 512 * 512 * 9 * 14 * 14 / 0.001 / 2e11)
    assert report.summary("plain")["worst_layer"] == "vgg-512@14"
    data = json.loads(report.to_json())
    assert set(data) == {
        "date", "machine", "versions", "missing", "threads", "seconds", "roofline", "summary", "results",
    }  # fmt: skip
    assert data["results"][0]["times"]["fastconv"] == {"seconds": 0.001, "rounds": [0.002, 0.001], "form": "conv2d"}
    assert benchmark.from_json(report.to_json()) == report
    for wrong in ("[]", "{}", "no", '{"results": [1]}'):
        with pytest.raises(ValueError, match="not a report"):
            benchmark.from_json(wrong)


def test_stored_peers_are_taken_over_and_named_so():
    ours = {"fastconv": Timing((0.002,))}
    layer = benchmark.select("vgg-512@14")[0]
    fresh = _report(results=(Result(layer, "plain", "float32", ours),), versions={"fastconv": "2"})
    both = with_stored_peers(fresh, _report())
    assert both.results[0].ratio == pytest.approx(1.5) and both.versions["torch"].endswith("(stored 2025-01-01)")
    with pytest.raises(ValueError, match="2 threads"):
        with_stored_peers(_report(threads=1), _report())


def test_text_shows_every_figure(capsys):
    text._show_plain(_report(), 0)
    out = capsys.readouterr().out
    for word in ("vgg-512@14", "512x14x14->512 3x3 p1", "1.00 ms", "+100%", "geometric mean 3.00x", "is missing"):
        assert word in out
    text._show_plain(_report(roofline=None), 1)
    assert "not measured" in capsys.readouterr().out


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    picture.draw(_report(), tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="nothing to draw"):
        picture.draw(_report(results=(), roofline=None), tmp_path / "none.png")


def test_a_worker_answers_and_reports_what_fails():
    with Worker("fastconv", threads=1) as worker:
        layer = benchmark.parse(TINY).request()
        answer = worker.ask("prepare", layer=layer, mode="plain", dtype="float64", seconds=0.01)
        assert answer == {"form": "conv2d"}
        assert 0 < worker.ask("time", seconds=0.01)["seconds"] < 1
        with pytest.raises(WorkerError, match="fast"):
            worker.ask("prepare", layer=layer, mode="fast", dtype="float32", seconds=0.01)
        assert worker.alive
    assert not worker.alive
    with pytest.raises(WorkerError, match="the process has ended"):
        worker.ask("release")
    with pytest.raises(WorkerError, match="does not run"):
        Worker("torch", threads=1, python="/nowhere/python")


def test_command(tmp_path, capsys):
    file = tmp_path / "bench.json"
    words = ["--modes", "plain", "--seconds", "0.01", "--rounds", "2", "--threads", "1", "--libraries", "fastconv"]
    assert cli.main(["bench", "--shape", TINY, "--json", str(file), *words]) == 0
    assert "3x9x8->4" in capsys.readouterr().out
    report = benchmark.from_json(file.read_text())
    assert len(report.results[0].ours.rounds) == 2 and report.threads == 1
    assert cli.main(["bench", "--from", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["layer"] == TINY
    assert cli.main(["bench", "--list"]) == 0 and "vgg-64@224" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["--layers", "nothing-*"], 2, "nothing is named"),
        (["--layers", "max-*", "--modes", "plain"], 2, "none of these layers"),
        (["--modes", "fast"], 2, "'fast'"),
        (["--shape", "64"], 2, "cannot be read"),
        (["--layers", "vgg-*", "--sweep", "3"], 2, "not allowed with"),
        (["--libraries", "caffe"], 2, "'caffe' is none of"),
        (["--from", "/nowhere/report.json"], 1, "No such file"),
    ],
)
def test_command_errors(words, code, said, capsys):
    assert cli.main(["bench", *words]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
