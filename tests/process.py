"""Runs a piece of Python in a process of its own, with a time limit, for what cannot be tried in this one."""

import os
import signal
import subprocess
import sys


def path():
    """PYTHONPATH with this folder first. Nothing empty in it, which would be the folder that the process starts in."""
    return os.pathsep.join(filter(None, [os.path.dirname(__file__), os.environ.get("PYTHONPATH")]))


def run(script, *, seconds=60, env=None):
    """The finished process: returncode, stdout, stderr. A hang, of it or of its children, is a failure."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=True,  # so that forked children can be stopped together with it
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"still running after {seconds} s\n{stdout}\n{stderr}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def check(script, **options):
    """run(), and the process must succeed; what it printed."""
    done = run(script, **options)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
