"""Arrays with the same values in other layouts: what Python can hand to an operation.

Each layout is a pair: `store` puts the values into a C-contiguous array, on the host, and `view`
makes of that, on either device, the array that is meant.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Layout(NamedTuple):
    """Attributes:
    store: takes the values.
    view: takes the stored array, which may be on a GPU, and the shape of the values.
    """

    store: Callable[[np.ndarray], np.ndarray]
    view: Callable[[Any, tuple[int, ...]], Any]


class Subclass(np.ndarray):
    """What np.memmap and np.matrix are, too."""


def _apart(array):
    """Every second element in each dimension, NaN between them."""
    base = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    base[(slice(None, None, 2),) * array.ndim] = array
    return base


def _unaligned(array):
    return np.frombuffer(bytearray(b"-" + array.tobytes()), np.uint8)


def _read_only(base, shape):
    base.flags.writeable = False
    return base


def _every_second(base, shape):
    return base[(*(slice(None, None, 2),) * len(shape), ...)]


def _reversed(base, shape):
    return base[(*(slice(None, None, -1),) * len(shape), ...)]


def _as_it_is(array):
    return array.copy()


ON_BOTH = {
    "Fortran order": Layout(lambda array: array.T.copy(), lambda base, shape: base.T),
    "channels last": Layout(
        lambda array: np.moveaxis(array, 1, -1).copy() if array.ndim > 2 else array.T.copy(),
        lambda base, shape: (
            base.transpose(0, base.ndim - 1, *range(1, base.ndim - 1)) if len(shape) > 2 else base.T
        ),
    ),
    "negative strides": Layout(lambda array: _reversed(array, array.shape).copy(), _reversed),
    "apart": Layout(_apart, _every_second),
    "offset": Layout(
        lambda array: np.concatenate([[np.nan], array.ravel()]).astype(array.dtype),
        lambda base, shape: base[1:].reshape(shape),
    ),
}

ON_CPU = ON_BOTH | {
    "unaligned": Layout(
        _unaligned,
        lambda base, shape: base[1:].view(_unaligned_type(base, shape)).reshape(shape),
    ),
    "read-only": Layout(_as_it_is, _read_only),
    "subclass": Layout(_as_it_is, lambda base, shape: base.view(Subclass)),
}


def _unaligned_type(base, shape):
    count = int(np.prod(shape))
    return np.dtype(f"f{(base.size - 1) // count}") if count else np.dtype("f4")
