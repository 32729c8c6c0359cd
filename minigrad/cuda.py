"""The GPU through CuPy: the connection to it, and copies to it that overlap with computation.

CuPy is imported only here, by `connect` and `import_nccl`.
"""

import importlib
import math
import threading
import warnings
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.kernels.shared.device import device


class BackendError(RuntimeError):
    """A backend cannot be used on this machine; the message says what is missing."""


_number = 0


def set_device(number: int) -> None:
    """Choose the GPU that `connect` takes: this one of those visible, counted round and round.

    CUDA's choice is one of each thread: other threads that use the GPU have to make it again.
    """
    global _number
    _number = number


def connect() -> ModuleType:
    """CuPy, connected to the kernels.

    Raises:
        BackendError: there is no CuPy, no driver, no GPU, or one that cannot be used.
    """
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
                f"backend 'cuda' found a driver for CUDA {_version(driver)}, but the installed "
                f"CuPy needs one for {_version(needed)}: update the driver"
                + (", or pip install '.[cuda12]'" if driver // 1000 == 12 else "")
            )
        count = runtime.getDeviceCount()
        if count == 0:
            raise BackendError("backend 'cuda' found no GPU: use --backend cpu")
        cupy.cuda.Device(_number % count).use()
        # cuBLAS, the compiler and some memory: what fails here fails with a message.
        cupy.cuda.device.get_cublas_handle()
        cupy.ones(1)
        device.connect(cupy)
        return cupy
    except MemoryError as error:
        free, total = cupy.cuda.Device().mem_info
        raise BackendError(
            f"backend 'cuda' has {free >> 20} of {total >> 20} MiB free on the GPU, too little to "
            "start: stop the other programs on it, or use --backend cpu"
        ) from error
    except ImportError as error:
        raise BackendError(
            f"backend 'cuda' cannot load a CUDA library: {error}; pip install '.[cuda12]' (or "
            "'.[cuda13]') installs them"
        ) from error
    except RuntimeError as error:
        if isinstance(error, BackendError):
            raise
        raise BackendError(
            f"backend 'cuda' cannot use the GPU: {error}; see nvidia-smi, or use --backend cpu"
        ) from error


def import_nccl() -> ModuleType:
    """CuPy's NCCL, which comes with CuPy only when it is asked for.

    Its ``available`` is False where there is no library; CuPy's warning of that is left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("cupy.cuda.nccl")


def _version(number: int) -> str:
    """12080 is CUDA 12.8."""
    return f"{number // 1000}.{number % 1000 // 10}"


class Transfers:
    """Copies to the GPU on a separate stream, from pinned memory, which it reads without the host.

    Whoever fills an array for the GPU gets it in pinned memory from `host_empty`, in any thread; an
    array from elsewhere is first copied there. Both kinds of memory are reused: pinned memory when
    its array is gone and has been copied, memory of the device when the computation is done with
    it.
    """

    def __init__(self, cupy: ModuleType):
        self.cupy = cupy
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self._device = cupy.cuda.Device()
        self._lock = threading.Lock()
        self._pinned: list[_Pinned] = []  # that no array has
        self._given: dict[int, _Pinned] = {}  # by address
        # None is ever freed: a transfer that nobody waited for may still be writing.
        self._targets: list[_Target] = []
        self._free_targets: list[_Target] = []

    def host_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An uninitialized array in pinned memory."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        with self._lock:
            fitting = [pinned for pinned in self._pinned if pinned.bytes.size >= size]
            found = min(fitting, key=lambda pinned: pinned.bytes.size, default=None)
            if found is not None:
                self._pinned.remove(found)
        with self._device:  # which other threads have not chosen
            if found is None:
                found = _Pinned(self.cupy, max(size, 1))
            else:
                found.copied.synchronize()
        array = np.frombuffer(found.memory, dtype, math.prod(shape))
        address = array.ctypes.data
        self._given[address] = found
        # All views of the array keep it.
        weakref.finalize(array, self._take_back, address).atexit = False
        return array.reshape(shape)

    def _take_back(self, address: int) -> None:
        # Without the lock, which the thread that runs this may hold.
        self._pinned.append(self._given.pop(address))

    def begin(self, array: np.ndarray) -> "_Transfer":
        """Start to copy an array."""
        pinned = self._given.get(array.ctypes.data)
        if pinned is None or not array.flags.c_contiguous:
            own = self.host_empty(array.shape, array.dtype)
            np.copyto(own, array)
            return self.begin(own)
        fitting = [target for target in self._free_targets if target.bytes.size >= array.nbytes]
        if fitting:
            target = min(fitting, key=lambda target: target.bytes.size)
            self._free_targets.remove(target)
            self.stream.wait_event(target.consumed)
        else:
            target = _Target(self.cupy, max(array.nbytes, 1))
            self._targets.append(target)
            # The memory may come from an array that pending kernels still read.
            self.stream.wait_event(self.cupy.cuda.get_current_stream().record())
        return _Transfer(self, array, pinned, target)

    def read_later(self, *arrays: Any) -> Callable[[], list[np.ndarray]]:
        """Start copying arrays of the device, after the computation so far; see `Backend`."""
        copies = [self.host_empty(array.shape, array.dtype) for array in arrays]
        for array, copy in zip(arrays, copies):
            array.get(out=copy, blocking=False)
        copied = self.cupy.cuda.get_current_stream().record()

        def read() -> list[np.ndarray]:
            copied.synchronize()
            return copies

        return read

    def end(self, target: "_Target") -> None:
        """The computation so far is the last that reads this memory."""
        target.consumed.record(self.cupy.cuda.get_current_stream())
        self._free_targets.append(target)


class _Pinned:
    """Pinned memory of the host."""

    def __init__(self, cupy: ModuleType, size: int):
        self.memory = cupy.cuda.alloc_pinned_memory(size)
        self.bytes = np.frombuffer(self.memory, np.uint8, size)
        self.copied = cupy.cuda.Event(disable_timing=True)


class _Target:
    """Memory of the device."""

    def __init__(self, cupy: ModuleType, size: int):
        self.bytes = cupy.empty(size, np.uint8)
        self.consumed = cupy.cuda.Event(disable_timing=True)


class _Transfer:
    """A copy in progress."""

    def __init__(self, transfers: Transfers, array: np.ndarray, pinned: _Pinned, target: _Target):
        self._transfers, self._target = transfers, target
        # Until the copy has been waited for, the array is not given back.
        self._array = array
        self._arrived = pinned.copied
        target.bytes[: array.nbytes].set(pinned.bytes[: array.nbytes], stream=transfers.stream)
        self._arrived.record(transfers.stream)

    def __enter__(self) -> Any:
        cupy, array = self._transfers.cupy, self._array
        cupy.cuda.get_current_stream().wait_event(self._arrived)
        return self._target.bytes[: array.nbytes].view(array.dtype).reshape(array.shape)

    def __exit__(self, *error: object) -> None:
        self._transfers.end(self._target)


def set_float32_matmul_precision(precision: str) -> None:
    """Set the precision of float32 matrix products and convolutions on the GPU.

    Args:
        precision: "highest" is float32 (the default), "high" is TF32 on tensor cores: factors
            are rounded to 10 bits of mantissa, sums stay float32. The CPU always uses float32.
    """
    if precision not in ("highest", "high"):
        raise ValueError(
            f"set_float32_matmul_precision: expected 'highest' or 'high', got {precision!r}"
        )
    device.tf32 = precision == "high"
