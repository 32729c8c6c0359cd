"""Options of optimizers: rates, factors and decays, as Python numbers."""

import math
import numbers
from typing import Any

import numpy as np

from minigrad.tensor import Tensor


def number(optimizer: str, name: str, value: Any) -> float:
    """The value of an option: a number, or an array or a tensor with one element.

    Kernels get a Python float, so that the type of the option does not change the result.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, (Tensor, np.ndarray)) and math.prod(value.shape) == 1:
        value = value.item()
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{optimizer}: {name} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf


def pair(optimizer: str, name: str, values: Any) -> tuple[float, float]:
    """The value of an option that is two numbers."""
    if not isinstance(values, (tuple, list, np.ndarray)) or len(values) != 2:
        raise TypeError(f"{optimizer}: {name} must be two numbers, got {values!r}")
    first, second = values
    return number(optimizer, name, first), number(optimizer, name, second)
