"""What SIGINT (Ctrl-C) and SIGTERM (a scheduler, a shutdown) do to a run.

During training the first signal ends the run after the current step and saves it, the second one
ends it at once without saving, the third one kills the process. Before and after training there
is nothing to save, and the first signal ends the run at once. The first signal never interrupts
a save.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from alexnet.errors import Terminated
from alexnet.training.trainer import Trainer

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Within this block SIGINT raises KeyboardInterrupt and SIGTERM raises `Terminated`."""
    with _handled_by(_raise):
        yield


@contextlib.contextmanager
def after_step(trainer: Trainer) -> Iterator[list[int]]:
    """Within this block the first signal ends training after the step, the second at once.

    Yields:
        a list to which the number of each signal is added.
    """
    received = []

    def stop(number: int, frame: Any) -> None:
        received.append(number)
        trainer.interrupted = True
        _handle(_raise)
        # Not print(): the signal may arrive while the progress is being printed.
        os.write(2, b"\nstopping after this step, to save it (once more: at once, unsaved)\n")

    with _handled_by(stop):
        yield received


def _raise(number: int, frame: Any) -> None:
    _handle(signal.SIG_DFL)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _handle(handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)
