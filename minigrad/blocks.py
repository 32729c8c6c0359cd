"""What holds within a block of code: a context manager that decorates functions and generators."""

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any


class Block(threading.local):
    """Changes a setting of this thread while it is entered.

    It may be entered any number of times, by several threads, and decorates functions. A decorated
    generator has the setting while it runs; what its caller does between two values has not.

    A subclass says what is changed, by `_enter` and `_leave`.
    """

    def __init__(self) -> None:  # called in each thread that enters it
        self._before: list[Any] = []

    def _enter(self) -> Any:
        """Change the setting; returns what it was."""
        raise NotImplementedError

    def _leave(self, before: Any) -> None:
        """Make the setting what it was."""
        raise NotImplementedError

    def __enter__(self) -> None:
        self._before.append(self._enter())

    def __exit__(self, *error: Any) -> None:
        self._leave(self._before.pop())

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Generator:
            with contextlib.closing(function(*args, **kwargs)) as generator:
                proceed = functools.partial(next, generator)
                while True:
                    with self:
                        try:
                            value = proceed()
                        except StopIteration as end:
                            return end.value
                    try:
                        proceed = functools.partial(generator.send, (yield value))
                    except Exception as error:
                        proceed = functools.partial(generator.throw, error)

        return generate if inspect.isgeneratorfunction(function) else call
