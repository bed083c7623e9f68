"""The ``fastconv`` command: a file a verb.

A verb's module has ``HELP`` (a line), ``EXAMPLES`` (shown by --help), ``add_arguments(parser)`` and
``run(args, parser)``, which returns the exit code; it imports what is heavy in ``run``. A new verb is a new file and a
name in VERBS.

Exit codes: 0, success; 2, typed wrong; 1, a file or the run went wrong; 130, Ctrl-C. Errors are one line on stderr.
"""

import argparse
import importlib
import os
import sys

VERBS = ("train", "predict", "show", "params", "compare", "demo", "bench", "info")

FAILURE, WRONG_USE, INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse with one line for an error, and no guessing at shortened options."""

    def __init__(self, *args, **options):
        super().__init__(*args, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        self.exit(WRONG_USE, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")


def main(argv=None):
    """Run the command with ``argv`` (None: what was typed) and return its exit code."""
    try:
        try:
            code = _run(argv)
        finally:
            sys.stdout.flush()  # a closed pipe shows here rather than at exit
        return code
    except BrokenPipeError:
        # whoever read our output has gone; leave nothing behind that Python would try to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _run(argv):
    parser = _parser()
    try:
        args = parser.parse_args(argv)
        if args.verb is None:
            parser.error(f"say what to do: {', '.join(VERBS)}")
        return args.module.run(args, args.parser)
    except SystemExit as done:  # --help, --version, and parser.error
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise
    except MemoryError:
        return fail("not enough memory")
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ValueError, ArithmeticError) as error:  # DataError, CheckpointError, NonFiniteLoss among them
        return fail(str(error))


def _parser():
    parser = Parser(
        prog="fastconv",
        description="Fast convolutional networks on the CPU: train them, use them, count them, look at the machine.",
        epilog="example:\n  fastconv train lenet\n\n`fastconv VERB --help` shows a verb's options and examples.",
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name in VERBS:
        module = importlib.import_module(f"fastconv.cli.{name}")
        verb = verbs.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__.splitlines()[0],
            epilog="examples:\n" + "".join(f"  {line}\n" for line in module.EXAMPLES),
        )
        module.add_arguments(verb)
        verb.set_defaults(module=module, parser=verb)
    return parser


class _Version(argparse.Action):
    """--version, without importing anything that is compiled."""

    def __init__(self, option_strings, dest):
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser, namespace, values, option_string=None):
        from fastconv._version import __version__

        print(f"fastconv {__version__}")
        parser.exit()


def fail(message, code=FAILURE):
    """Print a line of error, and return the exit code."""
    line = " ".join(message.split())  # one line, whatever the message holds
    print(f"fastconv: error: {line}", file=sys.stderr)
    return code
