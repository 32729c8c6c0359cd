"""What Ctrl-C (SIGINT), SIGTERM (a shutdown), SIGHUP (a closed terminal) and SIGUSR1 do.

A scheduler can send any of them before the time of a job is over; of mpiexec's signals SIGUSR1 is
the one that every MPI passes on to its processes.

A command ends with exit code 128 plus the number of the signal, and without a traceback. A signal
that its caller has told it to ignore, as nohup does with SIGHUP, stays ignored.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # Windows has but the first two
SIGNALS = [getattr(signal, name) for name in _NAMES if name in dir(signal)]


class Terminated(KeyboardInterrupt):
    """SIGTERM, SIGHUP or SIGUSR1 was received; its argument is the number."""


def signal_number(error: KeyboardInterrupt) -> int:
    """The number of the signal that was received."""
    return error.args[0] if isinstance(error, Terminated) else signal.SIGINT


def word(number: int) -> str:
    """What a signal has done to the command, in a word."""
    return "interrupted" if number == signal.SIGINT else "terminated"


def end_quietly_while_importing() -> None:
    """Let Ctrl-C end a command that is being started, instead of showing where Python was.

    `raised` takes over as soon as everything is imported. Programs that import the package keep
    their own handlers.
    """
    if _starts_a_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # There is nothing to save or to remove yet.
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))


def _starts_a_command() -> bool:
    """Whether this process is ``python -m alexnet...`` or the script ``alexnet``."""
    # While Python looks for the module, sys.argv has "-m" in the place of its name.
    module_or_script = next(iter(sys.orig_argv[-len(sys.argv) :]), "").removeprefix("-m")
    name = Path(module_or_script).name
    return name == "alexnet" or name.startswith("alexnet.") and not name.endswith(".py")


def end_by(number: int) -> None:
    """End this process by the signal itself, as if it had no handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within this block SIGINT raises KeyboardInterrupt, the other signals raise `Terminated`."""
    with handled_by(raise_once):
        yield


def raise_once(number: int, frame: Any) -> None:
    """A handler that raises; the next signal kills the process."""
    handle(signal.SIG_DFL)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(number)


@contextlib.contextmanager
def handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Within this block a handler receives the signals that are not ignored."""
    if threading.current_thread() is not threading.main_thread():
        # Python gives signals to the main thread only: that of a server, a notebook, a window.
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handle(handler)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            if handler_before is not None:  # None is one that Python has not installed
                signal.signal(number, handler_before)


def handle(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    """Install a handler for the signals that are not ignored."""
    for number in SIGNALS:
        # A script's background jobs ignore SIGINT, and have always been stopped with it here.
        if signal.getsignal(number) != signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, handler)
