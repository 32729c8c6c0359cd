"""The real CuPy, without a GPU: has it what the emulator's stand-in offers and the project calls?

The tests of the backend "cuda" run on a stand-in (`tests/cuda_emulator`). The tests of this folder
hold the stand-in against CuPy, as far as that can be done on a machine without a device:

    test_names.py      names, parameters, constants; the calls in the project's sources
    test_arrays.py     views of arrays, and what is refused
    test_kernels.py    arguments of kernels, compilation of the sources, the backend

They are left out where CuPy is not installed, and where there is a driver: `pytest --gpu` runs
the tests of the backend on the GPU instead.
"""

import numpy as np
import pytest

from tests.cuda_emulator import stand_in

try:
    import cupy
    import cupy._core.raw
    import cupy.cuda.compiler
    import cupy.cuda.nccl as real_nccl
except ImportError as error:
    pytest.skip(
        f"CuPy cannot be imported ({str(error).strip().splitlines()[0]}): "
        "pip install '.[cuda13]' or '.[cuda12]'",
        allow_module_level=True,
    )
if not real_nccl.available:
    pytest.fail("CuPy finds no NCCL: pip install '.[nccl13]' (or '.[nccl12]')")
if cupy.cuda.runtime.driverGetVersion() != 0:
    pytest.skip("there is an NVIDIA driver: use pytest --gpu", allow_module_level=True)

STAND_IN = stand_in.make()


def device_arrays():
    """The same array of the stand-in, of CuPy and of NumPy.

    CuPy's is in memory of the host, so that there can be views of it, but no computation.
    """
    host = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    owner = cupy.cuda.UnownedMemory(host.ctypes.data, host.nbytes, host, 0)
    real = cupy.ndarray((2, 3, 4), np.float32, memptr=cupy.cuda.MemoryPointer(owner, 0))
    return STAND_IN.asarray(host), real, host
