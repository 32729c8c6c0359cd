"""The one seam to a device: array module, kernels, transfers, memory and random keys.

``get("cpu")`` is NumPy with the Numba kernels, ``get("cuda")`` CuPy with those in CUDA C. CuPy is
imported here only, and only by ``get("cuda")``.
"""

import contextlib
import importlib
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import numpy as np

from kernels import Kernels, _device, _layout, _memory


class BackendError(RuntimeError):
    """A backend that cannot be used here; the message says what is missing."""


class Backend:
    """A device.

    Attributes:
        xp: its array module.
        kernels: its hand-written kernels.
        empty: ``empty(shape, dtype)``, an uninitialized C-contiguous array, in memory that earlier
            arrays have released.
    """

    def __init__(
        self,
        name: str,
        xp: ModuleType,
        layout: _layout.Layout,
        empty: Callable[[tuple[int, ...], Any], Any],
    ):
        self.name = name
        self.xp = xp
        self.kernels = Kernels(name)
        self.empty = empty
        self._layout = layout

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"

    def describe(self) -> str:
        """What computes, in a few words."""
        return f"cpu ({numba.get_num_threads()} threads)"

    def empty_images(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An uninitialized array, in the memory format of the kernels if it has 4 dimensions."""
        if self.kernels.channels_last and len(shape) == 4:
            return self._layout.empty(shape, dtype)
        return self.empty(shape, dtype)

    def images(self, array: Any) -> Any:
        """An array in the memory format of `empty_images`, itself if it is so already."""
        if self.kernels.channels_last and array.ndim == 4:
            return self._layout.channels_last(array)
        return self.contiguous(array)

    def contiguous(self, array: Any) -> Any:
        """The array with its elements in the order of its dimensions, itself if they are."""
        if self.kernels.channels_last and array.ndim == 4:
            return self._layout.contiguous(array)
        return self.xp.ascontiguousarray(array)

    def asarray(self, array: Any) -> Any:
        """A NumPy array on this device (itself on the CPU)."""
        return self.xp.asarray(array)

    def asnumpy(self, array: Any) -> np.ndarray:
        """An array of this device as a NumPy array (itself on the CPU)."""
        return array if isinstance(array, np.ndarray) else self.xp.asnumpy(array)

    def add_at(self, total: Any, index: Any, values: Any) -> None:
        """total[index] += values, in which an element that is named several times gets them all.

        The order of the additions is the same every time. `total` is C-contiguous.
        """
        np.add.at(total, index, values)

    def transfer(self, array: np.ndarray) -> contextlib.AbstractContextManager:
        """Begin to copy an array to the device, beside what is computed there.

        Returns:
            a context manager whose block may use the array on the device.
        """
        return contextlib.nullcontext(array)

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


class CudaBackend(Backend):
    """The GPU that CuPy has chosen (the first one; CUDA_VISIBLE_DEVICES decides which that is)."""

    def __init__(self, cupy: ModuleType):
        _device.device.connect(cupy)
        super().__init__("cuda", cupy, _device.layout, _device.device.empty)
        self._transfers = _Transfers(cupy)

    def asarray(self, array: Any) -> Any:
        return self.xp.asarray(array, order="C")

    def describe(self) -> str:
        properties = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return f"cuda ({properties['name'].decode()})"

    def free_memory(self) -> int:
        """Bytes that can still be allocated on the GPU."""
        free, _ = self.xp.cuda.Device().mem_info
        return free + self.xp.get_default_memory_pool().free_bytes()

    def add_at(self, total: Any, index: Any, values: Any) -> None:
        """By sorting: CuPy's own ``add.at`` adds in the order in which the threads come.

        Equal positions become neighbors, in the order of the values, and log2 of their number
        passes add up pairs of neighbors, pairs of pairs and so on, until the first has the sum.
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

    def transfer(self, array: np.ndarray) -> contextlib.AbstractContextManager:
        return self._transfers.begin(array)


class _Transfers:
    """Copies to the GPU on a stream of their own.

    The array is first copied to pinned memory, from which the device reads by itself. A pair of
    pinned and device memory is used again when the computation has done with it.
    """

    def __init__(self, cupy: ModuleType):
        self.cupy = cupy
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.all: list[_Staging] = []
        self.free: list[_Staging] = []

    def begin(self, array: np.ndarray) -> "_Transfer":
        fitting = [staging for staging in self.free if staging.pinned.size >= array.nbytes]
        if fitting:
            staging = min(fitting, key=lambda staging: staging.pinned.size)
            self.free.remove(staging)
            staging.consumed.synchronize()
        else:
            staging = _Staging(self.cupy, array.nbytes)
            # Kept for good: a transfer that nobody waits for may still be writing.
            self.all.append(staging)
            # The memory may come from an array that pending kernels still read.
            self.stream.wait_event(self.cupy.cuda.get_current_stream().record())
        return _Transfer(self, staging, array)


class _Staging:
    """Pinned memory on the host, and as much on the device."""

    def __init__(self, cupy: ModuleType, size: int):
        memory = cupy.cuda.alloc_pinned_memory(size)
        self.pinned = np.frombuffer(memory, np.uint8, size)
        self.device = cupy.empty(size, np.uint8)
        self.copied = cupy.cuda.Event(disable_timing=True)
        self.consumed = cupy.cuda.Event(disable_timing=True)


class _Transfer:
    """One copy under way."""

    def __init__(self, transfers: _Transfers, staging: _Staging, array: np.ndarray):
        self.transfers, self.staging = transfers, staging
        self.shape, self.dtype, self.size = array.shape, array.dtype, array.nbytes
        pinned = staging.pinned[: self.size]
        np.copyto(pinned.view(self.dtype).reshape(self.shape), array)
        staging.device[: self.size].set(pinned, stream=transfers.stream)
        staging.copied.record(transfers.stream)

    def __enter__(self) -> Any:
        self.transfers.cupy.cuda.get_current_stream().wait_event(self.staging.copied)
        return self.staging.device[: self.size].view(self.dtype).reshape(self.shape)

    def __exit__(self, *error: object) -> None:
        self.staging.consumed.record(self.transfers.cupy.cuda.get_current_stream())
        self.transfers.free.append(self.staging)


_cpu = Backend("cpu", np, _layout.cpu, _memory.pool.empty)
_cuda: CudaBackend | None = None


def get(name: str) -> Backend:
    """The backend called "cpu" or "cuda".

    Raises:
        BackendError: the backend cannot run on this machine.
        ValueError: there is no backend of that name.
    """
    global _cuda
    if name == "cpu":
        return _cpu
    if name == "cuda":
        if _cuda is None:
            _cuda = _connect()
        return _cuda
    raise ValueError(f"unknown backend {name!r}: expected 'cpu' or 'cuda'")


def _connect() -> CudaBackend:
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise BackendError(
            "backend 'cuda' needs CuPy, which is not installed: "
            "pip install '.[cuda12]' (or '.[cuda13]'), or use --backend cpu"
        ) from error
    runtime = cupy.cuda.runtime
    try:
        driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        if driver == 0:
            raise BackendError(
                "backend 'cuda' found no NVIDIA driver: install one, or use --backend cpu"
            )
        if driver // 1000 < needed // 1000:
            raise BackendError(
                f"backend 'cuda' found a driver for CUDA {_version(driver)}, and the CuPy that is "
                f"installed needs one for {_version(needed)}: update the driver"
                + (", or pip install '.[cuda12]'" if driver // 1000 == 12 else "")
            )
        if runtime.getDeviceCount() == 0:
            raise BackendError("backend 'cuda' found no GPU: use --backend cpu")
        # Now, with a message, and not in the first step: cuBLAS, the compiler, and some memory.
        cupy.cuda.device.get_cublas_handle()
        cupy.ones(1)
        return CudaBackend(cupy)
    except MemoryError as error:
        free, total = cupy.cuda.Device().mem_info
        raise BackendError(
            f"backend 'cuda' has {free >> 20} of {total >> 20} MiB free on the GPU, too little to "
            "begin: end what else runs there, or use --backend cpu"
        ) from error
    except ImportError as error:
        raise BackendError(
            f"backend 'cuda' misses a library of CUDA: {error}; pip install '.[cuda12]' (or "
            "'.[cuda13]') brings them"
        ) from error
    except RuntimeError as error:
        if isinstance(error, BackendError):
            raise
        raise BackendError(
            f"backend 'cuda' cannot use the GPU: {error}; see nvidia-smi, or use --backend cpu"
        ) from error


def _version(number: int) -> str:
    """12080 is CUDA 12.8."""
    return f"{number // 1000}.{number % 1000 // 10}"


def backend_of(array: Any) -> Backend:
    """The backend an array lives on."""
    if isinstance(array, np.ndarray):
        return _cpu
    if _cuda is not None and isinstance(array, _cuda.xp.ndarray):
        return _cuda
    if type(array).__module__.partition(".")[0] == "cupy":
        return get("cuda")
    raise TypeError(f"expected a NumPy or CuPy array, got {type(array).__name__}")


def set_float32_matmul_precision(precision: str) -> None:
    """How exactly the GPU multiplies float32 in matrix products and convolutions.

    Args:
        precision: "highest", in float32 (the default), or "high", in TF32 on tensor cores: factors
            are rounded to 10 bits of mantissa, sums stay float32. The CPU always uses float32.
    """
    if precision not in ("highest", "high"):
        raise ValueError(
            f"set_float32_matmul_precision: expected 'highest' or 'high', got {precision!r}"
        )
    _device.device.tf32 = precision == "high"


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
