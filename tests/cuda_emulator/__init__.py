"""Runs the `cuda` backend on machines without a GPU.

`install()` puts a strict stand-in for CuPy into sys.modules. Its RawModule compiles the unchanged
CUDA C sources of the project with g++ and runs them on the CPU, one fiber per CUDA thread, with
real barriers, shuffles, shared memory, asynchronous copies and tensor-core products; arguments and
launches are checked as no device checks them, and threads run in different orders on demand.

    with cuda_emulator.installed() as cupy: ...

To read it from the outside in:

    settings.py      what can be chosen: order of threads, cache folder, ...
    stand_in.py      the module "cupy", put together from
      array.py         its ndarray
      functions.py     its functions
      memory.py        its memory pool
      device_api.py    cupy.cuda: the device, and what is in modules of its own:
      streams.py       streams and events, with clocks
      accesses.py      which stream uses which memory: what it should have waited for
      cublas.py        cupy.cuda.cublas: one matrix product
      nccl.py          cupy.cuda.nccl: sends and receives between processes or threads
      launch.py        RawModule: checks the arguments, runs the kernel
    source.py        what is changed in a CUDA source: __shared__ declarations, and the PTX header
    ptx.cuh          the twin of the product's header with inline PTX
    build.py         g++ and the cache of what it made
    device/          what a CUDA source sees: cuda.h and what it includes
    runtime/         what runs it: fiber.cpp (stacks), scheduler.cpp (threads, blocks, launches),
                     synchronization.cpp (barriers, warps), shared_memory.cpp, async_copy.cpp,
                     tensor_core.cpp, checks.cpp (alignment, declared bounds, overflow)
    sanitize.py      the same under AddressSanitizer and ThreadSanitizer; reports.py reads them
    examples.cu, defects.cu    kernels that are right, and wrong, for the tests of this folder

What it cannot see: how fast anything is, what PTX really does, how a device orders memory that is
not synchronized, its rounding where that differs (contraction of a * b + c, denormals, fast
approximations).
"""

import contextlib
import sys

from . import device_api, stand_in
from .settings import EmulatorError

__all__ = ["EmulatorError", "install", "installed", "uninstall"]

_displaced = {}  # what sys.modules held under the names that the stand-in took


def install():
    """Makes `import cupy` find the stand-in, and returns it."""
    current = sys.modules.get("cupy")
    if isinstance(current, stand_in.StandIn):
        return current
    module = stand_in.make()
    modules = {"cupy": module, **device_api.MODULES}
    _displaced.update({name: sys.modules.get(name) for name in modules})
    sys.modules.update(modules)
    return module


def uninstall():
    """Makes `import cupy` find what it would find without the emulator."""
    for name, module in _displaced.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module
    _displaced.clear()


@contextlib.contextmanager
def installed():
    """install() for the length of a `with` block."""
    was_there = isinstance(sys.modules.get("cupy"), stand_in.StandIn)
    module = install()
    try:
        yield module
    finally:
        if not was_there:
            uninstall()
