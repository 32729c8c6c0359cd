"""`Trace`: what runs within its block, call by call, and in which layer."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from minigrad import observers
from minigrad.backend import Backend
from minigrad.nn import Module
from minigrad.observers import Kind, Observer
from minigrad.trace import file, layers, measuring
from minigrad.trace.events import Call, Span
from minigrad.trace.table import Table
from minigrad.trace.work import Statistics, Work

# Of calls and spans together: about 200 bytes each, and 300 in a file. Those that come after them
# are in the table only.
MOST_EVENTS = 200_000

PHASES: dict[Kind, str] = {
    "module": "forward",
    "forward": "forward",
    "backward": "backward",
    "backward pass": "backward",
    "update": "update",
}


class _Open:
    """A span that has not ended; times are ns."""

    __slots__ = ("began", "calls", "inside", "kind", "layer", "module", "name", "paused")

    def __init__(self, kind: Kind, name: str, layer: str, module: Module | None, paused: int):
        self.kind, self.name, self.layer, self.module = kind, name, layer, module
        self.paused = paused  # of the thread, until here
        self.inside = 0  # of spans and calls within it, without pauses
        self.calls = 0  # of kernels, directly within it
        self.began = time.perf_counter_ns()


class _Thread(threading.local):
    """What is open in a thread; made anew in each one."""

    def __init__(self, names: dict[int, str]):
        self.number = threading.get_native_id()
        names[self.number] = threading.current_thread().name
        self.open: list[_Open] = []
        self.dotted: Mapping[Module, str] = {}  # of the outermost module that is being called
        self.paused = 0  # ns that tracing itself has taken
        self.device: Backend | None = None  # of the last operation

    @property
    def module(self) -> Module | None:
        """The innermost one."""
        modules = (span.module for span in reversed(self.open))
        return next((module for module in modules if module is not None), None)


class Trace(Observer):
    """Records within its block, once: ``with minigrad.trace() as t``.

    Its printed form is a table, in a notebook a table of HTML.

    Args:
        statistics: note minimum, mean, maximum, NaN and infinities of what kernels write.
        report: is told of every call as it ends.

    Attributes:
        calls: of kernels, in the order of their ends, as many as fit beside the spans into
            `MOST_EVENTS`.
        spans: what contains them.
        omitted: calls and spans that are in the table only.
        table: what each layer takes.
        threads: the names of the threads by their numbers.
    """

    def __init__(self, statistics: bool = False, report: Callable[[Call], None] | None = None):
        self.statistics = statistics
        self.calls: list[Call] = []
        self.spans: list[Span] = []
        self.omitted = 0
        self.table = Table()
        self.threads: dict[int, str] = {}
        self._report = report
        self._names: layers.Names = layers.Names()
        self._works: dict[Work, Work] = {}
        self._thread = _Thread(self.threads)
        self._lock = threading.Lock()
        self._began: int | None = None
        self._runs = False

    def __enter__(self) -> "Trace":
        if self._began is not None:
            raise RuntimeError("a trace records one block: make another one with minigrad.trace()")
        self._began = time.perf_counter_ns()
        self._runs = True
        measuring.start(self)
        observers.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runs = False
        observers.remove(self)
        measuring.stop(self)

    def __repr__(self) -> str:
        return "\n".join([str(self.table), *self._notes()])

    def _repr_html_(self) -> str:
        return self.table.as_html(self._notes())

    def _notes(self) -> list[str]:
        if not self.omitted:
            return []
        return [
            f"{self.omitted:,} calls and spans are in this table only, not in `calls` and files."
        ]

    def name_layers(self, named: Mapping[str, Module]) -> None:
        """Name layers in this trace, from now on, instead of by the attributes they are.

        Raises:
            TypeError: one of them is no Module.
        """
        layers.give(self._names, named)

    def save(self, path: str | os.PathLike) -> None:
        """Write a file in Chrome's trace event format, which ui.perfetto.dev opens.

        Raises:
            OSError: it cannot be written; what was at `path` before is still there.
        """
        file.save(path, self.calls, self.spans, self.threads, self.omitted)

    # -- what observers are told -------------------------------------------------------------------

    def begin(self, kind: Kind, subject: Any, ctx: Any) -> _Open:
        """See `Observer.begin`."""
        thread = self._thread
        if ctx is not None:
            thread.device = ctx.backend
        module = subject if kind == "module" else thread.module
        if kind == "module" and thread.module is None:
            thread.dotted = layers.dotted_names(subject)
        layer = "" if module is None else layers.name_of(module, self._names, thread.dotted)
        match kind:
            case "module":
                name = layer
            case "forward":
                name = subject.__name__
                ctx.traced_layer = layer
            case "backward":
                name, layer = subject.__name__, ctx.traced_layer or ""
            case "backward pass":
                name, layer = "backward", ""
            case "update":
                name = layer = type(subject).__name__
        span = _Open(kind, name, layer, subject if kind == "module" else None, thread.paused)
        thread.open.append(span)
        return span

    def end(self, span: _Open) -> None:
        """See `Observer.end`."""
        thread = self._thread
        if thread.device is not None:  # what is still under way belongs to this span
            thread.device.synchronize()
        ended = time.perf_counter_ns()
        if not self._runs or span not in thread.open:
            return
        del thread.open[thread.open.index(span) :]
        paused = thread.paused - span.paused
        net = ended - span.began - paused
        if thread.open:
            thread.open[-1].inside += net
        if thread.module is None:
            thread.dotted = {}  # which would keep the network
        phase = PHASES[span.kind]
        is_operation = span.kind in ("forward", "backward") and not span.calls
        with self._lock:
            own = (net - span.inside) / 1e9
            if is_operation:
                self.table.add_operation(span.layer, phase, span.name, own)
            else:
                self.table.add_rest(phase, own)
            if self._has_room():
                began, seconds = self._since_beginning(span.began), (ended - span.began) / 1e9
                found = span.kind, span.name, span.layer, began, seconds, thread.number
                self.spans.append(Span(*found))

    # -- what the stand-ins of kernels tell --------------------------------------------------------

    def called(self, work: Work, began: int, ended: int, found: tuple[Statistics, ...]) -> None:
        """See `measuring.Recorder.called`."""
        if not self._runs:
            return
        thread = self._thread
        around = thread.open[-1] if thread.open else None
        layer, phase = (around.layer, PHASES[around.kind]) if around else ("", "")
        if around:
            around.inside += ended - began
            around.calls += 1
        seconds = max(ended - began, 1) / 1e9
        with self._lock:
            work = self._works.setdefault(work, work)
            call = Call(
                layer, phase, work, self._since_beginning(began), seconds, thread.number, found
            )
            self.table.add_call(layer, phase, work, seconds)
            if self._has_room():
                self.calls.append(call)
        if self._report:
            self._report(call)

    def pause(self, nanoseconds: int) -> None:
        """See `measuring.Recorder.pause`."""
        self._thread.paused += nanoseconds

    def forked(self) -> None:
        """See `measuring.Recorder.forked`."""
        self._lock = threading.Lock()  # a thread that may have held it does not exist here
        self.__exit__(None, None, None)

    def _since_beginning(self, moment: int) -> float:
        assert self._began is not None
        return (moment - self._began) / 1e9

    def _has_room(self) -> bool:
        """Whether one more call or span is kept; if not, it is counted."""
        has_room = len(self.calls) + len(self.spans) < MOST_EVENTS
        self.omitted += not has_room
        return has_room
