"""Count a network's parameters, operations and memory, layer by layer, beside its dense equivalent."""

from fastconv.cli import forms, networks
from fastconv.cli.values import number, whole_number

HELP = "count parameters, operations and memory, layer by layer"

EXAMPLES = (
    "fastconv params lenet",
    "fastconv params lenet --recipe book --json",
    'fastconv params "conv 6 5 pad 2; sigmoid; avgpool 2; dense 10" --input 1x28x28 --batch 256',
    "fastconv params runs/lenet-digits --measure --plot lenet.png",
    "fastconv params mypackage.networks:small --input 3x32x32 --markdown",
)


def add_arguments(parser):
    networks.add_arguments(parser)
    parser.add_argument(
        "--batch", type=whole_number(1, networks.LARGEST), default=1, metavar="N",
        help="images that bytes are for (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--measure", action="store_true", help="time each layer, beside what this machine's peak and bandwidth allow"
    )
    parser.add_argument(
        "--seconds", type=number(above=0.0, below=60.0), default=0.1, metavar="S",
        help="that --measure calls a layer; the median counts (default: 0.1)",
    )  # fmt: skip
    parser.add_argument("--threads", type=whole_number(1, 4096), metavar="N", help="with --measure")
    forms.add_arguments(parser, "bars by layer")


def run(args, parser):
    from fastconv import counting

    args.model = args.model or "lenet"
    forms.check(args)
    net, input_shape, name = networks.resolve(args, parser)
    report = _count(counting, net, input_shape, args.batch, name, parser)
    if args.measure:
        report = _measured(report, net, args)
    forms.show(args, report)
    return 0


def _count(counting, net, input_shape, batch, name, parser):
    try:
        return counting.count(net, input_shape, batch, model=name)
    except ValueError as error:
        parser.error(f"argument --input: {error}")
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:  # no rule, or a layer at fault
        raise ValueError(f"{name}: {error}") from None


def _measured(report, net, args):
    from fastconv import settings
    from fastconv.benchmark import by_layer
    from fastconv.cli.terminal import Terminal

    if args.threads is not None:
        settings.set_num_threads(args.threads)
    terminal = Terminal(as_json=args.form != "table")
    with terminal.progress(len(report.layers)) as bar:
        return by_layer.measure(report, net, args.seconds, bar)
