"""A worker process, started, asked and ended: one library lives in each, so that no pool of threads disturbs others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PATIENCE = 180.0  # seconds until an answer is given up


class WorkerError(Exception):
    """What a worker could not do, in its own words."""


class Worker:
    """A process for `library` on `threads` threads, in the interpreter `python`.

    Raises WorkerError if the library is missing there. It is a context manager; leaving it ends the process.
    """

    def __init__(self, library: str, threads: int, python: str = sys.executable) -> None:
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = str(threads)
        if library == "fastconv":  # the one that runs here, not another that may be installed
            paths = [str(_HERE.parents[1]), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        else:
            environment.pop("PYTHONPATH", None)
        # the folder above the worker is the working directory, so that "-m worker" needs no fastconv
        environment.pop("PYTHONSAFEPATH", None)
        command = [python, "-m", "worker", "--library", library, "--threads", str(threads)]
        self.library = library
        try:
            self._process = subprocess.Popen(
                command,
                cwd=_HERE,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
        except OSError as error:
            raise WorkerError(f"{python} does not run: {error.strerror}") from None
        try:
            hello = self._answer()
            if "missing" in hello:
                raise WorkerError(hello["missing"])
        except BaseException:
            self.close()
            raise
        self.version: str = hello["version"]

    def ask(self, what: str, **request) -> dict:
        """Send one request and wait for its answer; WorkerError if it failed, took too long, or the process died."""
        if not self.alive:
            raise WorkerError("the process has ended")
        try:
            self._process.stdin.write(json.dumps({"do": what, **request}) + "\n")
        except OSError:
            raise WorkerError("the process has ended") from None
        answer = self._answer()
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _answer(self) -> dict:
        watch = threading.Timer(_PATIENCE, self._process.kill)
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        if not line:
            raise WorkerError(f"no answer: the process has ended with code {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        if self.alive:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()
