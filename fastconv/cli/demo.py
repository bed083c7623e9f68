"""Experiments that show what a principle is worth.

permutation: an MLP and LeNet learn the digits, with the pixels in order and in another order that is the same for all
images. The MLP loses nothing; LeNet does, most where digits do not stand in the middle.
"""

from fastconv.cli.values import whole_number

HELP = "run an experiment: what the order of pixels is worth"

EXAMPLES = (
    "fastconv demo permutation",
    "fastconv demo permutation --seeds 1 --json",
    "fastconv demo permutation --plot permutation.svg",
)

PICTURE = "runs/permutation.png"
_WORDS = {"mlp": "MLP", "lenet": "LeNet"}


def add_arguments(parser):
    parser.add_argument("experiment", choices=("permutation",), help="which")
    parser.add_argument("--seeds", type=whole_number(1, 1000), default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--epochs", type=whole_number(1, 10**6), default=20, metavar="N", help="of each run (default: 20)"
    )
    parser.add_argument("--threads", type=whole_number(1, 4096), metavar="N", help="default: see fastconv info")
    parser.add_argument(
        "--plot", metavar="FILE", help=f"the picture: png, svg or pdf (default: {PICTURE}, with matplotlib)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object: runs and gaps")


def run(args, parser):
    import dataclasses
    from pathlib import Path

    from fastconv import settings
    from fastconv.cli import forms
    from fastconv.cli.terminal import Terminal, has
    from fastconv.training import permutation as experiment

    forms.check(args)
    if args.threads is not None:
        settings.set_num_threads(args.threads)
    terminal = Terminal(args.json)
    with terminal.progress(experiment.steps(args.seeds, args.epochs)) as bar:
        found = experiment.permutation(args.seeds, args.epochs, [experiment.Progress(bar)])
    terminal.figures(dataclasses.asdict(found))
    _tell(terminal, found, args.seeds)
    if args.plot or has("matplotlib"):
        out = Path(args.plot or PICTURE)
        out.parent.mkdir(parents=True, exist_ok=True)
        experiment.plot_permutation(found, out)
        terminal.fact(f"picture  {out}")
    else:
        terminal.fact('For the picture: pip install "fastconv[cli]"')
    return 0


def _tell(terminal, found, seeds):
    """A line a network and placement, and what they come to."""
    terminal.fact(f"{'digits':<11}{'network':<9}{'in order':>10}{'permuted':>10}{'lost':>8}{'chance':>9}", "bold")
    for gap in found.gaps:
        terminal.fact(
            f"{gap.placement:<11}{_WORDS[gap.model]:<9}{100 * gap.in_order:8.1f} %{100 * gap.permuted:8.1f} %"
            f"{100 * gap.loss:8.1f}{100 * gap.chance:9.1f}"
        )
    runs = f"means of {seeds} seeds" if seeds > 1 else "of one seed"
    terminal.fact(f"Validation accuracies, {runs}; lost, and what chance may do, in percentage points.")
    for gap in found.gaps:
        words = f"{100 * gap.loss:.1f} points lost" if gap.loss > gap.chance else "no loss beyond chance"
        if gap.loss < -gap.chance:
            words = f"{-100 * gap.loss:.1f} points won"
        terminal.fact(f"{_WORDS[gap.model] + ', ' + gap.placement + ':':<18} {words}")
