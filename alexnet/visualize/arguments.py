"""Checks of arguments that pictures take from Python; the options of commands are checked before.

Messages name an argument without dashes, so that they serve both.
"""

from collections.abc import Collection

from alexnet.errors import UsageError


def require_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Raise UsageError unless a value is one of the choices."""
    if value not in choices:
        raise UsageError(f"{name}: {value!r} is none of {', '.join(map(str, choices))}")


def require_count(name: str, value: object) -> None:
    """Raise UsageError unless a value is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name}: {value!r} is not a whole number of at least 1")
