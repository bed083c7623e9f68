"""Builds the compiled room: the kernels in C, once for each instruction set and element type, and the drivers.

Environment: FASTCONV_DEBUG=1 turns Cython's bounds checks and the compiler's debug symbols on; FASTCONV_OPENMP=0 leaves
OpenMP out.
"""

import os
import platform
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
KERNELS = Path("fastconv/kernels")
SOURCES = KERNELS / "src"
DRIVERS = sorted((ROOT / KERNELS).glob("*.pyx"))
DEBUG = os.environ.get("FASTCONV_DEBUG", "0") not in ("", "0")
WINDOWS = sys.platform == "win32"

BASE_FLAGS = ["/O2"]
if not WINDOWS:
    BASE_FLAGS = ["-O3", "-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-Wno-psabi"]
    # Nothing unwinds through C: the tables for it would only make the wheel larger.
    BASE_FLAGS += ["-g"] if DEBUG else ["-g0", "-fno-asynchronous-unwind-tables"]
# Drivers call kernels and hold no loop over elements: -O3, vectorised loops, aligned branches, copies of what several
# ways compute, and a second table of what Python exports would only make the wheel larger.
DRIVER_FLAGS = ["-O2", "-fno-plt", "-fno-align-functions", "-fno-align-jumps", "-fno-align-loops"]
DRIVER_FLAGS += ["-fno-tree-vectorize", "-fno-gcse"]
if WINDOWS:
    DRIVER_FLAGS = []
GCC_DRIVER_FLAGS = ["-fno-tree-pre"]  # unknown to others
# Without symbols, and without pages of zeros between code and data.
LINK_FLAGS = [] if DEBUG or WINDOWS or sys.platform == "darwin" else ["-s", "-Wl,-z,noseparate-code"]
X86_ISAS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mavx2", "-mfma", "-mprefer-vector-width=512"],
}


def instruction_sets():
    """The compiler flags of each instruction set that this machine's processor family knows, the best last."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64") and not WINDOWS:
        return X86_ISAS
    return {"neon": []} if machine in ("aarch64", "arm64") else {"baseline": []}


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
        command = [*compiler_command(compiler)[:1], "--version"]
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


class BuildKernels(build_ext):
    """Compiles the C kernels, each source once an instruction set and element type, and links them into `runtime`."""

    def build_extensions(self):
        self.compile_cython()
        compile_flags, link_flags = probe_openmp(self.compiler)
        self.compiler.add_include_dir(str(SOURCES))
        own_flags = [] if WINDOWS or "clang" in compiler_version(self.compiler).lower() else GCC_DRIVER_FLAGS
        for extension in self.extensions:
            extension.extra_compile_args = [*BASE_FLAGS, *DRIVER_FLAGS, *own_flags, *compile_flags]
            extension.extra_link_args = [*link_flags, *LINK_FLAGS]
            if extension.name.endswith(".runtime"):
                extension.extra_objects = self.build_kernels(compile_flags)
                self.write_build_facts(bool(compile_flags))
        # The kernels are built above with threads of our own; setuptools' own parallel build takes the drivers.
        self.parallel = self.parallel or os.cpu_count()
        super().build_extensions()

    def compile_cython(self):
        """The drivers' C, below the build folder: a source distribution holds what people wrote, not this."""
        directives = {"boundscheck": DEBUG, "initializedcheck": DEBUG, "wraparound": False, "cdivision": True}
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

    def build_kernels(self, openmp_flags):
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
                    extra_postargs=[*BASE_FLAGS, *flags],
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
        patterns = ("CHANGELOG.md", ".ci/run", "bench/*.py", "tests/*.py")
        more = (str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))
        super().make_release_tree(base_dir, sorted({*files, *more}))


# Named as dependencies, so that a source distribution takes them along.
WRITTEN = [
    str(path.relative_to(ROOT))
    for path in sorted((ROOT / KERNELS).rglob("*"))
    if path.suffix in (".pyx", ".pxd", ".pyi", ".c", ".h", ".def")
]

setup(
    ext_modules=[
        Extension(
            f"fastconv.kernels.{driver.stem}",
            [str(driver.relative_to(ROOT))],
            depends=WRITTEN,
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")],
            py_limited_api=True,
        )
        for driver in DRIVERS
    ],
    cmdclass={"build_ext": BuildKernels, "sdist": SourceDistribution},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
