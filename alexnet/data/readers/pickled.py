"""The pickles of CIFAR's Python version, which are read without being run."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import pickles
from alexnet.errors import DataError
from alexnet.pickles import Call

RECONSTRUCT, DTYPE = "numpy.core.multiarray _reconstruct", "numpy dtype"
FUNCTIONS = (RECONSTRUCT, "numpy ndarray", DTYPE)


def load(path: Path, max_bytes: int) -> Any:
    """The value of a pickle, see `alexnet.pickles.interpret`.

    Raises:
        DataError: it is larger than `max_bytes`, damaged, or calls other functions than those that
            make an array.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise DataError(f"{path}: {size:,} bytes, more than the {max_bytes:,} that it may have")
    try:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents,
        ):
            return pickles.interpret(contents, FUNCTIONS)
    except pickles.UnexpectedFunction as error:
        raise DataError(
            f"{path}: refused, it is not a file of the official archive: as a pickle it could "
            f"call {str(error)[:60]!r}"
        ) from error
    except (pickles.PickleError, ValueError) as error:  # ValueError: an empty file
        raise DataError(f"{path}: damaged, or not a file of the official archive") from error


def map_array(path: Path, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The array of bytes that `load` found in the file at `path`, memory-mapped.

    Raises:
        DataError: it is no array of bytes, or not of this shape.
    """
    match value:
        case Call(
            function=str(function),
            state=(1, array_shape, Call(function=str(dtype), arguments=("u1", 0, 1)), order, place),
        ) if (function, dtype, array_shape) == (RECONSTRUCT, DTYPE, shape) and isinstance(
            place, slice
        ):
            if place.stop - place.start == np.prod(shape):
                order = "F" if order else "C"
                return np.memmap(path, np.uint8, "r", place.start, shape, order)
    wanted = "x".join(map(str, shape))
    raise DataError(f"{path}: damaged, its 'data' are not {wanted} bytes")
