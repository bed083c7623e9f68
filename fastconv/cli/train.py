"""Train a network on real images, and keep its weights, a checkpoint and the learning curve."""

from fastconv.cli.values import MODELS, number, whole_number

HELP = "train a network on real images"

EXAMPLES = (
    "fastconv train lenet",
    "fastconv train lenet --recipe book --data fashion-mnist --epochs 10",
    "fastconv train resnet18 --data fashion-mnist --batch-size 128",
    "fastconv train mlp --data path/to/idx-files --optimizer sgd --lr 0.05 --momentum 0.9",
    "fastconv train --resume runs/lenet-digits --epochs 40",
)


def add_arguments(parser):
    parser.add_argument("model", nargs="?", choices=MODELS, help="the network (default: lenet)")
    parser.add_argument(
        "--recipe",
        choices=("relu", "book"),
        help="relu (default): Adam; lenet with ReLU and max pooling; book: SGD; lenet with sigmoid and mean pooling",
    )
    parser.add_argument(
        "--data",
        metavar="NAME|DIR",
        help="digits (embedded, the default), fashion-mnist, mnist, or a folder with the four IDX files",
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="where to download a named data set that is not on this machine"
    )
    parser.add_argument(
        "--epochs", type=whole_number(1, 10**6), metavar="N", help="how many in all, those of a resumed run included"
    )
    parser.add_argument("--batch-size", type=whole_number(1), metavar="N")
    parser.add_argument("--optimizer", choices=("sgd", "adam"))
    parser.add_argument("--lr", type=number(above=0.0), metavar="X", help="learning rate of the first epoch")
    parser.add_argument("--momentum", type=number(below=1.0), metavar="X", help="with sgd")
    parser.add_argument("--weight-decay", type=number(), metavar="X")
    parser.add_argument(
        "--seed", type=whole_number(), metavar="N", help="of the first weights and the shuffling (default: 0)"
    )
    parser.add_argument("--threads", type=whole_number(1, 4096), metavar="N", help="default: see fastconv info")
    parser.add_argument("--out", metavar="DIR", help="where results are written (default: runs/MODEL-DATA)")
    parser.add_argument("--resume", metavar="DIR", help="go on with the run whose checkpoint is in DIR, bit for bit")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object an epoch on stdout, and nothing else there"
    )


def run(args, parser):
    from fastconv.cli import train_run  # what follows needs NumPy and the kernels; --help does not

    return train_run.run(args, parser)
