"""The GPU through CuPy: the connection to it, and copies to it that overlap with computation.

CuPy is imported only here, by `connect` and `import_nccl`.
"""

import importlib
import warnings
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
    """Copies to the GPU on a separate stream.

    An array is first copied to pinned memory, which the device reads without the host. A pair of
    pinned and device memory is reused once the computation is done with it.
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
            # Never freed: a transfer that nobody waited for may still be writing.
            self.all.append(staging)
            # The memory may come from an array that pending kernels still read.
            self.stream.wait_event(self.cupy.cuda.get_current_stream().record())
        return _Transfer(self, staging, array)


class _Staging:
    """Pinned memory on the host, and as much memory on the device."""

    def __init__(self, cupy: ModuleType, size: int):
        memory = cupy.cuda.alloc_pinned_memory(size)
        self.pinned = np.frombuffer(memory, np.uint8, size)
        self.device = cupy.empty(size, np.uint8)
        self.copied = cupy.cuda.Event(disable_timing=True)
        self.consumed = cupy.cuda.Event(disable_timing=True)


class _Transfer:
    """A copy in progress."""

    def __init__(self, transfers: Transfers, staging: _Staging, array: np.ndarray):
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
