"""What a signal does to a run that is being trained.

The first one ends the run after the current step and saves it, the second one ends it at once
without saving, the third one kills the process. Before and after training there is nothing to
save, and the first signal ends the run at once. The first signal never interrupts a save.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from alexnet import interrupts
from alexnet.training.trainer import Trainer


@contextlib.contextmanager
def after_step(trainer: Trainer) -> Iterator[list[int]]:
    """Within this block the first signal ends training after the step, the second at once.

    A team stops after the step in which the first of its processes has received one.

    Yields:
        a list to which the number of each signal that this process receives is added.
    """
    received = []

    def stop(number: int, frame: Any) -> None:
        received.append(number)
        trainer.interrupted = True
        interrupts.handle(interrupts.raise_once)
        if not trainer.team.leads:
            return
        with contextlib.suppress(OSError):  # the terminal may just have been closed
            # Not print(): the signal may arrive while the progress is being printed.
            os.write(2, b"\nstopping after this step, to save it (once more: at once, unsaved)\n")

    with interrupts.handled_by(stop):
        yield received
