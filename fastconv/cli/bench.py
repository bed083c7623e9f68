"""Time the named layers of real networks, beside each peer installed and under this machine's measured peak.

PyTorch, ONNX Runtime (with the package onnx), OpenVINO and SciPy take part where they are installed: here, or in the
environment whose interpreter --peers-python names. A network's training is timed with torch.compile too, where there is
a C++ compiler; compiling takes it a minute.
"""

import importlib.util
import sys
from pathlib import Path

from fastconv.cli import networks
from fastconv.cli.values import number, whole_number

HELP = "measure the speed of layers of real networks, beside other libraries"

EXAMPLES = (
    "fastconv bench --layers 'vgg-*' --modes compiled,plain",
    "fastconv bench --peers-python path/to/venv/bin/python --json bench.json --plot bench.png",
    "fastconv bench --shape '64x56x56->64 3x3 p1 b4' --modes plain",
    "fastconv bench --sweep 200 --seed 1",
    "fastconv bench --from bench.json --plot bench.svg",
    "fastconv bench lenet --recipe book --plot profile.png",
)

WORST = 10  # layers of a sweep that are listed


def add_arguments(parser):
    networks.add_arguments(parser)
    parser.add_argument(
        "--batch",
        metavar="N",
        type=whole_number(1, 10**6),
        help="images of a batch of MODEL (default: 1 and 256, in training 64 and 256)",
    )
    what = parser.add_argument_group("what is measured, where no MODEL is named (--modes: there too)")
    which = what.add_mutually_exclusive_group()
    which.add_argument("--layers", metavar="GLOB", help="names or patterns, separated by commas (default: all)")
    which.add_argument("--shape", metavar="NOTATION", action="append", help="a layer of your own; may be repeated")
    which.add_argument(
        "--sweep", metavar="N", type=whole_number(1, 10**5), help=f"N random layers, the {WORST} worst are listed"
    )
    which.add_argument("--list", action="store_true", help="list the layers and the modes, and measure nothing")
    which.add_argument("--from", dest="stored", metavar="FILE", help="show a stored report, and measure nothing")
    what.add_argument("--seed", metavar="S", type=whole_number(), default=0, help="which random layers (default: 0)")
    what.add_argument("--modes", metavar="LIST", help="separated by commas; --list shows them")
    what.add_argument("--dtype", choices=("float32", "float64"), help="default: float32; a MODEL has its own")
    how = parser.add_argument_group("how it is measured")
    how.add_argument("--threads", metavar="N", type=whole_number(1, 4096), help="of each library (default: fastconv's)")
    how.add_argument("--rounds", metavar="N", type=whole_number(1, 1000), default=3, help="best of them (default: 3)")
    how.add_argument(
        "--seconds", metavar="S", type=number(above=0.0, below=60.0), default=0.15,
        help="that a library calls a layer in a round; the median counts (default: 0.15)",
    )  # fmt: skip
    how.add_argument("--libraries", metavar="LIST", help="only these: fastconv,torch,torch_compile,onnxruntime,...")
    how.add_argument("--peers-python", metavar="PATH", default=sys.executable, help="the peers' interpreter")
    how.add_argument("--peers-from", metavar="FILE", help="take the peers' times from an earlier run's report")
    out = parser.add_argument_group("what comes out")
    out.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write the report as JSON; without FILE print it, alone"
    )
    out.add_argument(
        "--plot", metavar="FILE", help="draw the ratios and the roofline, or MODEL's steps (with matplotlib)"
    )


def run(args, parser):
    from fastconv import benchmark
    from fastconv.benchmark import picture, text
    from fastconv.cli import bench_network

    if args.model is None:
        for option in ("input", "recipe", "classes", "batch"):
            if getattr(args, option) is not None:
                parser.error(f"argument --{option}: only a MODEL has it")
    if args.list and args.model is None:
        print("\n".join(text.names()))
        return 0
    if args.plot and importlib.util.find_spec("matplotlib") is None:  # said before the measuring, not after it
        raise ValueError('--plot needs matplotlib: pip install "fastconv[cli]"')
    if args.model is not None:
        return bench_network.run(args, parser)
    report = _read(args.stored) if args.stored else measure(args, parser, lambda: _work(args, benchmark))
    show(args, report, worst=WORST if args.sweep else 0)
    if args.plot:
        picture.draw(report, args.plot)
    return 0


def show(args, report, worst=0):
    """Print a report, or write it, as --json has it; ValueError if it is empty."""
    from fastconv.benchmark import text

    if args.json == "-":
        print(report.to_json())
    else:
        text.show(report, worst)
        if args.json:
            Path(args.json).write_text(report.to_json() + "\n", encoding="utf-8")
    if not any(result.times for result in report.results):
        raise ValueError("no library could be measured")


def measure(args, parser, find_work):
    """The report on the (mode, layer) pairs that `find_work()` returns; its ValueError is of what was typed."""
    import fastconv
    from fastconv import benchmark
    from fastconv.benchmark.stored import with_stored_peers
    from fastconv.cli.terminal import Terminal

    try:
        work = find_work()
        libraries = _libraries(args, benchmark)
    except ValueError as error:
        parser.error(str(error))
    earlier = _read(args.peers_from) if args.peers_from else None
    steps = iter(range(1, len(work) + 2))
    with Terminal(as_json=args.json == "-").progress(len(work) + 1) as bar:
        report = benchmark.measure(
            work,
            threads=args.threads or fastconv.get_num_threads(),
            rounds=args.rounds,
            seconds=args.seconds,
            dtype=args.dtype or "float32",
            peers_python=args.peers_python,
            libraries=["fastconv", "fastconv-1-thread"] if earlier else libraries,
            progress=lambda what: bar(next(steps), what),
        )
    return with_stored_peers(report, earlier) if earlier else report


def _work(args, benchmark):
    """The (mode, layer) pairs that were asked for; ValueError if there are none."""
    if args.sweep:
        layers = benchmark.sample(args.sweep, args.seed)
    elif args.shape:
        layers = [benchmark.parse(notation) for notation in args.shape]
    else:
        layers = benchmark.select(args.layers or "*", (*benchmark.LAYERS, *benchmark.CALLS))
    modes = benchmark.parse_modes(args.modes or ("compiled" if args.sweep else ",".join(benchmark.DEFAULT_MODES)))
    work = [(mode, layer) for mode in modes for layer in layers if mode.takes(layer)]
    if not work:
        raise ValueError(f"none of these layers is measured in the modes {', '.join(mode.name for mode in modes)}")
    return work


def _libraries(args, benchmark):
    """The libraries named, or None for all; ValueError names one that does not exist."""
    if not args.libraries:
        return None
    known = ["fastconv", *dict.fromkeys(peer for mode in benchmark.MODES.values() for peer in mode.peers)]
    for name in args.libraries.split(","):
        if name not in known:
            raise ValueError(f"libraries: {name!r} is none of {', '.join(known)}")
    return args.libraries.split(",")


def _read(file):
    from fastconv.benchmark import from_json

    try:
        return from_json(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError too
        raise ValueError(f"{file}: {error}") from None
