"""Checks of the arguments of a cross entropy, with the wording of `minigrad.checks`."""

import math
import numbers
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.checks import float_tensor, same_type
from minigrad.tensor import Tensor, require_no_mask


def scores(
    operation: str, input: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> None:
    """Raise TypeError or ValueError unless scores and options of a cross entropy are valid."""
    if float_tensor(operation, "input", input).ndim == 0 or input.shape[:2][-1] == 0:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, expected (C,), (N, C) or (N, C, d1, ...) "
            "with at least one class"
        )
    if weight is not None:
        same_type(operation, input, "weight", float_tensor(operation, "weight", weight))
        if weight.shape != input.shape[:2][-1:]:
            raise ValueError(
                f"{operation}: weight has shape {weight.shape}, expected {input.shape[:2][-1:]} "
                f"for input shape {input.shape}"
            )
        if weight.requires_grad:
            raise ValueError(f"{operation}: weight must not require a gradient: use detach()")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{operation}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}"
        )
    if not isinstance(label_smoothing, numbers.Real) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"{operation}: label_smoothing must be in [0, 1], got {label_smoothing!r}")


def target(operation: str, input: Tensor, target: Any) -> Any:
    """The target of a cross entropy: a Tensor of probabilities, or an array of integer labels."""
    require_no_mask(f"{operation}: target", target)
    array = target.data if isinstance(target, Tensor) else target
    array = array if hasattr(array, "dtype") else np.asarray(array)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind != "f" or array.shape != input.shape:
        raise TypeError(
            f"{operation}: target is {array.dtype} of shape {array.shape}, expected integer class "
            f"labels, or probabilities of the input's shape {input.shape}"
        )
    if not isinstance(target, Tensor):
        target = Tensor(backend.backend_of(input.data).asarray(array.astype(input.dtype)))
    same_type(operation, input, "target", target)
    return target


def labels(operation: str, input: Tensor, target: Any, ignore_index: int) -> tuple[Any, float]:
    """Class labels as an int64 array (rows,) of the input's device, -1 where they are ignored.

    Labels on the host are checked there, which does not synchronize with the device.

    Returns:
        the labels, and how many are not ignored: nan for none, of which there is no mean.
    """
    if not isinstance(ignore_index, numbers.Integral):
        raise TypeError(
            f"{operation}: ignore_index must be an integer, got {type(ignore_index).__name__}"
        )
    C = input.shape[:2][-1]
    shape = input.shape[:1] * (input.ndim > 1) + input.shape[2:]
    if target.shape != shape:
        raise ValueError(
            f"{operation}: target has shape {target.shape}, expected {shape} "
            f"for input shape {input.shape}"
        )
    counted = target.reshape(-1)
    if 0 <= ignore_index < C or not _are_classes(counted, C):
        counted = counted[counted != ignore_index]
        if not _are_classes(counted, C):
            raise ValueError(
                f"{operation}: target has labels from {counted.min()} to {counted.max()}, "
                f"expected 0 to {C - 1}"
            )
    labels = target.reshape(-1).astype(np.int64)
    if counted.size < labels.size:
        labels[labels == ignore_index] = -1
    return backend.backend_of(input.data).asarray(labels), counted.size or math.nan


def _are_classes(labels: Any, C: int) -> bool:
    return labels.size == 0 or (int(labels.min()) >= 0 and int(labels.max()) < C)
