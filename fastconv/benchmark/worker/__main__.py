"""python -m fastconv.benchmark.worker --library torch --threads 2: one JSON request a line in, one answer a line out.

The first line out says the library's version, or why it is missing. Requests: {"do": "prepare", "layer", "mode",
"dtype", "seconds"} makes the arrays, checks the result, warms up and keeps the library's fastest way of calling;
{"do": "prepare_call", ...} does so for a call of an operator; {"do": "time", "seconds"} answers {"seconds"}, a median;
{"do": "roofline", "seconds"}; {"do": "release"}. What fails answers {"error"}. Between two requests the process sleeps
on its input: nothing computes but the one that was asked.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from . import calls, clock, problem

LIBRARIES = ("fastconv", "torch", "torch_compile", "onnxruntime", "openvino", "scipy")


class Worker:
    def __init__(self, library) -> None:
        self.library = library
        self.release()

    def prepare(self, layer: dict, mode: str, dtype: str, seconds: float) -> dict:
        self.release()
        data = problem.arrays(layer, dtype)
        times = {}
        forms = self.library.forms(layer, mode, data)
        for name, (call, fetch) in forms.items():
            problem.check(layer, data, fetch(call()))
            clock.warm_up(call)
            times[name] = clock.median(call, seconds / 3) if len(forms) > 1 else 0.0
        form = min(times, key=times.__getitem__)
        self.call, self.data = forms[form][0], data  # the arrays too: a library may only borrow them
        return {"form": form}

    def prepare_call(self, layer: dict, mode: str, dtype: str, seconds: float) -> dict:
        """As `prepare`, for a call of an operator; also answers with a digest of its results."""
        self.release()
        data = calls.arrays(layer, dtype)
        call, fetch, data = self.library.operator(layer, mode, data, dtype)
        found = calls.digest(layer, fetch(call()))
        clock.warm_up(call)
        self.call, self.data = call, data
        return {"form": layer["operator"], "digest": found}

    def prepare_network(self, layer: dict, mode: str, dtype: str, seconds: float) -> dict:
        """As `prepare_call`, for a network: inference on a batch, or an epoch of training (not compared)."""
        self.release()
        times, kept, found = {}, {}, None
        for name, (call, fetch, data) in self.library.network(layer, mode, dtype).items():
            y = call()
            if mode == "inference":
                found = calls.digest({"operator": "network"}, [fetch(y)])
            clock.warm_up(call)
            kept[name], times[name] = (call, data), clock.median(call, seconds / 3)
        form = min(times, key=times.__getitem__)
        self.call, self.data = kept[form]
        return {"form": form, "digest": found}

    def time(self, seconds: float) -> dict:
        return {"seconds": clock.median(self.call, seconds)}

    def roofline(self, seconds: float) -> dict:
        return self.library.roofline(seconds)

    def release(self) -> dict:
        self.call = self.data = None
        return {}


def main() -> int:
    parser = argparse.ArgumentParser(prog="fastconv.benchmark.worker")
    parser.add_argument("--library", required=True, choices=LIBRARIES)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not get between the answers

    try:
        library = importlib.import_module(f".with_{args.library}", __package__)
        version = library.start(args.threads)
    except Exception as error:
        print(json.dumps({"missing": _line(error)}), file=answers)
        return 0
    print(json.dumps({"version": version}), file=answers)

    worker = Worker(library)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": _line(error)}
        print(json.dumps(answer), file=answers)
    return 0


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
