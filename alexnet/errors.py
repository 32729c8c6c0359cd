"""Errors that are expected, and the exit code of each."""

import errno

from alexnet.interrupts import Terminated
from minigrad import BackendError
from minigrad.distributed import DistributedError
from minigrad.io import CheckpointError

__all__ = [
    "BadImage",
    "CheckpointError",
    "DataError",
    "Diverged",
    "DivergedNetwork",
    "Failed",
    "OutOfMemory",
    "Terminated",
    "UsageError",
]


class UsageError(Exception):
    """Options that do not make sense."""


class DataError(Exception):
    """A data set that cannot be used: one line that says what, where, and what to do."""


class BadImage(DataError):
    """One image that cannot be used, by name; the others of its data set can."""


class Diverged(Exception):
    """A training whose loss or parameters are no longer finite numbers."""


class DivergedNetwork(CheckpointError):
    """A checkpoint of no use: its parameters, or what they compute, are not finite numbers."""


class Failed(Exception):
    """A benchmark that cannot be finished: a program that it times ends, or computes wrong."""


class OutOfMemory(Exception):
    """More memory is needed than is available; the message says what would fit."""


def exit_code(error: Exception) -> tuple[int, Exception | str] | None:
    """The exit code of an expected error, and what to say of it; None for another one."""
    match error:
        case Failed():
            return 1, error
        case UsageError():
            return 2, error
        case DataError():
            return 3, error
        case CheckpointError():
            return 4, error
        case Diverged():
            return 5, error
        case OutOfMemory():
            return 6, error
        case MemoryError():
            return 6, f"out of memory: {error}; try a smaller --batch-size"
        case BrokenPipeError():
            return 7, "the output is closed: the program that read it has ended"
        case OSError():
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return 7, f"disk full: {error}; free some space" if full else error
        case BackendError() | DistributedError():
            return 8, error
    return None
