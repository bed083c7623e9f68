"""Draw what a trained network has learned: the first layer's filters, and the feature maps of an image.

Without IMAGE, the first validation image of the run's own data is taken, if it is on this machine.
"""

from pathlib import Path

from fastconv.cli.values import whole_number

HELP = "draw a trained network's filters and the feature maps of an image"

EXAMPLES = (
    "fastconv show runs/lenet-digits",
    "fastconv show runs/lenet-digits seven.png --out seven-features.png",
    "fastconv show runs/lenet-fashion-mnist t10k-images-idx3-ubyte.gz --index 7",
)

PICTURE = "features.png"


def add_arguments(parser):
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the folder of a run, or its checkpoint file")
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="an image file, or an IDX file of images")
    parser.add_argument(
        "--index", type=whole_number(), default=0, metavar="N", help="which image of the file or the data (default: 0)"
    )
    parser.add_argument(
        "--invert", action="store_true", help="swap light and dark: digits are learned light on dark, as MNIST has them"
    )
    parser.add_argument(
        "--out", metavar="FILE", help=f"the picture: png, svg or pdf (default: {PICTURE} in the run's folder)"
    )


def run(args, parser):
    import importlib.util

    from fastconv import training
    from fastconv.cli.terminal import Terminal

    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError('show needs matplotlib: pip install "fastconv[cli]"')
    terminal = Terminal()
    trained = training.Trained(args.checkpoint)
    try:
        images, name = _images(args, trained, training)
    except ImportError as error:
        raise ValueError(f"{args.image}: {error}") from None
    if images is not None and args.index >= len(images):
        raise ValueError(f"{name}: has {len(images):,} images, counted from 0; there is no {args.index}")
    out = Path(args.out or trained.path.with_name(PICTURE))
    if images is None:
        training.plot_features(trained, out, title=f"{trained}: filters")
        terminal.fact(f"filters                   {out}")
        terminal.fact(f"For feature maps, name an image: {trained.settings.data} is not on this machine.")
        return 0
    which = f"{name}, image {args.index}" if len(images) > 1 else name
    training.plot_features(trained, out, images[args.index], title=f"{trained}: {which}")
    terminal.fact(f"filters and feature maps  {out}")
    return 0


def _images(args, trained, training):
    """(images, what they are called); None for the images if none was named and the run's data are not here."""
    if args.image is not None:
        return training.read_images(args.image, trained.input_shape, args.invert), Path(args.image).name
    name = trained.settings.data
    images = training.sources.local_validation_images(name, trained.input_shape)
    return (255 - images if args.invert and images is not None else images), "validation"
