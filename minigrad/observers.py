"""Those who are told of what the engine does: `summary` counts operations, a trace measures them.

`Function.apply`, `Node.backward`, `run_backward`, `Module.__call__` and `Optimizer.step` tell every
observer in `active`. Where nobody observes, each of them asks once whether the tuple is empty.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any, Literal

# A call of a module; of a Function forward or backward; a whole backward pass; an optimizer's step.
Kind = Literal["module", "forward", "backward", "backward pass", "update"]


class Observer:
    """Base class; every method does nothing unless it is overridden.

    Observers hear of all threads, each from the thread that does the work.
    """

    def begin(self, kind: Kind, subject: Any, ctx: Any) -> Any:
        """Something begins; what is returned comes back with `end`.

        Args:
            subject: the module, the Function, the root of the backward pass, or the optimizer.
            ctx: the Context of a Function, otherwise None.
        """

    def end(self, span: Any) -> None:
        """What `begin` returned `span` for ends, by itself or by an exception."""

    def computed(self, function: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """The class of a Function has computed the array `output` from the arrays `inputs`."""


active: tuple[Observer, ...] = ()
changing = threading.Lock()  # held while observers and what depends on them change


def _after_fork() -> None:
    """In a child, where the thread that may have held the lock does not exist."""
    global changing
    changing = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


def add(observer: Observer) -> None:
    """Tell it of everything that begins from now on."""
    global active
    with changing:
        active = (*active, observer)


def remove(observer: Observer) -> None:
    """Tell it no more, but for the ends of what it has heard the beginning of."""
    global active
    with changing:
        active = tuple(other for other in active if other is not observer)


@contextlib.contextmanager
def span(kind: Kind, subject: Any, ctx: Any = None) -> Iterator[None]:
    """Tell all observers that something begins and, at the end of the block, ends."""
    begun = [(observer, observer.begin(kind, subject, ctx)) for observer in active]
    try:
        yield
    finally:
        for observer, its_span in reversed(begun):
            observer.end(its_span)
