"""Builds the compiled room: the kernels in C, once for each instruction set and element type, and the drivers.

Environment: FASTCONV_DEBUG=1 turns Cython's bounds checks and the compiler's debug symbols on; FASTCONV_OPENMP=0 leaves
OpenMP out; FASTCONV_PLAIN=1 leaves vectors out, as for a compiler without vector extensions; FASTCONV_ISAS="baseline
avx2" builds for these instruction sets alone; FASTCONV_SANITIZE=address,undefined builds with these sanitizers;
FASTCONV_DRIVERS=runtime builds some modules alone, here the one that holds the kernels.
Each of them wants a build folder of its own: objects are not built again because the environment changed.
"""

import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

if sysconfig.get_config_var("Py_GIL_DISABLED"):  # neither the stable ABI nor, without the GIL, the drivers
    raise SystemExit("fastconv does not support free-threaded Python yet; build it for a Python that has the GIL")

ROOT = Path(__file__).parent
KERNELS = Path("fastconv/kernels")
SOURCES = KERNELS / "src"
DRIVERS = sorted((ROOT / KERNELS).glob("*.pyx"))


def asked(name):
    return os.environ.get(name, "0") not in ("", "0")


DEBUG = asked("FASTCONV_DEBUG")
PLAIN = asked("FASTCONV_PLAIN")
SANITIZE = os.environ.get("FASTCONV_SANITIZE", "")
WINDOWS = sys.platform == "win32"
TARGET = sysconfig.get_platform()  # of a cross build, _PYTHON_HOST_PLATFORM
CROSS = os.environ.get("_PYTHON_HOST_PLATFORM", "").startswith("linux") and platform.machine() not in TARGET

BASE_FLAGS = ["/O2", "/std:c11"]
if not WINDOWS:
    BASE_FLAGS = ["-O3", "-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-Wno-psabi"]
    # Nothing unwinds through C: the tables for it would only make the wheel larger.
    BASE_FLAGS += ["-g"] if DEBUG or SANITIZE else ["-g0", "-fno-asynchronous-unwind-tables"]
if PLAIN:
    BASE_FLAGS += ["-DFC_PLAIN_LOOPS"]
# Drivers call kernels and hold no loop over elements: -O3, vectorised loops, aligned branches, copies of what several
# ways compute, and a second table of what Python exports would only make the wheel larger.
DRIVER_FLAGS = ["-O2", "-fno-plt", "-fno-align-functions", "-fno-align-jumps", "-fno-align-loops"]
DRIVER_FLAGS += ["-fno-tree-vectorize", "-fno-gcse"]
if WINDOWS or SANITIZE:
    DRIVER_FLAGS = []
if SANITIZE:  # -O1 builds in half the time, and keeps what -O3 would find to be unused
    BASE_FLAGS += ["-O1", f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# Unknown to others. Kernels say themselves which loops are worth several copies.
GCC_DRIVER_FLAGS = ["-fno-tree-pre"]
GCC_KERNEL_FLAGS = ["-fno-unswitch-loops", "-fno-split-loops", "-fno-peel-loops"]
# Without symbols, and without pages of zeros between code and data.
LINK_FLAGS = [] if DEBUG or WINDOWS or sys.platform == "darwin" else ["-s", "-Wl,-z,noseparate-code"]
if SANITIZE:
    LINK_FLAGS = [f"-fsanitize={SANITIZE}"]
X86_ISAS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mavx2", "-mfma", "-mprefer-vector-width=512"],
}


def instruction_sets():
    """The compiler flags of each instruction set that the target's processor family knows, the best last."""
    known = {"baseline": []}
    if TARGET.endswith(("x86_64", "amd64")) and not WINDOWS and not PLAIN:
        known = X86_ISAS
    elif TARGET.endswith(("aarch64", "arm64")) and not PLAIN:
        known = {"neon": []}
    wanted = os.environ.get("FASTCONV_ISAS", "").split() or list(known)
    if not set(wanted) <= set(known):
        raise ValueError(f"FASTCONV_ISAS (={' '.join(wanted)!r}) must be some of {' '.join(known)}")
    return {isa: flags for isa, flags in known.items() if isa in wanted}


OPENMP_PROGRAM = """
#include <omp.h>
#include <stdio.h>
int main(void) {
    int threads = 0;
    #pragma omp parallel num_threads(2)
    {
        #pragma omp critical
        threads += 1;
    }
    printf("%d %d", _OPENMP, threads);
    return 0;
}
"""


def probe_openmp(compiler):
    """The flags (compile, link) with which a parallel program builds and runs, or two empty lists and a warning."""
    if os.environ.get("FASTCONV_OPENMP", "1") == "0":
        warnings.warn("FASTCONV_OPENMP=0: fastconv is built without OpenMP and computes on one thread", stacklevel=2)
        return [], []
    choices = [(["/openmp"], [])] if WINDOWS else [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        choices.append((["-Xpreprocessor", "-fopenmp"], ["-lomp"]))
    said = []
    for compile_flags, link_flags in choices:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(OPENMP_PROGRAM)
            program = Path(folder, "probe")
            command = [*compiler_command(compiler), *compile_flags, str(source), "-o", str(program), *link_flags]
            try:
                built = subprocess.run(command, capture_output=True, text=True)
                if built.returncode == 0:
                    if CROSS:  # what was built for another processor cannot be tried here
                        return compile_flags, link_flags
                    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=60)
                    if ran.returncode == 0 and ran.stdout:
                        return compile_flags, link_flags
                    built = ran
                said.append(f"$ {' '.join(command)}\n{built.stdout}{built.stderr}")
            except (OSError, subprocess.TimeoutExpired) as problem:
                said.append(f"$ {' '.join(command)}\n{problem}")
    message = "\n".join(said)
    warnings.warn(
        f"no OpenMP: fastconv is built serial and computes on ONE THREAD. The compiler said:\n{message}", stacklevel=2
    )
    return [], []


def compiler_command(compiler):
    return list(getattr(compiler, "compiler", None) or ["cl"])


def compiler_version(compiler):
    try:
        command = [*compiler_command(compiler), "--version"]
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


class BuildKernels(build_ext):
    """Compiles the C kernels, each source once an instruction set and element type, and links them into `runtime`."""

    def build_extensions(self):
        self.compile_cython()
        compile_flags, link_flags = probe_openmp(self.compiler)
        self.compiler.add_include_dir(str(SOURCES))
        gcc = not WINDOWS and "clang" not in compiler_version(self.compiler).lower()
        own_flags = GCC_DRIVER_FLAGS if gcc else []
        for extension in self.extensions:
            extension.extra_compile_args = [*BASE_FLAGS, *DRIVER_FLAGS, *own_flags, *compile_flags]
            extension.extra_link_args = [*link_flags, *LINK_FLAGS]
            if extension.name.endswith(".runtime"):
                extension.extra_objects = self.build_kernels(compile_flags, GCC_KERNEL_FLAGS if gcc else [])
                self.write_build_facts(bool(compile_flags))
        # The kernels are built above with threads of our own; setuptools' own parallel build takes the drivers.
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()

    def compile_cython(self):
        """The drivers' C, below the build folder: a source distribution holds what people wrote, not this."""
        directives = {"boundscheck": DEBUG, "initializedcheck": DEBUG, "wraparound": False, "cdivision": True}
        directives["binding"] = False  # drivers are called, not looked into: Cython's own functions weigh 4 KB a module
        compiled = cythonize(
            [Extension(extension.name, list(extension.sources)) for extension in self.extensions],
            build_dir=str(Path(self.build_temp) / "cython"),
            compiler_directives=directives,
            language_level=3,
            include_path=["."],
            quiet=True,
        )
        for extension, result in zip(self.extensions, compiled, strict=True):
            extension.sources = result.sources

    def build_kernels(self, openmp_flags, own_flags):
        """The objects of all kernels and of the dispatcher; a newer source or header builds them again."""
        isas = instruction_sets()
        definitions = SOURCES / "isas.def"
        text = "".join(f"FC_ISA_ENTRY({isa})\n" for isa in isas)
        generated = Path(self.build_temp) / "generated"
        generated.mkdir(parents=True, exist_ok=True)
        if not (generated / definitions.name).exists() or (generated / definitions.name).read_text() != text:
            (generated / definitions.name).write_text(text)
        jobs = [(SOURCES / name, "dispatch", openmp_flags, []) for name in ("dispatch.c", "memory.c")]
        for isa, flags in isas.items():
            for double, suffix in ((0, f"f32_{isa}"), (1, f"f64_{isa}")):
                macros = [("FC_ISA", isa), ("FC_SUFFIX", suffix), ("FC_DOUBLE", str(double))]
                for source in [SOURCES / "table.c", *sorted((SOURCES / "kernels").glob("*.c"))]:
                    jobs.append((source, suffix, flags, macros))
        headers = [*SOURCES.glob("*.h"), *SOURCES.glob("*.def"), Path(__file__)]
        newest_header = max(path.stat().st_mtime for path in headers)

        def build(job):
            source, folder, flags, macros = job
            output = Path(self.build_temp) / "kernels" / folder
            target = output / source.with_suffix(self.compiler.obj_extension)
            if not target.exists() or target.stat().st_mtime < max(source.stat().st_mtime, newest_header):
                self.compiler.compile(
                    [str(source)],
                    output_dir=str(output),
                    macros=macros,
                    include_dirs=[str(SOURCES), str(generated)],
                    extra_postargs=[*BASE_FLAGS, *own_flags, *flags],
                )
            return str(target)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(build, jobs))

    def write_build_facts(self, openmp):
        """What `fastconv info` says of this build, as a header of the runtime module."""
        facts = {
            "COMPILER": compiler_version(self.compiler),
            "FLAGS": " ".join(BASE_FLAGS),
            "OPENMP": "yes" if openmp else "none",
            "DEBUG": "yes" if DEBUG else "no",
            "CYTHON": Cython.__version__,
        }
        generated = Path(self.build_temp) / "generated"
        generated.mkdir(parents=True, exist_ok=True)
        lines = [f'#define FC_BUILD_{name} "{value}"\n' for name, value in facts.items()]
        (generated / "build_facts.h").write_text("".join(lines))
        self.compiler.add_include_dir(str(generated))


class SourceDistribution(sdist):
    """With all that the tests and benchmarks need; setuptools itself takes the tests/test*.py alone."""

    def make_release_tree(self, base_dir, files):
        patterns = ("CHANGELOG.md", ".ci/*", "bench/*.py", "tests/**/*.py", "tests/**/*.txt", "tests/*.c")
        more = (str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))
        super().make_release_tree(base_dir, sorted({*files, *more}))


def depends(driver):
    """What the driver is built again for. Named as dependencies of `runtime`, a source distribution takes all along."""
    suffixes = (".pyx", ".pxd", ".pyi", ".c", ".h", ".def") if driver.stem == "runtime" else (".pxd", ".h", ".def")
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / KERNELS).rglob("*")) if path.suffix in suffixes]


setup(
    ext_modules=[
        Extension(
            f"fastconv.kernels.{driver.stem}",
            [str(driver.relative_to(ROOT))],
            depends=depends(driver),
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")],
            py_limited_api=True,
        )
        for driver in DRIVERS
        if driver.stem in os.environ.get("FASTCONV_DRIVERS", driver.stem).split()
    ],
    cmdclass={"build_ext": BuildKernels, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
