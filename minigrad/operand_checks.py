"""Checks of the operands of elementwise functions: two tensors, or a tensor beside a number."""

import numbers
from typing import Any

import numpy as np

from minigrad import backend, checks
from minigrad.autograd import silent_arithmetic
from minigrad.kernels.shared import bfloat16
from minigrad.tensor import Tensor, require_no_mask


def operands(
    operation: str, input: Any, other: Any, other_name: str = "other"
) -> tuple[Tensor, Tensor]:
    """Two tensors that broadcast; numbers and arrays take the other operand's dtype."""
    model = input if isinstance(input, Tensor) else checks.tensor(operation, other_name, other)
    operands = []
    for name, value in (("input", input), (other_name, other)):
        if not isinstance(value, Tensor):
            if not isinstance(value, (numbers.Real, np.ndarray, np.generic, list, tuple)):
                raise TypeError(
                    f"{operation}: {name} must be a Tensor, an array or a number, "
                    f"got {type(value).__name__}"
                )
            value = _as_tensor_of_type(operation, name, value, model)
        operands.append(checks.float_tensor(operation, name, value))
    input, other = operands
    checks.same_type(operation, input, other_name, other)
    broadcast(operation, input, other_name, other)
    return input, other


def broadcast(operation: str, input: Any, name: str, other: Any) -> None:
    """Raise ValueError unless two tensors or arrays have shapes that broadcast."""
    try:
        np.broadcast_shapes(input.shape, other.shape)
    except ValueError:
        raise ValueError(
            f"{operation}: {name} has shape {other.shape}, which does not broadcast with "
            f"input shape {input.shape}"
        ) from None


def _as_tensor_of_type(operation: str, name: str, value: Any, model: Tensor) -> Tensor:
    """A number or an array as a tensor of the type and on the device of `model`."""
    require_no_mask(f"{operation}: {name}", value)
    asarray = backend.backend_of(model.data).xp.asarray
    dtype = bfloat16.arithmetic(model.dtype)
    try:
        if not isinstance(value, numbers.Real):
            value = np.asarray(value)
            if value.dtype.kind not in "biuf":
                raise TypeError(f"{operation}: {name} is {value.dtype}, expected real numbers")
        with silent_arithmetic():
            return Tensor(asarray(value, dtype=dtype))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{operation}: {name} cannot become {model.dtype}: {error}") from None


def exponent(operation: str, value: numbers.Real) -> float:
    """A constant exponent as a Python float, which leaves the type of an array as it is."""
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{operation}: exponent cannot become a float: {error}") from None
