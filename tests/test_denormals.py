"""set_flush_denormal: inside the kernels alone, on each of their threads, and no bit of normal numbers changes."""

import re
from functools import partial
from pathlib import Path
from time import thread_time

import numpy as np
import process
import pytest
from specs import OPERATORS
from specs.draw import Draw
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F
from fastconv import settings
from fastconv.kernels import conv

KERNELS = Path(__file__).parent.parent / "fastconv" / "kernels"
FACTS = {np.float32: (np.float32(1e-40), 1e38), np.float64: (np.float64(1e-310), 1e300)}


@pytest.fixture
def flush():
    """The switch, put back afterwards; skips where there is none."""
    if not fc.set_flush_denormal(False):
        pytest.skip("this processor or build cannot flush denormal numbers")
    yield fc.set_flush_denormal
    fc.set_flush_denormal(False)


def caller_keeps(dtype=np.float64):
    """Whether NumPy, on this thread, computes with denormal numbers and into them."""
    small = np.full(64, np.finfo(dtype).tiny, dtype)
    half = small * dtype(0.5)
    return bool(half.all()) and bool((half * dtype(2) == small).all())


def tensors(dtype, rng, scale=1.0):
    """Arrays for `operators`, large enough for several threads."""
    shapes = dict(x=(4, 24, 37, 41), w=(24, 24, 3, 3), d=(24, 1, 3, 3), r=(700, 900), v=(300, 900))
    return {name: (rng.uniform(0.5, 1, s) * scale).astype(dtype) for name, s in shapes.items()}


def operators(a, w=None):
    """Calls whose results are sums of products with what stands in `a`; `w`: where their weights stand."""
    w = w or a
    conv = dict(padding=1)
    return {
        "conv2d": lambda: fc.conv2d(a["x"], w["w"], **conv),
        "conv2d, stride 2": lambda: fc.conv2d(a["x"], w["w"], stride=2, **conv),
        "conv2d, depthwise": lambda: fc.conv2d(a["x"], w["d"], groups=24, **conv),
        "conv2d_backward": lambda: F.conv2d_backward(a["x"], w["x"], w["w"], **conv)[0],
        "conv2d_backward, weights": lambda: F.conv2d_backward(a["x"], w["x"], w["w"], **conv)[1],
        "conv2d_backward, bias": lambda: F.conv2d_backward(a["x"], w["x"], w["w"], **conv)[2],
        "conv2d_backward, depthwise": lambda: F.conv2d_backward(a["x"], w["x"], w["d"], groups=24, **conv)[0],
        "linear": lambda: fc.linear(a["r"], w["v"]),
        "linear_backward": lambda: F.linear_backward(a["r"][:, :300], w["r"], w["v"])[0],
        "avg_pool2d": lambda: fc.avg_pool2d(a["x"], 3, 2),
        "avg_pool2d, any window": lambda: fc.avg_pool2d(a["x"], (3, 5), (2, 3), (1, 2)),
        "avg_pool2d_backward": lambda: F.avg_pool2d_backward(a["x"], (4, 24, 74, 82), 2),
        "fold": lambda: fc.fold(np.repeat(a["x"].reshape(4, 24, -1), 4, 1), (38, 42), 2),
    }


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", operators({}))
def test_denormal_inputs_are_zeros(name, count, dtype, rng, flush, threads):
    """Times a factor that would make a normal number of them; with the mode off it does."""
    threads(count)
    tiny, large = FACTS[dtype]
    call = operators(tensors(dtype, rng, tiny), tensors(dtype, rng, large))[name]
    assert np.count_nonzero(call()) > 0
    flush(True)
    assert np.count_nonzero(call()) == 0
    flush(False)
    assert np.count_nonzero(call()) > 0


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", operators({}))
def test_results_of_normal_numbers_are_the_same_bits(name, count, dtype, rng, flush, threads):
    threads(count)
    call = operators(tensors(dtype, rng))[name]
    expected = call()
    flush(True)
    assert_same_bits(call(), expected)


@pytest.mark.parametrize("mode", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_the_callers_mode_stays(mode, count, dtype, rng, flush, threads):
    threads(count)
    assert caller_keeps(dtype)
    flush(mode)
    assert caller_keeps(dtype)
    for name, call in operators(tensors(dtype, rng)).items():
        call()
        assert caller_keeps(dtype), name
    compiled = conv.Convolution(np.ones((8, 8, 3, 3), dtype), None, 9, 9, 7, 7, 1, 1, 0, 0, 1, 1, 1)
    compiled.forward(np.ones((2, 8, 9, 9), dtype), np.empty((2, 8, 7, 7), dtype))
    assert caller_keeps(dtype)


def test_a_compiled_network_flushes(dtype, rng, flush):
    tiny, large = FACTS[dtype]
    layer = fc.nn.Conv2d(3, 8, 3, bias=False, dtype=dtype, seed=0)
    layer.weight[...] = large
    x = np.full((2, 3, 9, 9), tiny, dtype)
    plan = fc.compile(layer, (3, 9, 9), batch=2)
    assert np.count_nonzero(plan(x)) > 0
    flush(True)
    assert np.count_nonzero(plan(x)) == 0


TORCH_PROGRAM = """
import numpy as np
import fastconv as fc
import torch

x, w = np.full((2, 8, 64, 64), 1e-40, np.float32), np.full((8, 8, 3, 3), 1e38, np.float32)
expected = fc.conv2d(x, w)
assert expected.all()
torch.set_flush_denormal(True)                      # the calling thread's mode, nothing to the kernels
assert (fc.conv2d(x, w) == expected).all()
assert not (torch.full((9,), 1e-40) * 1e38).any()   # and still the caller's
print("as before")
"""


def test_another_librarys_mode_stays_too(flush):
    """And fastconv's own counts inside the kernels: the bits cannot depend on which thread has which mode."""
    pytest.importorskip("torch")
    assert process.check(TORCH_PROGRAM).strip() == "as before"


def best_times(calls, repeats=9):
    """The least time of each, of this thread alone, in turns: the machine's moods strike all of them."""
    times = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, mine in zip(calls, times, strict=True):
            start = thread_time()
            call()
            mine.append(thread_time() - start)
    return [min(mine) for mine in times]


def assert_costs_little(usual, slow):
    """At most 1.5 times the time of normal numbers is promised: the best of some runs of one thread, its own time."""
    for _ in range(5):
        times = best_times((usual, slow))
        if times[1] <= 1.5 * times[0]:
            return
    pytest.fail(f"{times[1] * 1e3:.2f} ms with denormal numbers, {times[0] * 1e3:.2f} ms with normal ones")


@pytest.mark.parametrize("name", operators({}))
def test_with_it_denormal_inputs_cost_little(name, rng, flush, threads):
    threads(1)
    flush(True)
    assert_costs_little(*(operators(tensors(np.float32, rng, scale))[name] for scale in (1, FACTS[np.float32][0])))


@pytest.mark.parametrize("name", OPERATORS)
def test_with_it_denormal_numbers_cost_little_everywhere(name, flush, threads):
    """Forward and backward, with all that is given denormal."""
    threads(1)
    flush(True)
    operator, calls = OPERATORS[name], []
    for scale in (1, FACTS[np.float32][0]):
        draw = Draw(3, dtype=np.float32)
        arguments = operator.large(draw, 4)
        for key, value in arguments.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                arguments[key] = value * np.float32(scale)
        results = operator.forward(arguments)
        grad = np.asarray(draw.floats(*np.shape(results["output"])) * np.float32(scale))
        calls.append([partial(operator.forward, arguments)])
        if operator.backward is not None:
            calls[-1].append(partial(operator.backward, grad, arguments, results))
    for usual, slow in zip(*calls, strict=True):
        assert_costs_little(usual, slow)


def test_every_parallel_region_enters_and_leaves():
    """The convention of runtime.pxd, read off the sources: a region that forgets it keeps its workers' mode."""
    regions = 0
    for path in KERNELS.glob("*.pyx"):
        if path.name == "roofline.pyx":  # measures the machine, computes for nobody
            continue
        lines = path.read_text().splitlines()
        for place, line in enumerate(lines):
            where = f"{path.name}:{place + 1}"
            assert not re.search(r"prange\(.*num_threads", line), f"{where}: a prange without a region around it"
            if re.match(r" *with parallel\(", line):
                regions += 1
                indent = len(line) - len(line.lstrip()) + 4
                body = []
                for following in lines[place + 1 :]:
                    if following.strip() and len(following) - len(following.lstrip()) < indent:
                        break
                    body += [following.strip()] if following.strip() else []
                assert body[0] == "mode = enter_team()" and body[-1] == "leave_team(mode)", where
                declared = [each for each in lines[:place] if re.match(r" *cdef unsigned int .*\bmode\b", each)]
                assert re.search(r"\bmode = (0|enter_team\(\))$", declared[-1]), f"{where}: C compilers want mode = 0"
    assert regions > 10


@pytest.mark.parametrize("wrong", [1, 0, None, "yes", 1.0])
def test_a_wrong_mode(wrong):
    with pytest.raises(TypeError, match="mode must be True or False"):
        fc.set_flush_denormal(wrong)


def test_it_is_shown(flush, capsys):
    assert settings.config()["flush_denormal"] is False and not settings.is_flush_denormal()
    assert flush(True) is True
    assert settings.config()["flush_denormal"] is True and settings.is_flush_denormal()
    fc.show_config()
    assert "denormals        zeros" in capsys.readouterr().out


@pytest.mark.parametrize("value,expected", [("", "False"), ("0", "False"), ("1", "True")])
def test_the_environment(value, expected, flush):
    script = "from fastconv import settings; print(settings.is_flush_denormal())"
    assert process.check(script, env={"FASTCONV_FLUSH_DENORMAL": value}).strip() == expected


def test_a_wrong_environment():
    done = process.run("import fastconv", env={"FASTCONV_FLUSH_DENORMAL": "yes"})
    assert done.returncode != 0 and "FASTCONV_FLUSH_DENORMAL (='yes') must be 0 or 1" in done.stderr
