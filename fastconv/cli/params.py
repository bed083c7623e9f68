"""Count a network's parameters and multiply-accumulates, layer by layer, beside its dense equivalent."""

from fastconv.cli.values import MODELS, whole_number

HELP = "count parameters and operations, layer by layer"

EXAMPLES = (
    "fastconv params lenet",
    "fastconv params lenet --recipe book --json",
    "fastconv params mlp --markdown",
)


def add_arguments(parser):
    parser.add_argument("model", nargs="?", default="lenet", choices=MODELS, help="the network (default: lenet)")
    parser.add_argument(
        "--recipe", choices=("relu", "book"), default="relu", help="the network's variant (default: relu)"
    )
    parser.add_argument("--classes", type=whole_number(1, 10**6), default=10, metavar="N", help="default: 10")
    form = parser.add_mutually_exclusive_group()
    for name, what in (("json", "a JSON object"), ("csv", "comma-separated values"), ("markdown", "a Markdown table")):
        form.add_argument(
            f"--{name}", dest="form", action="store_const", const=name, default="table", help=f"print {what}"
        )


def run(args, parser):
    from fastconv import counting, models

    variant = {"variant": args.recipe} if args.model == "lenet" else {}
    net = models.build(args.model, num_classes=args.classes, **variant)
    report = counting.count(net, models.INPUT_SHAPES[args.model], model=args.model)
    print(getattr(report, args.form)().rstrip("\n"))
    return 0
