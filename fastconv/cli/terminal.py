"""What the verbs show: facts as lines, figures as JSON, and a progress bar where somebody is looking.

Colours and the bar are rich's, if it is installed and the stream is a terminal; everything else is plain text.
"""

import contextlib
import importlib.util
import json
import sys
import time

REDRAW = 0.1  # seconds between two looks of a progress bar

EXTRA = {"rich": "coloured output and progress bars", "matplotlib": "the picture of the learning curve"}


class Terminal:
    """``as_json``: stdout is for JSON alone, and facts go to stderr."""

    def __init__(self, as_json=False):
        self.as_json = as_json
        self._stream = sys.stderr if as_json else sys.stdout
        self._console = _console(self._stream)
        self._bar = None  # the plain bar under way, to be wiped before a line is printed

    def fact(self, text, style=None):
        """A line that a person wants to read. ``style``: a rich style, where there is colour."""
        if self._console is not None:
            self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            if self._bar is not None:
                self._bar.clear()
            print(text, file=self._stream, flush=True)

    def figures(self, values):
        """A JSON object on a line of stdout; nothing without --json."""
        if self.as_json:
            print(json.dumps(values), flush=True)

    def missing_extras(self):
        """Say once what the missing libraries would draw."""
        missing = [what for library, what in EXTRA.items() if not has(library)]
        if missing:
            self.fact(f'For {" and ".join(missing)}: pip install "fastconv[cli]"')

    @contextlib.contextmanager
    def progress(self, total):
        """A bar of ``total`` steps as a function ``show(done, text)``; it does nothing when nobody would see it."""
        if self._stream.isatty():
            stream, console = self._stream, self._console
        elif sys.stderr.isatty():
            stream, console = sys.stderr, _console(sys.stderr)
        else:
            yield lambda done, text: None
            return
        if self.as_json and sys.stdout.isatty():  # the bar and the JSON lines would write over each other
            yield lambda done, text: None
            return
        if console is not None:
            with _rich_bar(console, total) as bar:
                yield _seldom(bar, total)
            return
        self._bar = bar = _PlainBar(stream, total)
        try:
            yield _seldom(bar, total)
        finally:
            bar.clear()
            self._bar = None


def has(library):
    """Whether a library can be imported."""
    return importlib.util.find_spec(library) is not None


def _console(stream):
    if not stream.isatty() or not has("rich"):
        return None
    from rich.console import Console

    return Console(file=stream)


def _seldom(bar, total):
    """``bar``, called at most once in REDRAW seconds, and with how long the rest will take."""
    begin = latest = time.monotonic()
    first = None

    def show(done, text):
        nonlocal latest, first
        now = time.monotonic()
        first = done - 1 if first is None else first
        if now - latest < REDRAW and done < total:
            return
        latest = now
        left = (now - begin) * (total - done) / max(done - first, 1)
        bar(done, f"{text}  {duration(left)} left")

    return show


def duration(seconds):
    """Seconds as "12 s", "3 min 20 s" or "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


@contextlib.contextmanager
def _rich_bar(console, total):
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=total)

        def bar(done, text):
            progress.update(task, completed=done, description=text, refresh=True)

        yield bar


class _PlainBar:
    """A line that is written over again and again."""

    def __init__(self, stream, total):
        self._stream, self._total, self._width = stream, total, 0

    def __call__(self, done, text):
        line = f"{100 * done // max(self._total, 1):3d} %  {text}"
        self._stream.write(f"\r{line:<{self._width}}")
        self._stream.flush()
        self._width = len(line)

    def clear(self):
        self._stream.write(f"\r{'':<{self._width}}\r")
        self._stream.flush()
        self._width = 0
