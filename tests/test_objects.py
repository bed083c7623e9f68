"""What the compiler made of the kernels: register tiles stay in registers, and the baseline runs on any processor."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

import fastconv.kernels
from fastconv.kernels import runtime

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "fastconv" / "kernels" / "src"
COMPILER = (sysconfig.get_config_var("CC") or "cc").split()
# source: what the names of its tiles begin with
TILES = {
    "correlate_tile": "tile",
    "weight_tile": "weight",
    "channel_tile": "channels",
    "point_tile": "points",
    "line": "line",
}

needs_objdump = pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
needs_compiler = pytest.mark.skipif(
    shutil.which(COMPILER[0]) is None or not SOURCES.is_dir(), reason="no compiler, or no sources beside the tests"
)


def instruction_sets():
    """{name: compiler flags} of this processor family, as setup.py has them (importing it would build)."""
    names = runtime.available_isas()
    if not {"avx2", "avx512"} & set(names):
        return {name: [] for name in names}
    for statement in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "X86_ISAS":
            return ast.literal_eval(statement.value)
    raise AssertionError("setup.py has no X86_ISAS")


def for_float32_alone(source):
    """Kernels of FC_KERNEL_F32: nothing is left of them in float64."""
    return "\n#if !FC_DOUBLE\n" in source.read_text()


def disassemble(path):
    """{function: [(address, mnemonic, operands)]}; one function "" where the symbols are stripped."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    functions, current = {}, []
    for line in text.splitlines():
        if heading := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            current = functions.setdefault(heading[1], [])
        elif instruction := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*([^#]*)", line):
            current.append((int(instruction[1], 16), instruction[2], instruction[3].strip()))
    return functions


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """{(isa, element type): {source: functions}}, compiled as setup.py compiles them."""
    folder = tmp_path_factory.mktemp("objects")
    flags = (sysconfig.get_config_var("CFLAGS") or "").split() + (sysconfig.get_config_var("CCSHARED") or "").split()
    flags += runtime.build_info()["flags"].split()

    def build(job):
        (isa, isa_flags), (suffix, double), source = job
        target = folder / f"{source.stem}_{suffix}_{isa}.o"
        macros = [f"-DFC_ISA={isa}", f"-DFC_SUFFIX={suffix}_{isa}", f"-DFC_DOUBLE={double}"]
        command = [*COMPILER, *flags, *isa_flags, *macros, f"-I{SOURCES}", "-c", str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return (isa, suffix), source.stem, disassemble(target)

    sources = sorted((SOURCES / "kernels").glob("*.c"))
    jobs = [
        (isa, kind, source)
        for isa, kind, source in product(instruction_sets().items(), (("f32", 0), ("f64", 1)), sources)
        if (source.stem in TILES or isa[0] == "baseline") and not (kind[0] == "f64" and for_float32_alone(source))
    ]
    found = {}
    with ThreadPoolExecutor(2) as pool:
        for key, source, functions in pool.map(build, jobs):
            found.setdefault(key, {})[source] = functions
    return found


def loops(function):
    """The innermost loops: the instructions from the target of a backward jump to the jump."""
    spans = []
    for address, mnemonic, operands in function:
        target = re.search(r"(?:^|[ ,])([0-9a-f]+) <", operands) if re.match(r"j|b\b|b\.|cb|tb", mnemonic) else None
        if target and function[0][0] <= int(target[1], 16) <= address:
            spans.append((int(target[1], 16), address))
    inner = [
        (low, high)
        for low, high in spans
        if not any(other != (low, high) and low <= other[0] and other[1] <= high for other in spans)
    ]
    return [[each for each in function if low <= each[0] <= high] for low, high in inner]


def multiplications(instructions):
    return sum(bool(re.match(r"vfn?madd|v?mulp[sd]|fmla", mnemonic)) for _, mnemonic, _ in instructions)


def stack_accesses(instructions, function):
    """Vector instructions that go to the stack. %rbp points there only where it was set to."""
    framed = any(mnemonic == "mov" and operands == "%rsp,%rbp" for _, mnemonic, operands in function)
    stack = r"\(%rsp|\[sp" + (r"|\(%rbp" if framed else "")
    vector = r"%[xyz]mm|\b[vq]\d"
    return [each for each in instructions if re.search(stack, each[2]) and re.search(vector, each[2])]


@needs_objdump
@needs_compiler
@pytest.mark.parametrize("source", TILES)
def test_no_register_tile_spills(source, objects):
    """In the loop over the depth each accumulator is a register: nothing goes to the stack, nothing comes from it."""
    spilled = []
    for (isa, suffix), sources in objects.items():
        if source not in sources:
            assert suffix == "f64" and for_float32_alone(SOURCES / "kernels" / f"{source}.c")
            continue
        tiles = 0
        for name, function in sources[source].items():
            size = re.match(rf"{TILES[source]}_(\d+)x(\d+)\b", name)
            if size is None:
                continue
            tiles += 1
            hot = [loop for loop in loops(function) if multiplications(loop) >= int(size[1]) * int(size[2])]
            assert hot, f"{name} ({suffix}, {isa}) has no loop that multiplies once an accumulator"
            for loop in hot:
                if accesses := stack_accesses(loop, function):
                    spilled.append(f"{name} ({suffix}, {isa}): {accesses}")
        assert tiles >= 4, f"{source} ({suffix}, {isa}): found {tiles} tiles"
    assert not spilled, "\n".join(spilled)


X86 = "avx2" in runtime.available_isas()
AVX = re.compile(r"%[yz]mm|%k[0-7]")


def beyond_baseline(functions):
    """Instructions that an x86-64 processor of 2003 lacks. Those of AVX begin with v; verr and verw are older."""
    return [
        (name, mnemonic, operands)
        for name, function in functions.items()
        for _, mnemonic, operands in function
        if AVX.search(operands) or (mnemonic.startswith("v") and not mnemonic.startswith("ver"))
    ]


@needs_objdump
@needs_compiler
@pytest.mark.skipif(not X86, reason="the baseline of this processor family has nothing to leave out")
def test_baseline_objects_have_no_avx(objects):
    baseline = [sources for (isa, _), sources in objects.items() if isa == "baseline"]
    assert len(baseline) == 2
    for sources in baseline:
        assert len(sources) > len(TILES)
        for source, functions in sources.items():
            assert functions
            assert not beyond_baseline(functions), source
    avx2 = objects["avx2", "f32"]["correlate_tile"]
    assert beyond_baseline(avx2), "the check finds nothing where there is something"


@needs_objdump
@pytest.mark.skipif(not X86, reason="the baseline of this processor family has nothing to leave out")
def test_shipped_drivers_have_no_avx():
    """All modules but the one that holds the kernels for every instruction set."""
    modules = [
        path for path in Path(fastconv.kernels.__file__).parent.glob("*.so") if path.name.split(".")[0] != "runtime"
    ]
    if not modules and sys.platform != "linux":
        pytest.skip("no .so files on this system")
    assert modules
    for path in modules:
        assert not beyond_baseline(disassemble(path)), path.name
