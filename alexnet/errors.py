"""What can go wrong in a way that is expected; `alexnet.cli` gives each its exit code."""

from minigrad.io import CheckpointError

__all__ = [
    "BadImage",
    "CheckpointError",
    "DataError",
    "Diverged",
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
    """The loss or a parameter is no longer a finite number."""


class OutOfMemory(Exception):
    """More memory is needed than there is; the message says what would fit."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""
