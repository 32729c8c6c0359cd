"""MINIGRAD_TRACE: a whole process is traced, without a change of its program.

MINIGRAD_TRACE=1 prints a line for every call on standard error and, at the end of the process, the
table, and leaves a file in the current folder; MINIGRAD_TRACE=2 prints statistics, too.
"""

import atexit
import contextlib
import itertools
import logging
import os
import sys
from pathlib import Path

from minigrad.trace import lines
from minigrad.trace.events import Call
from minigrad.trace.recording import Trace

logger = logging.getLogger(__name__)

FILE = "minigrad-trace.json"


def begin() -> None:
    """Trace this process, if the environment says so.

    Any other value than 1 and 2, but 0 and nothing, is ignored, with a line.
    """
    text = os.environ.get("MINIGRAD_TRACE", "").strip()
    if text in ("", "0"):
        return
    if text not in ("1", "2"):
        logger.warning(
            "MINIGRAD_TRACE=%s is ignored: it is 1 for lines, 2 for statistics, too", text
        )
        return
    trace = Trace(statistics=text == "2", report=_Report())
    trace.__enter__()
    atexit.register(_end, trace, os.getpid())


class _Report:
    """Prints calls, with a header before the first one."""

    def __init__(self) -> None:
        self._has_header = False

    def __call__(self, call: Call) -> None:
        text = lines.line(call)
        if not self._has_header:
            self._has_header = True
            text = f"{lines.HEADER}\n{text}"
        _say(text)


def _end(trace: Trace, process: int) -> None:
    """Print the table and write the file, if there is something to say of this process."""
    trace.__exit__(None, None, None)
    if os.getpid() != process or not trace.table.rows:
        return
    _say(f"\n{trace}")
    try:
        path = _new_file()
        try:
            trace.save(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        _say(f"the trace is not saved: {error}")
    else:
        _say(f"trace: {path} (ui.perfetto.dev and chrome://tracing open it)")


def _new_file() -> Path:
    """An empty file of a name that was free: other processes look for one, too."""
    stem, suffix = os.path.splitext(FILE)
    for number in itertools.count(1):
        path = Path(FILE if number == 1 else f"{stem}-{number}{suffix}")
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise AssertionError("unreachable")


def _say(text: str) -> None:
    """Print on standard error; where nobody can read it any more, the work goes on."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # a broken pipe, a closed file
            print(text, file=sys.stderr, flush=True)
