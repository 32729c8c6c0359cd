"""A device: its array module, hand-written kernels, memory, and copies to and from it.

``get("cpu")`` is NumPy with kernels in Numba, ``get("cuda")`` is CuPy with kernels in CUDA C.
"""

import contextlib
import functools
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import numpy as np

from minigrad import cuda
from minigrad.cuda import BackendError
from minigrad.kernels.shared import bfloat16, device, layout, memory

__all__ = ["Backend", "BackendError", "CudaBackend", "backend_of", "get"]


class Backend:
    """The CPU; other devices are subclasses.

    Attributes:
        name: "cpu" or "cuda".
        xp: the array module, NumPy or CuPy.
    """

    name = "cpu"
    xp: ModuleType = np

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    @functools.cached_property
    def kernels(self) -> ModuleType:
        """The hand-written kernels, imported on first use; within `replace_kernels` a stand-in.

        Raises:
            BackendError: Numba must not compile them.
        """
        return _replaced(self, self._import_kernels())

    def _import_kernels(self) -> ModuleType:
        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            raise BackendError(
                "backend 'cpu' needs kernels that Numba compiles, which NUMBA_DISABLE_JIT forbids: "
                "unset it"
            )
        from minigrad.kernels import cpu

        return cpu

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An uninitialized C-contiguous array, in memory that earlier arrays have released."""
        return memory.pool.empty(shape, dtype)

    def synchronize(self) -> None:
        """Wait until the device has done what it was told; the CPU has."""

    def describe(self) -> str:
        """A short description for people, such as "cpu (8 threads)"."""
        threads = numba.get_num_threads()
        return f"cpu ({threads} thread{'s' * (threads > 1)})"

    def contiguous(self, array: Any) -> Any:
        """The array in the form that kernels take: C-contiguous, aligned and writable.

        Itself if it is so already, else a copy. Together with `channels_last` this is the one
        place where the layout of arrays is changed.
        """
        if self._fits_kernels(array):
            return array
        copy = self.empty(array.shape, array.dtype)
        if array.ndim == 4 and array.flags.behaved:
            layout.copy(array, copy)
        else:
            copy[...] = array
        return copy

    def dense(self, array: Any) -> Any:
        """The array as functions of NumPy get it: in C order or with its channels last.

        Itself if it is so already, else a copy. Of numbers that lie apart in memory NumPy computes
        exp, log or powers by other loops, whose last bits differ.
        """
        is_dense = self._fits_kernels(array) or (
            array.ndim == 4 and self._fits_kernels(array.transpose(0, 2, 3, 1))
        )
        return array if is_dense else self.contiguous(array)

    def _fits_kernels(self, array: Any) -> bool:
        """Whether an array has the form that kernels take."""
        return array.flags.carray

    def is_writable(self, array: Any) -> bool:
        """Whether each element can be written, and without changing another one."""
        return array.flags.writeable and not _has_overlap(array)

    def may_share_memory(self, array: Any, other: Any) -> bool:
        """Whether the memory of two arrays may overlap; arrays of two devices never do."""
        return type(array) is type(other) and self.xp.may_share_memory(array, other)

    def shares_memory(self, array: Any, other: Any) -> bool:
        """Whether an element of one array is an element of the other, too; slow for large ones."""
        return type(array) is type(other) and self.xp.shares_memory(array, other)

    def channels_last(self, array: Any) -> Any:
        """Images (N, C, H, W) as a C-contiguous array (N, H, W, C), the form that kernels take.

        A view where that is their order in memory, else a copy. An array that does not have 4
        dimensions keeps its shape.
        """
        return self.contiguous(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)

    def channels_first(self, array: Any) -> Any:
        """The inverse of `channels_last`: images (N, H, W, C) as a view (N, C, H, W)."""
        return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array

    def images(self, array: Any) -> Any:
        """Images (N, C, H, W) with their channels last in memory: themselves if they are so."""
        return self.channels_first(self.channels_last(array))

    def require_bfloat16(self) -> None:
        """Raise unless this device can multiply in bfloat16.

        Raises:
            BackendError: the processor lacks the instructions; on a GPU the tensor cores or the
                package ml_dtypes are missing.
        """
        if not bfloat16.SUPPORTED:
            raise BackendError(
                "products in bfloat16 need a processor with the instructions avx512_bf16, which "
                "this one lacks; MINIGRAD_BF16_EMULATE=1 computes the same without them, at the "
                "speed of float32"
            )

    def rounded_to_bfloat16(self, array: Any) -> Any:
        """A float32 array with its numbers rounded to bfloat16's."""
        return bfloat16.rounded_copy(self.contiguous(array))

    def factor(self, array: Any, rounds: bool) -> Any:
        """Images or rows in the type in which kernels take them as a factor of products.

        Args:
            rounds: whether they multiply in bfloat16. The CPU's kernels round by themselves.
        """
        return array

    def host_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An uninitialized array of NumPy, from which `transfer` copies without another copy.

        Any thread may call it.
        """
        return np.empty(shape, dtype)

    def asarray(self, array: Any) -> Any:
        """A NumPy array copied to this device; on the CPU, the array itself."""
        return self.xp.asarray(array)

    def asnumpy(self, array: Any) -> np.ndarray:
        """An array of this device copied to NumPy; on the CPU, the array itself."""
        return array if isinstance(array, np.ndarray) else self.xp.asnumpy(array)

    def read_later(self, *arrays: Any) -> Callable[[], list[np.ndarray]]:
        """Start copying arrays to NumPy; what is returned waits for the copies and gives them.

        What the device is told meanwhile it goes on with, while the host reads.
        """
        return lambda: list(map(self.asnumpy, arrays))

    def add_at(self, total: Any, index: Any, values: Any) -> None:
        """total[index] += values, where the values of repeated indices add up.

        The additions have a fixed order. `total` is C-contiguous.
        """
        np.add.at(total, index, values)

    def transfer(self, array: np.ndarray) -> contextlib.AbstractContextManager:
        """Start copying an array to the device, while the device computes.

        Returns:
            a context manager that waits for the copy and gives the array on the device.
        """
        return contextlib.nullcontext(array)

    def fingerprint(self, array: Any) -> int:
        """A number that almost always changes when the array is overwritten: a heuristic.

        Arrays of up to about a thousand elements are read whole, larger ones at evenly spaced
        elements, so that the cost does not grow with the array; a change of a few elements
        between these is missed. On a GPU the number is always 0, because reading would wait for
        the stream: no change is noticed there.
        """
        if not isinstance(array, np.ndarray):
            return 0
        flat = array.ravel(order="K")
        # An odd step: with a power of two all of these elements could be of one channel.
        return zlib.crc32(flat[:: flat.size // 512 | 1].tobytes(), flat.size % 2**32)


class CudaBackend(Backend):
    """A GPU: the first of those in CUDA_VISIBLE_DEVICES, or what `cuda.set_device` has chosen."""

    name = "cuda"

    def __init__(self) -> None:
        self.xp = cuda.connect()
        self._transfers = cuda.Transfers(self.xp)

    def _import_kernels(self) -> ModuleType:
        from minigrad.kernels import cuda

        return cuda

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return device.device.empty(shape, dtype)

    def contiguous(self, array: Any) -> Any:
        # To ask first is cheaper: nearly all are contiguous, 80 in a training step.
        return array if self._fits_kernels(array) else self.xp.asarray(array, order="C")

    def _fits_kernels(self, array: Any) -> bool:
        return array.flags.c_contiguous

    def is_writable(self, array: Any) -> bool:
        return not _has_overlap(array)

    def shares_memory(self, array: Any, other: Any) -> bool:
        if not self.may_share_memory(array, other):
            return False
        # CuPy compares addresses that a kernel takes. It has a copy of an array of no dimensions,
        # whose address says nothing (CuPy 14.2).
        return 0 in (array.ndim, other.ndim) or super().shares_memory(array, other)

    def require_bfloat16(self) -> None:
        if not bfloat16.TYPES:
            raise BackendError(
                "bfloat16 on a GPU needs the package ml_dtypes, which is not installed: "
                "pip install ml_dtypes"
            )
        if not device.device.has_tensor_cores:
            raise BackendError(
                "bfloat16 needs a GPU of compute capability 8.0 or later, this one has "
                f"{device.device.compute_capability / 10}: multiply in float32"
            )

    def rounded_to_bfloat16(self, array: Any) -> Any:
        return array.astype(bfloat16.DTYPE).astype(np.float32)

    def factor(self, array: Any, rounds: bool) -> Any:
        if not rounds:
            return bfloat16.widened(array)
        return array if array.dtype in bfloat16.TYPES else array.astype(bfloat16.DTYPE)

    def asarray(self, array: Any) -> Any:
        return self.xp.asarray(array, order="C")

    def synchronize(self) -> None:
        self.xp.cuda.Device().synchronize()

    def describe(self) -> str:
        properties = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return f"cuda ({properties['name'].decode()})"

    def free_memory(self) -> int:
        """Bytes that can be allocated on the GPU."""
        free, _ = self.xp.cuda.Device().mem_info
        return free + self.xp.get_default_memory_pool().free_bytes()

    def read_later(self, *arrays: Any) -> Callable[[], list[np.ndarray]]:
        return self._transfers.read_later(*map(self.contiguous, arrays))

    def add_at(self, total: Any, index: Any, values: Any) -> None:
        """By sorting, because CuPy's ``add.at`` has no fixed order.

        Equal positions become neighbors, in the order of the values, and log2 of their number
        passes add pairs of neighbors, pairs of pairs and so on, until the first has the sum.
        """
        xp = self.xp
        positions = xp.arange(total.size).reshape(total.shape)[index].reshape(-1)
        order = xp.argsort(positions, kind="stable")
        positions, values = positions[order], xp.ascontiguousarray(values).reshape(-1)[order]
        rank = xp.arange(positions.size) - xp.searchsorted(positions, positions)
        last, distance = int(rank.max()) if rank.size else 0, 1
        while distance <= last:
            is_pair = (rank[:-distance] % (2 * distance) == 0) & (
                positions[:-distance] == positions[distance:]
            )
            values[:-distance] += xp.where(is_pair, values[distance:], values.dtype.type(0))
            distance *= 2
        total.reshape(-1)[positions[rank == 0]] += values[rank == 0]

    def host_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return self._transfers.host_empty(shape, dtype)

    def transfer(self, array: np.ndarray) -> contextlib.AbstractContextManager:
        return self._transfers.begin(array)


def _has_overlap(array: Any) -> bool:
    """Whether two elements of an array may lie at one address, as in `broadcast_to`."""
    if array.flags.c_contiguous:
        return False
    reach = array.itemsize
    dimensions = zip(map(abs, array.strides), array.shape)
    for stride, size in sorted(dimension for dimension in dimensions if dimension[1] > 1):
        if stride < reach:
            return True
        reach += stride * (size - 1)
    return False


_cpu = Backend()
_cuda: CudaBackend | None = None


def get(name: str) -> Backend:
    """The backend called "cpu" or "cuda".

    Raises:
        BackendError: the backend cannot be used on this machine.
        ValueError: there is no backend of that name.
    """
    global _cuda
    if name == "cpu":
        return _cpu
    if name == "cuda":
        if _cuda is None:
            _cuda = CudaBackend()
        return _cuda
    raise ValueError(f"unknown backend {name!r}: expected 'cpu' or 'cuda'")


def backend_of(array: Any) -> Backend:
    """The backend an array lives on."""
    if isinstance(array, np.ndarray):
        return _cpu
    if _cuda is not None and isinstance(array, _cuda.xp.ndarray):
        return _cuda
    if type(array).__module__.partition(".")[0] == "cupy":
        return get("cuda")
    raise TypeError(f"expected a NumPy or CuPy array, got {type(array).__name__}")


Replace = Callable[[Backend, ModuleType], Any]
_replace: Replace | None = None
# Backends whose kernels are replaced: their own ones, and what stands for them.
_stand_ins: list[tuple[Backend, ModuleType, Any]] = []


def replace_kernels(replace: Replace) -> None:
    """Give every backend `replace(backend, kernels)` as its kernels, also one connected later.

    One replacement holds at a time; `restore_kernels` ends it.
    """
    global _replace
    _replace = replace
    for backend in filter(None, (_cpu, _cuda)):
        if "kernels" in vars(backend):  # else they are replaced when they are imported
            backend.kernels = _replaced(backend, backend.kernels)


def restore_kernels() -> None:
    """Give every backend its own kernels again, unless somebody else has replaced the stand-in."""
    global _replace
    _replace = None
    for backend, kernels, stand_in in _stand_ins:
        if backend.kernels is stand_in:
            backend.kernels = kernels
    _stand_ins.clear()


def _replaced(backend: Backend, kernels: ModuleType) -> Any:
    if _replace is None:
        return kernels
    stand_in = _replace(backend, kernels)
    _stand_ins.append((backend, kernels, stand_in))
    return stand_in
