"""What a call of a kernel is about: operation, algorithm, arrays, bytes and FLOPs."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.backend import Backend
from minigrad.kernels.shared.device import device as gpu

# Families that take arrays of any shape as they are; the others take images channels last.
_ANY_SHAPE = {"adam", "dropout", "lerp", "sgd", "vector_norm"}
_FILTERS = {"weight", "grad_weight"}  # (OC, C / groups, KH, KW)


@dataclass(frozen=True, slots=True)
class Array:
    """An array that a kernel gets.

    Attributes:
        name: of the argument, such as "grad_output".
        shape: as the kernel sees it: of images (N, H, W, C).
        dtype: such as "float32".
        memory_format: "channels last", or "C order".
        nbytes: its size.
        is_written: whether the kernel writes it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    memory_format: str
    nbytes: int
    is_written: bool

    @property
    def size(self) -> str:
        """Its shape as a text, such as "128x55x55x96"."""
        return "x".join(map(str, self.shape))

    def __str__(self) -> str:
        return f"{self.size} {self.dtype}, {self.memory_format}"


@dataclass(frozen=True, slots=True)
class Work:
    """What all calls of a kernel with arrays of these shapes have in common.

    Attributes:
        device: "cpu" or "cuda".
        operation: family and function, such as "conv2d.forward_relu".
        arrays: in the order of the kernel's arguments.
        flops: floating-point operations as the family's contract counts them; those of a
            convolution are of the direct sum, whichever algorithm computes it.
        bytes: each array once, and one that is updated in place twice: it is read and written.
        precision: of products: "float32", "float64", "bfloat16", or "tf32" on a GPU.
        algorithm, reason: which path the kernel takes and why; "" where there is one only.
    """

    device: str
    operation: str
    arrays: tuple[Array, ...]
    flops: int
    bytes: int
    precision: str
    algorithm: str = ""
    reason: str = ""

    @property
    def written(self) -> tuple[Array, ...]:
        """The arrays that the kernel writes."""
        return tuple(array for array in self.arrays if array.is_written)


def describe(
    device: Backend, family: Any, operation: str, arguments: Mapping[str, Any], outputs: set[str]
) -> Work:
    """The work of a call.

    Args:
        family: the kernels of one family, as `device` has them.
        operation: family and function, such as "relu.forward".
        arguments: of the call by name, with those that have a default.
        outputs: names of the arguments after the ``*``.
    """
    name, function = operation.split(".")
    contract = importlib.import_module(f"minigrad.kernels.{name}")
    updated = set(getattr(contract, "UPDATED", ()))
    arrays = tuple(
        Array(
            argument,
            tuple(value.shape),
            value.dtype.name,
            _memory_format(name, argument, value),
            value.nbytes,
            argument in outputs | updated,
        )
        for argument, value in arguments.items()
        if isinstance(value, device.xp.ndarray)
    )
    choose = getattr(family, "choice", None)
    algorithm, reason = choose(function, arguments) if choose else ("", "")
    return Work(
        device.name,
        operation,
        arrays,
        contract.flops(function, arguments),
        sum(array.nbytes * (2 if array.name in updated else 1) for array in arrays),
        _precision(device, arrays, arguments),
        algorithm,
        reason,
    )


def _memory_format(family: str, argument: str, array: Any) -> str:
    is_images = array.ndim == 4 and family not in _ANY_SHAPE and argument not in _FILTERS
    return "channels last" if is_images else "C order"


def _precision(device: Backend, arrays: tuple[Array, ...], arguments: Mapping[str, Any]) -> str:
    if arguments.get("bfloat16"):
        return "bfloat16"
    if any(array.dtype == "float64" for array in arrays):
        return "float64"
    return "tf32" if device.name == "cuda" and gpu.tf32 else "float32"


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of an array that a kernel has written.

    Attributes:
        name: of the argument.
        minimum, mean, maximum: of the finite numbers; None if there are none.
        nans, infinities: how many numbers are not finite.
    """

    name: str
    minimum: float | None
    mean: float | None
    maximum: float | None
    nans: int
    infinities: int

    def __str__(self) -> str:
        if self.minimum is None:
            numbers = "no finite number"
        else:
            numbers = f"min {self.minimum:.4g}, mean {self.mean:.4g}, max {self.maximum:.4g}"
        return f"{self.name}: {numbers}, {self.nans} NaN, {self.infinities} infinite"


def statistics(name: str, array: np.ndarray) -> Statistics:
    """The statistics of an array of numbers, with the mean in float64."""
    is_finite = np.isfinite(array)
    finite = array if is_finite.all() else array[is_finite]
    nans = int(np.isnan(array).sum())
    infinities = array.size - int(is_finite.sum()) - nans
    if not finite.size:
        return Statistics(name, None, None, None, nans, infinities)
    mean = float(finite.mean(dtype=np.float64))
    return Statistics(name, float(finite.min()), mean, float(finite.max()), nans, infinities)
