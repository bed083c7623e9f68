"""Show why a convolution needs so few parameters: the ladder from a dense layer down to it, or a network's layers."""

from fastconv.cli import forms, networks
from fastconv.cli.values import whole_number

HELP = "compare convolutions with their dense equivalents"

EXAMPLES = (
    "fastconv compare",
    "fastconv compare --image 224 --window 3 --in-channels 3 --out-channels 64 --plot ladder.png",
    "fastconv compare lenet",
    'fastconv compare "conv 8 3; relu; conv 16 3; dense 10" --input 3x32x32 --json',
)

_LADDER = ("image", "window", "in_channels", "out_channels", "hidden")


def add_arguments(parser):
    networks.add_arguments(parser)
    ladder = parser.add_argument_group("the ladder, where no MODEL is named")
    ladder.add_argument("--image", type=networks.sizes, metavar="SIZE", help="N or HxW (default: 1000x1000)")
    ladder.add_argument("--window", type=networks.sizes, metavar="SIZE", help="N or HxW (default: 21x21)")
    ladder.add_argument("--in-channels", type=whole_number(1, networks.LARGEST), metavar="N", help="default: 1")
    ladder.add_argument("--out-channels", type=whole_number(1, networks.LARGEST), metavar="N", help="default: 1")
    ladder.add_argument(
        "--hidden",
        type=whole_number(1, networks.LARGEST),
        metavar="N",
        help="units of the first dense layer (default: 1000)",
    )
    forms.add_arguments(parser, "the parameters on a logarithmic axis")


def run(args, parser):
    from fastconv import counting

    forms.check(args)
    typed = {name: getattr(args, name) for name in _LADDER if getattr(args, name) is not None}
    if args.model is None:
        for name in ("input", "recipe", "classes"):
            if getattr(args, name) is not None:
                parser.error(f"argument --{name}: say of which MODEL")
        try:
            found = counting.ladder(**typed)
        except ValueError as error:
            parser.error(str(error))
    else:
        for name in typed:
            parser.error(f"argument --{name.replace('_', '-')}: is for the ladder, without a MODEL")
        net, input_shape, name = networks.resolve(args, parser)
        try:
            found = counting.compare(net, input_shape, model=name)
        except ValueError as error:
            parser.error(f"argument --input: {error}")
        except (TypeError, AttributeError, LookupError, ArithmeticError) as error:  # no rule, or a layer at fault
            raise ValueError(f"{name}: {error}") from None
    forms.show(args, found)
    return 0
