"""cupy.cuda: devices, what the runtime says of them, and all that is in modules of its own."""

import threading
import types

from . import cublas, memory, nccl, settings
from .streams import Event, Stream, get_current_stream, synchronize_all

DRIVER_VERSION = 13000


class CUDARuntimeError(RuntimeError):
    """As cupy.cuda.runtime.CUDARuntimeError."""


def get_elapsed_time(start_event, end_event):
    """Milliseconds between two events."""
    for event in (start_event, end_event):
        if not event._has_timing or event._time is None:
            raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1e3 * (end_event._time - start_event._time)


class _Current(threading.local):
    """The device of each thread of the host. All devices share the one memory."""

    number = 0


_current = _Current()


class Device:
    compute_capability = "90"
    attributes = {
        "MultiProcessorCount": 132,
        "MaxSharedMemoryPerBlock": 48 << 10,
        "MaxSharedMemoryPerBlockOptin": 227 << 10,
        "MaxSharedMemoryPerMultiprocessor": 228 << 10,
        "MaxThreadsPerBlock": 1024,
        "WarpSize": 32,
    }

    def __init__(self, device=None):
        self.id = _current.number if device is None else int(device)

    def __enter__(self):
        self._require_existing()
        return self

    def __exit__(self, *exception):
        pass

    def __int__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        self._require_existing()
        _current.number = self.id

    def synchronize(self):
        synchronize_all()

    @property
    def pci_bus_id(self):
        self._require_existing()
        return f"0000:{16 + settings.devices[self.id]:02x}:00.0"

    @property
    def mem_info(self):
        """(free, total) bytes."""
        return memory.free_bytes(), memory.DEVICE_BYTES

    def _require_existing(self):
        if not 0 <= self.id < len(settings.devices):
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")


def device_properties(device):
    """What cudaGetDeviceProperties says, as far as the project asks."""
    return {
        "name": b"emulated device",
        "major": 9,
        "minor": 0,
        "multiProcessorCount": 132,
        "totalGlobalMem": memory.DEVICE_BYTES,
        "sharedMemPerBlockOptin": 227 << 10,
    }


cuda = types.ModuleType("cupy.cuda")
cuda.is_available = lambda: True
cuda.Stream = Stream
cuda.Event = Event
cuda.Device = Device
cuda.get_current_stream = get_current_stream
cuda.get_elapsed_time = get_elapsed_time
cuda.alloc_pinned_memory = memory.PinnedMemory
cuda.alloc = memory.alloc
cuda.get_allocator = memory.get_allocator
cuda.set_allocator = memory.set_allocator

cuda.runtime = types.ModuleType("cupy.cuda.runtime")
cuda.runtime.CUDARuntimeError = CUDARuntimeError
cuda.runtime.getDeviceCount = lambda: len(settings.devices)
cuda.runtime.getDevice = lambda: _current.number
cuda.runtime.driverGetVersion = lambda: DRIVER_VERSION
cuda.runtime.runtimeGetVersion = lambda: DRIVER_VERSION
cuda.runtime.getDeviceProperties = device_properties
cuda.runtime.deviceSynchronize = synchronize_all

cuda.memory = types.ModuleType("cupy.cuda.memory")
cuda.memory.OutOfMemoryError = memory.OutOfMemoryError
cuda.memory.MemoryPool = memory.MemoryPool

cuda.device = types.ModuleType("cupy.cuda.device")
cuda.device.Device = Device
cuda.device.get_cublas_handle = lambda: cublas.HANDLE

cuda.cublas = cublas.module

MODULES = {
    "cupy.cuda": cuda,
    "cupy.cuda.runtime": cuda.runtime,
    "cupy.cuda.memory": cuda.memory,
    "cupy.cuda.device": cuda.device,
    "cupy.cuda.cublas": cuda.cublas,
    "cupy.cuda.nccl": nccl.module,  # in CuPy, too, it is no attribute before it is imported
}
