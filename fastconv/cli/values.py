"""Argument types: each turns what was typed into a value or says what was expected."""

import argparse
import math

# Kept here so that --help imports no network; a test compares them with models.names()
MODELS = ("lenet", "mlp", "alexnet", "vgg11", "nin", "resnet18")


def whole_number(least=0, most=2**63 - 1):
    """Integers from ``least`` to ``most``."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            limit = f"at least {least}" if most >= 2**63 - 1 else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number, {limit}")
        return value

    return parse


def number(above=None, least=0.0, below=math.inf):
    """Finite floats greater than ``above`` (None: at least ``least``) and smaller than ``below``."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value >= least if above is None else value > above) or not value < below:
            limit = f"of at least {least:g}" if above is None else f"greater than {above:g}"
            limit += f" and less than {below:g}" if below < math.inf else ""
            raise argparse.ArgumentTypeError(f"{text!r}, expected a number {limit}")
        return value

    return parse
