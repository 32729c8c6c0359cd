"""The one seam to a device: array module, kernels, transfers, memory and random keys.

``get("cpu")`` is NumPy with the Numba kernels. CuPy is imported here only, and only by
``get("cuda")``.
"""

import importlib
import zlib
from types import ModuleType
from typing import Any

import numpy as np

from kernels import Kernels, _layout, _memory


class BackendError(RuntimeError):
    """A backend that cannot be used here; the message says what is missing."""


class Backend:
    """A device: ``xp`` is its array module, ``kernels`` its hand-written kernels."""

    def __init__(self, name: str, xp: ModuleType, kernels: Kernels, memory: _memory.MemoryPool):
        self.name = name
        self.xp = xp
        self.kernels = kernels
        self._memory = memory

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An uninitialized C-contiguous array, in memory that earlier arrays have released."""
        return self._memory.empty(shape, dtype)

    def empty_images(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An uninitialized array, in the memory format of the kernels if it has 4 dimensions."""
        if self.kernels.channels_last and len(shape) == 4:
            return _layout.empty(shape, dtype)
        return self.empty(shape, dtype)

    def images(self, array: Any) -> Any:
        """An array in the memory format of `empty_images`, itself if it is so already."""
        if self.kernels.channels_last and array.ndim == 4:
            return _layout.channels_last(array)
        return self.contiguous(array)

    def contiguous(self, array: Any) -> Any:
        """The array with its elements in the order of its dimensions, itself if they are."""
        if self.kernels.channels_last and array.ndim == 4:
            return _layout.contiguous(array)
        return self.xp.ascontiguousarray(array)

    def asarray(self, array: np.ndarray) -> Any:
        """A NumPy array on this device (itself on the CPU)."""
        return self.xp.asarray(array)

    def asnumpy(self, array: Any) -> np.ndarray:
        """An array of this device as a NumPy array (itself on the CPU)."""
        return array if isinstance(array, np.ndarray) else self.xp.asnumpy(array)

    def fingerprint(self, array: Any) -> int:
        """A number that changes when the array is overwritten.

        Arrays up to about a thousand elements are read whole, larger ones at evenly spaced
        elements, so the cost does not grow with the array. On a GPU reading would stop the
        stream, so changes are not noticed there.
        """
        if not isinstance(array, np.ndarray):
            return 0
        flat = array.ravel(order="K")
        return zlib.crc32(np.ascontiguousarray(flat[:: max(1, flat.size // 512)]))


_cpu = Backend("cpu", np, Kernels("cpu"), _memory.pool)


def get(name: str) -> Backend:
    """The backend called "cpu" or "cuda".

    Raises:
        BackendError: the backend cannot run on this machine.
        ValueError: there is no backend of that name.
    """
    if name == "cpu":
        return _cpu
    if name == "cuda":
        return _get_cuda()
    raise ValueError(f"unknown backend {name!r}: expected 'cpu' or 'cuda'")


def _get_cuda() -> Backend:
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise BackendError(
            "backend 'cuda' needs CuPy, which is not installed: "
            "pip install '.[cuda12]' (or '.[cuda13]'), or use --backend cpu"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(f"backend 'cuda' found no usable GPU: {error}") from error
    raise BackendError(
        f"backend 'cuda' found {devices} GPU(s), but this version has kernels for the CPU only: "
        "use --backend cpu"
    )


def backend_of(array: Any) -> Backend:
    """The backend an array lives on."""
    if isinstance(array, np.ndarray):
        return _cpu
    raise TypeError(f"expected a NumPy array, got {type(array).__name__}")


class RandomKeys:
    """Source of the keys of all random numbers: ``(seed, call)``, call counting from 0.

    Kernels and initializers draw counter-based random numbers from such a key, so a draw
    depends on the seed and on how many were made before it, on nothing else.
    """

    def __init__(self, seed: int = 0, call: int = 0):
        self.seed = seed
        self.call = call

    def next(self) -> tuple[int, int]:
        key = (self.seed, self.call)
        self.call += 1
        return key


random_keys = RandomKeys()


def manual_seed(seed: int) -> None:
    """Restart all random draws (dropout, initializers) from `seed`, 0 <= seed < 2**64."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"manual_seed: seed must be in [0, 2**64), got {seed}")
    random_keys.seed, random_keys.call = int(seed), 0
