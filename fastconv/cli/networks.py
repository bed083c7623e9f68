"""A network as it is typed: a name, a line of layers, a checkpoint, or module:callable."""

import argparse
import importlib
import re
import sys
from pathlib import Path

from fastconv.cli.values import MODELS

_SHAPE = re.compile(r"\d{1,40}(?:x\d{1,40})*")
_CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
LARGEST = 10**40  # sizes that are only counted with need not fit into 64 bits
DEFAULT_SHAPE = (1, 28, 28)  # of a line of layers, where no other is said

WHAT = (
    f'{", ".join(MODELS)}; layers in a line, as "conv 6 5 pad 2; sigmoid; avgpool 2; dense 10"; '
    "the folder of a run or its checkpoint; or module:callable, which returns a network"
)


def shape(text):
    """An argument type: "1x28x28" as (1, 28, 28)."""
    if not _SHAPE.fullmatch(text) or 0 in (numbers := tuple(map(int, text.split("x")))):
        raise argparse.ArgumentTypeError(f"{text!r}, expected positive sizes without the batch, as in 1x28x28")
    return numbers


def sizes(text):
    """An argument type: one or two positive integers, "1000" or "480x640"."""
    numbers = shape(text)
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError(f"{text!r}, expected one size or two, as in 480x640")
    return numbers if len(numbers) == 2 else numbers * 2


def add_arguments(parser):
    """What every verb that takes a network has."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help=f"the network: {WHAT}".replace("%", "%%"))
    parser.add_argument(
        "--input", type=shape, metavar="SHAPE", help="of one image, as 1x28x28 (default: the network's own)"
    )
    parser.add_argument("--recipe", choices=("relu", "book"), help="the variant of lenet (default: relu)")
    parser.add_argument("--classes", metavar="N", help="outputs of a named network (default: 10)")


def resolve(args, parser):
    """(network, input shape, what it is called). What is typed wrong ends the command with exit code 2.

    Raises:
        OSError, ValueError: a file at fault.
    """
    typed = args.model
    classes = _classes(args, parser)
    if typed not in MODELS:
        for option, value in (("--recipe", args.recipe), ("--classes", args.classes)):
            if value is not None:
                parser.error(f"argument {option}: only the networks {', '.join(MODELS)} have it")
    if typed in MODELS:
        if args.recipe and typed != "lenet":
            parser.error(f"argument --recipe: {typed} has no variants")
        return _named(typed, args, classes)
    if _is_file(typed):
        return _checkpoint(typed, args.input)
    if _CALLABLE.fullmatch(typed):
        return _called(typed, args.input, parser)
    if re.search(r"[;()\s]", typed.strip()) or typed.strip() in _words():
        return _parsed(typed, args.input or DEFAULT_SHAPE, parser)
    parser.error(f"argument MODEL: unknown network {typed!r}, expected {WHAT}")


def _classes(args, parser):
    from fastconv.cli.values import whole_number

    if args.classes is None:
        return 10
    try:
        return whole_number(1, 10**6)(args.classes)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --classes: {error}")


def _named(name, args, classes):
    from fastconv import models

    variant = {"variant": args.recipe} if args.recipe else {}
    net = models.build(name, num_classes=classes, **variant)
    return net, args.input or models.INPUT_SHAPES[name], name


def _words():
    from fastconv.models import specification

    return specification.WORDS


def _parsed(text, input_shape, parser):
    from fastconv import models

    try:
        return models.parse(text, input_shape), input_shape, "network"
    except models.SpecificationError as error:
        parser.error(f"argument MODEL: {error}")


def _is_file(typed):
    try:
        return Path(typed).exists() or typed.endswith(".npz")
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False


def _checkpoint(path, input_shape):
    from fastconv import training

    trained = training.Trained(path)
    return trained.net, input_shape or trained.input_shape, str(trained)


def _called(typed, input_shape, parser):
    """The network that module:callable returns; what goes wrong inside is the module's fault: exit code 1."""
    from fastconv import nn

    module_name, _, names = typed.partition(":")
    sys.path.insert(0, "")  # the folder where the command was typed, as with python -m
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise ValueError(f"{typed}: {error}") from None
        parser.error(f"argument MODEL: {typed}: there is no module {error.name}")
    except Exception as error:
        raise ValueError(f"{typed}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.remove("")
    made = module
    for name in names.split("."):
        if not hasattr(made, name):
            parser.error(f"argument MODEL: {typed}: {module_name} has no {names}")
        made = getattr(made, name)
    own = getattr(made, "input_shape", None)
    if not isinstance(made, nn.Layer):
        if not callable(made):
            parser.error(f"argument MODEL: {typed} is no callable, but a {type(made).__name__}")
        try:
            made = made()
        except Exception as error:
            raise ValueError(f"{typed}: {type(error).__name__}: {error}") from None
    if not isinstance(made, nn.Layer):
        raise ValueError(f"{typed} returned a {type(made).__name__}, expected a layer of fastconv.nn")
    input_shape = input_shape or own or getattr(made, "input_shape", None)
    if input_shape is None:
        parser.error(f"argument --input: {typed} does not say its input's shape; say it, as in --input 1x28x28")
    return made, tuple(input_shape), typed
