"""How an answer is compared with the right one, and what is said of a wrong one."""

from collections.abc import Callable
from typing import Any

import numpy as np


class WrongAnswer(AssertionError):
    """An answer differs from what it should be; the message says where, and what was expected."""


def require_shape(what: str, got: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return an answer as an array of float64; raise WrongAnswer unless it has this shape."""
    if got is None:
        raise WrongAnswer(f"{what}: expected the shape {shape}, got None; is a return missing?")
    try:
        array = np.asarray(got, float)
    except (TypeError, ValueError) as error:
        raise WrongAnswer(f"{what}: expected numbers of the shape {shape}: {error}") from None
    if array.shape != shape:
        raise WrongAnswer(f"{what}: expected the shape {shape}, got {array.shape}")
    return array


def require_close(what: str, got: Any, expected: Any, tolerance: float = 1e-6) -> None:
    """Raise WrongAnswer unless two arrays, or numbers, agree.

    Args:
        what: the name of the result, with which the message begins.
        tolerance: allowed difference, as a share of the largest element that is expected.
    """
    expected = np.asarray(expected)
    got = require_shape(what, got, expected.shape)
    allowed = tolerance * np.abs(expected).max(initial=0) + 1e-12
    wrong = ~(np.abs(got - expected) <= allowed)  # also where it is NaN
    if wrong.any():
        first = tuple(map(int, np.argwhere(wrong)[0]))
        place = f" at [{', '.join(map(str, first))}]" if first else ""
        message = f"{what}: expected {expected[first]:.6g}, got {got[first]:.6g}{place}"
        if wrong.sum() > 1:
            message += f"; {wrong.sum()} of {wrong.size} elements are wrong"
        raise WrongAnswer(message)


def slopes(function: Callable[[np.ndarray], float], array: np.ndarray) -> np.ndarray:
    """The gradient of a function of a float64 array, by central differences."""
    gradient = np.empty_like(array)
    step = 1e-6
    for index in np.ndindex(array.shape):
        moved = np.zeros_like(array)
        moved[index] = step
        gradient[index] = (function(array + moved) - function(array - moved)) / (2 * step)
    return gradient
