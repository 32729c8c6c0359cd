"""Stand-ins for the kernels of the backends, which measure every call while a trace runs.

`Backend.kernels` is a stand-in as long as at least one trace runs, and the module itself
otherwise: nothing is measured, or asked, where nobody traces.
"""

import inspect
import os
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from minigrad import backend as backends
from minigrad import observers
from minigrad.backend import Backend
from minigrad.trace.work import Statistics, Work, describe, statistics


class Recorder(Protocol):
    """What is told of the calls; `Trace` is the only implementation.

    Attributes:
        statistics: whether it wants those of the arrays that are written.
    """

    statistics: bool

    def called(self, work: Work, began: int, ended: int, found: tuple[Statistics, ...]) -> None:
        """A kernel was called in this thread, from `began` to `ended`, in ns of `perf_counter`."""

    def pause(self, nanoseconds: int) -> None:
        """Tracing itself took so long, just now in this thread."""

    def forked(self) -> None:
        """This process is a forked child, which is not traced: calls `stop`."""


running: tuple[Recorder, ...] = ()


def start(recorder: Recorder) -> None:
    """Tell a recorder of every call of a kernel from now on."""
    global running
    with observers.changing:
        running = (*running, recorder)
        if len(running) == 1:
            backends.replace_kernels(_stand_in)


def stop(recorder: Recorder) -> None:
    """Tell it no more; after the last one every backend has its own kernels again."""
    global running
    with observers.changing:
        was_running = bool(running)
        running = tuple(other for other in running if other is not recorder)
        if was_running and not running:
            backends.restore_kernels()


def _after_fork() -> None:
    for recorder in running:
        recorder.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


class _Kernels:
    """Stands for the kernels of a backend."""

    def __init__(self, device: Backend, kernels: ModuleType):
        self._device, self._kernels = device, kernels

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._kernels, name)
        if not callable(value):  # else it is a function such as `cuda.sources`
            value = _Family(self._device, name, value)
        setattr(self, name, value)
        return value


def _stand_in(device: Backend, kernels: Any) -> _Kernels:
    """A new one, or the one that somebody has kept from an earlier trace and put back."""
    return kernels if isinstance(kernels, _Kernels) else _Kernels(device, kernels)


class _Family:
    """Stands for the kernels of a family."""

    def __init__(self, device: Backend, name: str, family: Any):
        self._device, self._name, self._family = device, name, family

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._family, name)
        operation = f"{self._name}.{name}"
        measured = _measured(self._device, self._family, operation, function)
        setattr(self, name, measured)
        return measured


def _measured(device: Backend, family: Any, operation: str, function: Callable) -> Callable:
    """The function, with its calls told to every recorder that runs.

    The time of a call is that of the function alone: the device has finished everything before it
    begins, and the function's work when it ends. Describing and telling is a pause.
    """
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    outputs = {
        parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
    }

    def call(*arguments: Any, **named: Any) -> None:
        recorders = running
        if not recorders:  # somebody has kept the stand-in
            function(*arguments, **named)
            return
        device.synchronize()
        began = time.perf_counter_ns()
        function(*arguments, **named)
        device.synchronize()
        ended = time.perf_counter_ns()
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        work = describe(device, family, operation, bound.arguments, outputs)
        found: tuple[Statistics, ...] = ()
        if any(recorder.statistics for recorder in recorders):
            written = ((array.name, bound.arguments[array.name]) for array in work.written)
            found = tuple(statistics(name, device.asnumpy(array)) for name, array in written)
        for recorder in recorders:
            recorder.called(work, began, ended, found if recorder.statistics else ())
        pause = time.perf_counter_ns() - ended
        for recorder in recorders:
            recorder.pause(pause)

    return call
