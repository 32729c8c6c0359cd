"""What kernels require of their arrays, checked at every call.

Compiled loops, vector instructions and CUDA kernels do not look where an array ends: one with
another shape, type or order in memory than the contract says would be read and written as if it
were right. The check takes about a microsecond and looks at no element.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.kernels.shared import bfloat16

_FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_SAME: dict[str, str] = {}
_FLOAT32 = np.dtype(np.float32)


def check_arrays(
    kernel: str,
    arrays: Mapping[str, Any],
    shapes: Iterable[tuple[int, ...]],
    types: Mapping[str, str] = _SAME,
    parameters: Collection[str] = (),
) -> None:
    """Raise unless arrays are what a kernel's contract says.

    They are of one device and C-contiguous, on the CPU also aligned and writable, so that each
    function is compiled for one kind of array only. `minigrad.backend.Backend.contiguous` makes
    such arrays of others.

    Args:
        kernel: its name, with which messages begin.
        arrays: by name. The first, of float32 or float64, on a GPU also of bfloat16, has the type
            and the device of all. One that is None is not there.
        shapes: of the arrays, in their order.
        types: of arrays that have another type than the first, by name.
        parameters: arrays that are float32 where the first is bfloat16, by name.

    Raises:
        TypeError: something is no array, or has another type or device.
        ValueError: an array has another shape or order in memory.
    """
    first = next(iter(arrays.values()))
    kind, dtype = type(first), first.dtype
    on_cpu = isinstance(first, np.ndarray)
    if on_cpu:
        kind = np.ndarray  # also where the first is of a subclass, such as np.matrix
    is_bfloat16 = dtype in bfloat16.TYPES and not on_cpu
    if dtype not in _FLOAT_TYPES and not is_bfloat16:
        raise TypeError(f"{kernel}: arrays are {dtype}, expected float32 or float64")
    for (name, array), shape in zip(arrays.items(), shapes):
        if array is None:
            continue
        if type(array) is not kind:
            raise TypeError(f"{kernel}: {name} is {_name(type(array))}, expected {_name(kind)}")
        expected = types.get(name, _FLOAT32 if is_bfloat16 and name in parameters else dtype)
        if array.dtype != expected:
            raise TypeError(f"{kernel}: {name} is {array.dtype}, expected {expected}")
        if array.shape != shape:
            raise ValueError(f"{kernel}: {name} has shape {array.shape}, expected {tuple(shape)}")
        if not (array.flags.carray if on_cpu else array.flags.c_contiguous):
            requirement = "C-contiguous, aligned and writable" if on_cpu else "C-contiguous"
            raise ValueError(f"{kernel}: {name} of shape {array.shape} is not {requirement}")


def check_same_shape(kernel: str, **arrays: Any) -> None:
    """`check_arrays` for arrays that all have the shape of the first."""
    shape = next(iter(arrays.values())).shape
    check_arrays(kernel, arrays, [shape] * len(arrays))


def check_rounding(kernel: str, array: Any, rounds: bool) -> None:
    """Raise TypeError if factors are to be rounded to bfloat16 and cannot be, or need no rounding.

    On the CPU they are float32, on a GPU they are bfloat16 already.
    """
    if isinstance(array, np.ndarray):
        if rounds and array.dtype != np.float32:
            raise TypeError(f"{kernel}: bfloat16=True is for float32 arrays, got {array.dtype}")
    elif rounds != (array.dtype in bfloat16.TYPES):
        raise TypeError(f"{kernel}: bfloat16={rounds} is not for arrays of {array.dtype} on a GPU")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
