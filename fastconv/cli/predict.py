"""Classify images with a trained network: image files (with Pillow) and IDX files.

Images are brought to the network's input: gray, resized, normalised as in training.
"""

from fastconv.cli.values import whole_number

HELP = "classify images with a trained network"

EXAMPLES = (
    "fastconv predict runs/lenet-digits seven.png",
    "fastconv predict runs/lenet-digits --invert photo-of-ink-on-paper.jpg",
    "fastconv predict runs/lenet-fashion-mnist t10k-images-idx3-ubyte.gz --first 20 --json",
)


def add_arguments(parser):
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the folder of a run, or its checkpoint file")
    parser.add_argument(
        "image", metavar="IMAGE", nargs="+", help="PNG, JPEG, BMP, GIF, TIFF, WebP or PNM files, or IDX files of images"
    )
    parser.add_argument(
        "--invert", action="store_true", help="swap light and dark: digits are learned light on dark, as MNIST has them"
    )
    parser.add_argument("--first", type=whole_number(1), metavar="N", help="only so many images of an IDX file")
    parser.add_argument(
        "--top", type=whole_number(1, 256), default=3, metavar="N", help="how many classes are shown (default: 3)"
    )
    parser.add_argument("--threads", type=whole_number(1, 4096), metavar="N", help="default: see fastconv info")
    parser.add_argument("--json", action="store_true", help="print a JSON object an image, with all probabilities")


def run(args, parser):
    from fastconv import cli, settings, training
    from fastconv.cli.terminal import Terminal

    if args.threads is not None:
        settings.set_num_threads(args.threads)
    trained = training.Trained(args.checkpoint)
    show = _Show(Terminal(), trained, args)
    code = 0
    for path in args.image:  # what is wrong with one does not keep the others from being classified
        try:
            images = training.read_images(path, trained.input_shape, args.invert)
        except ImportError as error:
            return cli.fail(f"{path}: {error}")
        except OSError as error:
            code = cli.fail(f"{path}: {error.strerror or error}")
        except (ValueError, MemoryError) as error:
            code = cli.fail(str(error) or f"{path}: not enough memory")
        else:
            show.file(path, len(images), trained.probabilities(images[: args.first]))
    return code


class _Show:
    """Lines of a table, or of JSON."""

    def __init__(self, terminal, trained, args):
        self._terminal, self._trained, self._args = terminal, trained, args
        self._width = max(len("image"), *(len(path) + _index_width(path) for path in args.image))
        self._classes = [trained.class_name(number) for number in range(trained.settings.classes)]
        self._top = min(args.top, len(self._classes))
        self._headed = False

    def file(self, path, count, probabilities):
        """``count`` images are in the file, of which these have been classified."""
        for index, row in enumerate(probabilities):
            if self._args.json:
                self._json(path, index, row)
            else:
                self._line(f"{path}[{index}]" if count > 1 else path, row)

    def _json(self, path, index, row):
        import json

        best = int(row.argmax())
        values = {"file": path, "index": index, "class": best, "name": self._classes[best]}
        print(json.dumps(values | {"probability": float(row[best]), "probabilities": row.tolist()}))

    def _line(self, name, row):
        wide = max(map(len, [*self._classes, "class"]))
        if not self._headed:
            heading = f"{'image':<{self._width}}  {'class':<{wide}}  probability"
            self._terminal.fact(heading + ("   then" if self._top > 1 else ""), "bold")
            self._headed = True
        order = (-row).argsort(kind="stable")[: self._top]
        first, *others = (f"{self._classes[k]:<{wide}}{100 * row[k]:9.2f} %" for k in order)
        self._terminal.fact(f"{name:<{self._width}}  {first}" + "".join(f"   {other}" for other in others))


def _index_width(path):
    """Room for the number of an image in a file that holds many."""
    from fastconv.training.images import is_idx

    try:
        return len("[99999]") if is_idx(path) else 0
    except (OSError, ValueError):  # said when its turn comes
        return 0
