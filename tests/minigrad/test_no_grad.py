"""`no_grad` as a block and as a decorator, of generators too."""

import contextlib
import threading

import pytest

import minigrad as mg
from minigrad.autograd import is_grad_enabled


def test_a_decorated_generator_records_nothing_and_its_caller_everything():
    @mg.no_grad()
    def modes():
        yield is_grad_enabled()
        received = yield is_grad_enabled()
        with contextlib.suppress(KeyError):
            yield received
        yield is_grad_enabled()
        return is_grad_enabled()

    def last():
        returned.append((yield from modes()))

    returned = []
    generator = last()
    assert next(generator) is False and is_grad_enabled()
    assert next(generator) is False and is_grad_enabled()
    assert generator.send("sent") == "sent"
    assert generator.throw(KeyError) is False and is_grad_enabled()
    assert list(generator) == [] and returned == [False]


def test_an_error_in_a_decorated_generator_reaches_its_caller():
    closed = []

    @mg.no_grad()
    def failing():
        try:
            yield 1
            raise ZeroDivisionError
        finally:
            closed.append(True)

    generator = failing()
    next(generator)
    with pytest.raises(ZeroDivisionError):
        next(generator)
    next(generator := failing())
    generator.close()
    assert closed == [True, True] and is_grad_enabled()


def test_a_decorator_without_parentheses():
    @mg.no_grad
    def mode():
        "What it says."
        return is_grad_enabled()

    assert mode() is False and is_grad_enabled()
    assert (mode.__name__, mode.__doc__) == ("mode", "What it says.")


def test_a_block_can_be_entered_again():
    block = mg.no_grad()
    for _ in range(2):
        with block, block:
            assert not is_grad_enabled()
        assert is_grad_enabled()


def test_a_block_can_be_entered_by_several_threads():
    """Each goes on as it was before, in whatever order they enter and leave."""
    block, entered, other_entered = mg.no_grad(), threading.Event(), threading.Event()
    modes = []

    def recording():
        with block:
            entered.set()
            other_entered.wait()
        modes.append(is_grad_enabled())

    thread = threading.Thread(target=recording)
    with mg.no_grad():
        thread.start()
        entered.wait()
        with block:
            other_entered.set()
            thread.join()
        modes.append(is_grad_enabled())
    assert modes == [True, False] and is_grad_enabled()
