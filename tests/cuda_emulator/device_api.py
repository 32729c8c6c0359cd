"""cupy.cuda: streams, events, devices. Everything runs at once, in the order of the calls."""

import time
import types

from . import cublas, memory

DRIVER_VERSION = 13000


class CUDARuntimeError(RuntimeError):
    """As cupy.cuda.runtime.CUDARuntimeError."""


class Event:
    """It takes as long as it may: it is not done before somebody has waited for it."""

    _waits = 0  # for the whole device

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self._has_timing = not disable_timing
        self._time = None
        self._waits_before = -1

    def record(self, stream=None):
        self._time = time.perf_counter()
        self._waits_before = Event._waits

    def synchronize(self):
        self._waits_before = -1

    @property
    def done(self):
        return Event._waits > self._waits_before


def get_elapsed_time(start_event, end_event):
    """Milliseconds between two events."""
    for event in (start_event, end_event):
        if not event._has_timing or event._time is None:
            raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 1e3 * (end_event._time - start_event._time)


class Stream:
    null = None  # below

    _current = []  # entered by `with`, innermost last

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else id(self)

    def __enter__(self):
        Stream._current.append(self)
        return self

    def __exit__(self, *exception):
        Stream._current.pop()

    def use(self):
        Stream._current[-1:] = [self]
        return self

    def synchronize(self):
        pass

    def wait_event(self, event):
        if event._time is None:
            return  # as on the device: an event never recorded holds nobody up

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    @property
    def done(self):
        return True


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return Stream._current[-1] if Stream._current else Stream.null


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
        self.id = 0 if device is None else int(device)

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

    def synchronize(self):
        Event._waits += 1

    @property
    def mem_info(self):
        """(free, total) bytes."""
        return memory.free_bytes(), memory.DEVICE_BYTES

    def _require_existing(self):
        if self.id != 0:
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
cuda.runtime.getDeviceCount = lambda: 1
cuda.runtime.getDevice = lambda: 0
cuda.runtime.driverGetVersion = lambda: DRIVER_VERSION
cuda.runtime.runtimeGetVersion = lambda: DRIVER_VERSION
cuda.runtime.getDeviceProperties = device_properties
cuda.runtime.deviceSynchronize = lambda: None

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
}
