"""What ``fastconv bench MODEL`` does: a whole network beside other libraries, and its plan step by step."""

import sys

from fastconv.cli import bench, networks

BATCHES = {"inference": (1, 256), "training": (64, 256)}


def run(args, parser):
    from fastconv import benchmark
    from fastconv.benchmark import profile_picture

    for option in ("layers", "shape", "sweep", "list", "stored"):
        if getattr(args, option):
            parser.error(f"argument MODEL: not with --{'from' if option == 'stored' else option}")
    net, input_shape, name = networks.resolve(args, parser)
    if args.recipe:
        name = f"{name}-{args.recipe}"

    def describe(batch):
        return benchmark.networks.describe(net, input_shape, batch, name)

    try:
        describe(1)
    except ValueError as error:  # profiled all the same
        if args.json:
            raise
        print(f"left out: other libraries: {error}", file=sys.stderr)
    else:
        bench.show(args, bench.measure(args, parser, lambda: _work(args, benchmark, describe)))
    profiles = _profiles(args, net, input_shape)
    if args.json != "-":
        for profile in profiles:
            print(f"\n{profile}")
    if args.plot:
        profile_picture.draw(profiles, f"{name}, compiled", args.plot)
    return 0


def _work(args, benchmark, describe):
    modes = benchmark.parse_modes(args.modes or ",".join(BATCHES))
    if others := [mode.name for mode in modes if mode.name not in BATCHES]:
        raise ValueError(f"modes: {others[0]!r} is none of {', '.join(BATCHES)}, those of a network")
    return [(mode, describe(batch)) for mode in modes for batch in ([args.batch] if args.batch else BATCHES[mode.name])]


def _profiles(args, net, input_shape):
    """Of the compiled network, a batch each."""
    import numpy as np

    import fastconv

    if args.threads:
        fastconv.set_num_threads(args.threads)
    random, found = np.random.default_rng(0), []
    for batch in [args.batch] if args.batch else BATCHES["inference"]:
        plan = fastconv.compile(net.eval(), input_shape, batch=batch)
        found.append(plan.profile(random.random((batch, *input_shape), plan.dtype), args.seconds * 4))
    return found
