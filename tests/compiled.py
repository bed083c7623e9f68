"""Builds the C that stands beside the tests, for what Python is too slow or too late for."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest


def library(name, folder):
    """The path of the shared library that is built in ``folder``; without a C compiler the test is skipped."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    command = next((words for words in (compiler.split(), ["cc"], ["gcc"]) if shutil.which(words[0])), None)
    if command is None:
        pytest.skip("no C compiler")
    source = Path(__file__).parent / name
    target = Path(folder, name).with_suffix(".so")
    subprocess.run([*command, "-O1", "-shared", "-fPIC", str(source), "-o", str(target), "-ldl"], check=True)
    return target
