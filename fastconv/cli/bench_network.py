"""What ``fastconv bench MODEL`` does: a whole network beside other libraries, and where its time goes, step by step."""

import sys

from fastconv.cli import bench, networks

BATCHES = {"inference": (1, 256), "training": (64, 256)}


def run(args, parser):
    from fastconv import benchmark
    from fastconv.benchmark import profile_picture

    for option in ("layers", "shape", "sweep", "list", "stored", "dtype"):
        if getattr(args, option):
            parser.error(f"argument MODEL: not with --{'from' if option == 'stored' else option}")
    wanted = [(mode, batch) for mode in _modes(args, parser) for batch in _batches(args, mode)]
    net, input_shape, name = networks.resolve(args, parser)
    if len(net.output_shape(input_shape)) != 1 and any(mode == "training" for mode, _ in wanted):
        wanted = [(mode, batch) for mode, batch in wanted if mode != "training"]
        print("left out: training: the network gives no row of classes", file=sys.stderr)
    args.dtype = next((str(parameter.dtype) for parameter in net.parameters().values()), "float32")
    if args.recipe:
        name = f"{name}-{args.recipe}"

    try:
        described = [benchmark.networks.describe(net, input_shape, batch, name) for _, batch in wanted]
    except ValueError as error:  # profiled all the same
        if args.json:
            raise
        print(f"left out: other libraries: {error}", file=sys.stderr)
    else:
        work = [(benchmark.MODES[mode], network) for (mode, _), network in zip(wanted, described, strict=True)]
        bench.show(args, bench.measure(args, parser, lambda: work))
    if args.json == "-" and not args.plot:
        return 0
    profiles = _profiles(args, net, input_shape, wanted)
    if args.json != "-":
        for profile in profiles:
            print(f"\n{profile}")
    if args.plot:
        profile_picture.draw(profiles, name, args.plot)
    return 0


def _modes(args, parser):
    modes = [mode.strip() for mode in (args.modes or ",".join(BATCHES)).split(",")]
    if others := [mode for mode in modes if mode not in BATCHES]:
        parser.error(f"modes: {others[0]!r} is none of {', '.join(BATCHES)}, those of a network")
    return list(dict.fromkeys(modes))


def _batches(args, mode):
    return [args.batch] if args.batch else BATCHES[mode]


def _profiles(args, net, input_shape, wanted):
    """Of the compiled network and of a training step, a batch each."""
    import numpy as np

    import fastconv

    if args.threads:
        fastconv.set_num_threads(args.threads)
    random, seconds, found = np.random.default_rng(0), 4 * args.seconds, []
    for mode, batch in wanted:
        shape = (batch, *input_shape)
        if mode == "inference":
            plan = fastconv.compile(net.eval(), input_shape, batch=batch)
            found.append(plan.profile(random.random(shape, plan.dtype), seconds))
        else:
            labels = random.integers(0, *net.output_shape(input_shape), batch)
            images = random.integers(0, 256, shape, dtype=np.uint8)
            data = fastconv.training.Dataset("random", fastconv.training.Split(images, labels))
            found.append(fastconv.training.profile(net, data, batch, seconds=seconds))
    return found
