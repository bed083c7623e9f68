"""The compiled part: instruction sets, what they are allowed to differ in, and what an import brings along."""

import importlib.metadata
import importlib.util
import pkgutil
import re
import sys
import zlib
from pathlib import Path

import numpy as np
import process
import pytest
import reference
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F
from fastconv.kernels import runtime

ISAS = runtime.available_isas()
SHAPES = [
    ((2, 13, 17, 19), (23, 13, 3, 3), dict(padding=1)),
    ((1, 33, 15, 14), (49, 33, 3, 3), dict(padding=1, stride=2)),
    ((2, 6, 14, 14), (16, 6, 5, 5), dict()),
    ((3, 1, 28, 28), (6, 1, 5, 5), dict(padding=2)),
    ((2, 19, 11, 12), (19, 1, 3, 3), dict(padding=1, groups=19)),
    ((1, 300, 7, 9), (35, 300, 1, 1), dict()),
    ((2, 128, 9, 8), (9, 128, 3, 3), dict(padding=2, dilation=2)),
]

SCRIPT = """
import sys
import numpy as np
import fastconv as fc
import fastconv.functional as F
from fastconv.kernels import runtime

assert runtime.isa() == {isa!r}, runtime.isa()
arrays = dict(np.load({path!r}, allow_pickle=False))
results = {{}}
for number, options in enumerate({options!r}):
    for dtype in ("float32", "float64"):
        x, w, b, gy = (arrays[f"{{part}}{{number}}"].astype(dtype) for part in ("x", "w", "b", "g"))
        results[f"y{{number}}{{dtype}}"] = fc.conv2d(x, w, b, **options)
        for part, grad in zip("xwb", F.conv2d_backward(gy, x, w, **options)):
            results[f"g{{part}}{{number}}{{dtype}}"] = grad
        results[f"m{{number}}{{dtype}}"] = fc.max_pool2d(x, 3, 2, 1)
        results[f"a{{number}}{{dtype}}"] = fc.avg_pool2d(x, 3, 2, 1)
np.savez({out!r}, **results)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each instruction set computes, in a process of its own: {isa: {key: array}}, and the inputs."""
    folder = tmp_path_factory.mktemp("isas")
    rng = np.random.default_rng(5)
    arrays = {}
    for number, (input_shape, weight_shape, options) in enumerate(SHAPES):
        arrays[f"x{number}"] = rng.standard_normal(input_shape, np.float32)
        arrays[f"w{number}"] = rng.standard_normal(weight_shape, np.float32)
        arrays[f"b{number}"] = rng.standard_normal(weight_shape[:1], np.float32)
        output_shape = reference.conv2d(arrays[f"x{number}"], arrays[f"w{number}"], **options).value.shape
        arrays[f"g{number}"] = rng.standard_normal(output_shape, np.float32)
    np.savez(folder / "arrays.npz", **arrays)
    found = {}
    for isa in ISAS:
        out = str(folder / f"{isa}.npz")
        options = [options for _, _, options in SHAPES]
        script = SCRIPT.format(isa=isa, path=str(folder / "arrays.npz"), options=options, out=out)
        process.check(script, env={"FASTCONV_ISA": isa, "FASTCONV_WINOGRAD": "0"})
        found[isa] = dict(np.load(out, allow_pickle=False))
    return arrays, found


def test_isas_are_known():
    assert runtime.isa() in ISAS
    assert {"baseline", "neon"} & set(ISAS)
    assert set(ISAS) <= {"baseline", "avx2", "avx512", "neon"}


@pytest.mark.parametrize("isa", ISAS)
def test_each_isa_is_within_the_tolerance(isa, results):
    arrays, found = results
    for number, (_, weight_shape, options) in enumerate(SHAPES):
        x, w, b, gy = (arrays[f"{part}{number}"] for part in "xwbg")
        expected = {
            f"y{number}": reference.conv2d(x, w, b, **options),
            f"gx{number}": reference.conv2d_backward_input(gy, x.shape, w, **options),
            f"gw{number}": reference.conv2d_backward_weight(gy, x, weight_shape, **options),
            f"gb{number}": reference.conv2d_backward_bias(gy),
            f"a{number}": reference.avg_pool2d(x, 3, 2, 1),
        }
        for dtype in (np.float32, np.float64):
            kind = np.dtype(dtype).name
            for key, sums in expected.items():
                assert_sums(found[isa][key + kind], sums, dtype)
            pooled = reference.max_pool2d(x, 3, 2, 1)[0]
            np.testing.assert_array_equal(found[isa][f"m{number}{kind}"], pooled)


def test_isas_with_fma_give_the_same_bits(results):
    """Each direct sum is one chain of fused multiply-adds in a fixed order, however wide the registers are."""
    _, found = results
    fused = [isa for isa in ISAS if isa != "baseline"]
    for isa in fused[1:]:
        for key, array in found[isa].items():
            if key.startswith(("y", "m")):
                assert_same_bits(array, found[fused[0]][key])


@pytest.mark.parametrize("wrong", ["avx1024", "AVX2 ", "0", "none"])
def test_a_wrong_isa_is_an_error(wrong):
    done = process.run("import fastconv.kernels.runtime", env={"FASTCONV_ISA": wrong})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError") and "FASTCONV_ISA" in last and wrong.strip() in last


def test_an_isa_that_this_machine_lacks_is_an_error():
    missing = sorted({"avx2", "avx512", "neon"} - set(ISAS))
    for isa in missing:
        done = process.run("import fastconv.kernels.runtime", env={"FASTCONV_ISA": isa})
        assert done.returncode != 0 and "ValueError" in done.stderr and isa in done.stderr


def test_a_python_without_the_gil_is_refused():
    """Rather than found to have no kernels: such a Python does not look for modules of the stable ABI."""
    pretended = "import sys; sys.version = '3.14.0 free-threading build (main) [GCC]'; import fastconv"
    done = process.run(pretended)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastconv does not support free-threaded Python")


def test_build_info_tells_what_was_built():
    info = runtime.build_info()
    assert {"compiler", "openmp", "flags", "cython", "bounds_checks"} <= set(info)
    assert isinstance(info["bounds_checks"], bool)
    assert info["compiler"] and info["openmp"]


IMPORTED = """
import sys, numpy
before = set(sys.modules)
import fastconv as fc
print(*sorted(set(sys.modules) - before))
"""


def test_import_brings_numpy_alone():
    """No other package, and of the standard library and of fastconv nothing that only training or the command needs."""
    brought = process.check(IMPORTED).split()
    packages = {name.partition(".")[0] for name in brought}
    foreign = {name for name in packages - set(sys.stdlib_module_names) if not name.startswith(("fastconv", "_cython"))}
    assert foreign <= {"cython_runtime"}
    assert not packages & {"argparse", "gzip", "json", "subprocess", "urllib", "zipfile"}
    rooms = {name.split(".")[1] for name in brought if name.startswith("fastconv.")}
    assert rooms == {"_arguments", "_version", "functional", "kernels", "settings"}


def test_the_other_rooms_come_when_asked_for():
    rooms = ("benchmark", "counting", "models", "nn", "plan", "signal", "training")
    asked = "; ".join(f"assert fc.{room}.__name__ == 'fastconv.{room}'" for room in rooms)
    process.check(f"import fastconv as fc; {asked}; fc.nn.ReLU, fc.count, fc.compile, fc.signal.correlate2d")


# --- what is installed ----------------------------------------------------------------------------------------------

PACKAGE = Path(fc.__file__).parent
DRIVERS = [module.name for module in pkgutil.iter_modules([str(PACKAGE / "kernels")])]


def test_drivers_are_found():
    assert {"conv", "pool", "runtime"} <= set(DRIVERS)


def test_the_version_is_the_one_installed():
    assert importlib.metadata.version("fastconv") == fc.__version__


@pytest.mark.parametrize("driver", DRIVERS)
def test_drivers_keep_to_the_stable_abi(driver):
    """One file for all CPython versions: its name carries none."""
    file = importlib.util.find_spec(f"fastconv.kernels.{driver}").origin
    assert Path(file).name in (f"{driver}.abi3.so", f"{driver}.pyd")


def test_a_wheel_is_small():
    """A wheel is the installed files, each deflated: 2 MB at most."""
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) < 2e6


def test_the_readme_examples_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme = Path(__file__).parents[1] / "README.md"
    names = {}
    for example in re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(example, str(readme), "exec"), names)
    first, *epochs = capsys.readouterr().out.splitlines()
    assert first == "(256, 10) 416520"
    assert [line.split(",")[0] for line in epochs] == [f"EpochResult(epoch={epoch}" for epoch in (1, 2, 3)]
    assert (tmp_path / "lenet.npz").exists()


PUBLIC = """
conv2d max_pool2d avg_pool2d unfold fold im2col col2im linear relu sigmoid tanh softmax log_softmax cross_entropy
mse_loss set_num_threads get_num_threads allow_winograd show_config count compile nn models plan signal
training counting benchmark functional
""".split()  # noqa: SIM905 - longer one by one


def test_version_and_public_names():
    assert isinstance(fc.__version__, str) and fc.__version__
    for name in PUBLIC:
        assert getattr(fc, name) is not None
        assert name in dir(fc)
    for name in ("conv2d_backward", "max_pool2d_backward", "avg_pool2d_backward", "linear_backward"):
        assert callable(getattr(F, name))
    with pytest.raises(AttributeError, match="convolution_of_everything"):
        _ = fc.convolution_of_everything
