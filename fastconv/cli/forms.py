"""The forms in which counts are printed, and what every verb that counts has in common."""

import importlib.util
import shutil

FORMS = (("json", "a JSON object"), ("csv", "comma-separated values"), ("markdown", "a Markdown table"))
LEAST_WIDTH = 60  # columns that a table takes even where the terminal has fewer


def add_arguments(parser, picture):
    form = parser.add_mutually_exclusive_group()
    for name, what in FORMS:
        form.add_argument(
            f"--{name}", dest="form", action="store_const", const=name, default="table", help=f"print {what}"
        )
    parser.add_argument("--plot", metavar="FILE", help=f"draw {picture} (png, svg or pdf; with matplotlib)")


def check(args):
    """What is missing is said before anything is computed."""
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        raise ValueError('--plot needs matplotlib: pip install "fastconv[cli]"')


def show(args, found):
    """Print what was counted, and draw it."""
    from fastconv.cli.terminal import Terminal

    if args.form == "table":
        terminal = Terminal()
        title, *lines = found.table(width()).splitlines()
        terminal.fact(title, "bold")
        for line in lines:
            terminal.fact(line)
    else:
        print(getattr(found, args.form)().rstrip("\n"))
    if args.plot:
        found.plot(args.plot)


def width():
    """The terminal's columns, or 80 where there is none; $COLUMNS says otherwise."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((80, 24)).columns)
