"""Numba compilation and the shared thread pool.

All parallel work on the CPU is done by Numba's threads. A multi-threaded BLAS called in turn
with them would make two pools fight for the same cores, so no kernel calls one.

Kernels are compiled when they are first called, and kept on disk (`cache.py`).

Floating-point numbers are added and multiplied as written (no ``fastmath``): a relaxation would
let the bits of a result depend on the optimizer, and a kernel that was just compiled is optimized
once more than one from the cache. Where a sum should be a vector, the loops
say so, and the micro-kernel asks for its fused multiply-adds itself.
"""

import contextlib
import importlib
import os
import warnings

import numba

from minigrad.kernels.shared.cache import KernelCache

# How often an idle thread of GNU OpenMP looks for work before it sleeps. By default it looks for
# about a millisecond; where another program computes on the same cores, it takes that time from the
# very thread it waits for. Kernels follow each other faster than this count, so nothing changes on
# a machine with no other load.
SPIN_COUNT = "1000"


def _load_openmp() -> None:
    """Load the library behind Numba's threads with `SPIN_COUNT`, unless the user has set it.

    It reads its settings when it is loaded. The variable is taken back, so that others, such as
    PyTorch's copy of the library, do not see it.
    """
    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not chosen:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    # Where there is no OpenMP, Numba has threads of its own.
    with contextlib.suppress(ImportError):
        importlib.import_module("numba.np.ufunc.omppool")
    if not chosen:
        del os.environ["GOMP_SPINCOUNT"]


_load_openmp()


def jit(function, parallel=False):
    """A function compiled by Numba; a module-level one, for only those can be cached."""
    kernel = numba.njit(
        nogil=True,
        error_model="numpy",
        parallel=parallel,
        no_cfunc_wrapper=True,  # nothing calls them from C
    )(function)
    kernel._cache = KernelCache(function)
    return kernel


# Only loops over `numba.prange` are divided: by default Numba also makes a parallel loop of every
# `np.zeros` and every assignment to a slice, and compiles each on its own.
_ONLY_PRANGE = dict.fromkeys(
    ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False
)
# Numba then warns that there is nothing to divide within the divided loop.
warnings.filterwarnings(
    "ignore",
    r'(?s).*parallel=True.*File "([^"]*/)?minigrad/kernels/',
    category=numba.errors.NumbaPerformanceWarning,
)


def parallel_jit(function):
    """Like `jit`, with loops over ``numba.prange`` divided among the threads."""
    return jit(function, parallel={"prange": True, **_ONLY_PRANGE})
