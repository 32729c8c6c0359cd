"""Progress of a long pass over images: a bar on a terminal and in a notebook, lines elsewhere.

Each form is a context manager that yields a function to call after every batch:
``report(images in the batch, mean loss so far, mean top-1 so far, share of the time that was spent
waiting for data)``.
"""

import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

from tqdm import tqdm

from alexnet import cli

Report = Callable[[int, float, float, float], None]
# title, number of images, how many of them are done already
Progress = Callable[[str, int, int], AbstractContextManager[Report]]

SECONDS_BETWEEN_LINES = 10
LINES_PER_PASS = 10


@contextlib.contextmanager
def silent(title: str, images: int, done: int = 0) -> Iterator[Report]:
    """Show nothing."""
    yield lambda images, loss, top1, waiting: None


@contextlib.contextmanager
def bar(title: str, images: int, done: int = 0) -> Iterator[Report]:
    """A bar with images per second and time left, which disappears at the end."""
    with _bar_class()(
        total=images, initial=done, desc=title, unit=" images", leave=False, dynamic_ncols=True
    ) as line:

        def report(images: int, loss: float, top1: float, waiting: float) -> None:
            line.set_postfix_str(
                f"loss {loss:.3f}, top-1 {top1:.1%}, waiting for data {waiting:.0%}", refresh=False
            )
            line.update(images)

        yield report


@contextlib.contextmanager
def lines(title: str, images: int, done: int = 0) -> Iterator[Report]:
    """A line every ten seconds, but at most ten lines."""
    started = printed = time.monotonic()
    first, printed_at = done, done

    def report(count: int, loss: float, top1: float, waiting: float) -> None:
        nonlocal done, printed, printed_at
        done += count
        now = time.monotonic()
        if now - printed < SECONDS_BETWEEN_LINES or done - printed_at < images / LINES_PER_PASS:
            return
        printed, printed_at = now, done
        rate = (done - first) / (now - started)
        left = timedelta(seconds=round((images - done) / rate))
        cli.say(
            f"{title}: {done:,} of {images:,} images, loss {loss:.3f}, top-1 {top1:.1%}, "
            f"{rate:.1f} images/s, waiting for data {waiting:.0%}, {left} left"
        )

    yield report


def for_this_terminal() -> Progress:
    """A bar where stderr is a terminal or that of a notebook with ipywidgets, else lines."""
    return bar if sys.stderr.isatty() or _has_widgets() else lines


def _has_widgets() -> bool:
    """Whether this is a notebook that can draw a bar.

    Without ipywidgets tqdm would warn, and write its bar as text again and again.
    """
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    shell = ipython and ipython.get_ipython()
    return hasattr(shell, "kernel") and importlib.util.find_spec("ipywidgets") is not None


def _bar_class() -> type[tqdm]:
    if not _has_widgets():
        return tqdm
    from tqdm.notebook import tqdm as notebook_tqdm

    return notebook_tqdm
