"""Errors that are expected; `alexnet.cli` gives each its exit code."""

from alexnet.interrupts import Terminated
from minigrad.io import CheckpointError

__all__ = [
    "BadImage",
    "CheckpointError",
    "DataError",
    "Diverged",
    "DivergedNetwork",
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


class OutOfMemory(Exception):
    """More memory is needed than is available; the message says what would fit."""
