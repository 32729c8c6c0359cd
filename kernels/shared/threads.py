"""Numba compilation and the shared thread pool.

All parallel work on the CPU is done by Numba's threads. A multi-threaded BLAS called in turn
with them would make two pools fight for the same cores, so no kernel calls one.

Kernels are compiled when they are first called, and kept on disk (`cache.py`).

Floating-point numbers are added and multiplied as written (no ``fastmath``): a relaxation would
let the bits of a result depend on the optimizer, and a kernel that was just compiled is optimized
once more than one from the cache. Where a sum should be a vector, the loops
say so, and the micro-kernel asks for its fused multiply-adds itself.
"""

import os
import threading
import warnings

import numba

from minigrad.kernels.shared import threading_layer
from minigrad.kernels.shared.cache import kernel_cache


def jit(function, parallel=False):
    """A function compiled by Numba; a module-level one, for only those can be cached."""
    kernel = numba.njit(
        nogil=True,
        error_model="numpy",
        parallel=parallel,
        no_cfunc_wrapper=True,  # nothing calls them from C
    )(function)
    kernel._cache = kernel_cache(function, bool(parallel))
    return kernel


# Only loops over `numba.prange` are divided: by default Numba also makes a parallel loop of every
# `np.zeros` and every assignment to a slice, and compiles each on its own.
_ONLY_PRANGE = dict.fromkeys(
    ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False
)
# Numba then warns that there is nothing to divide within the divided loop.
warnings.filterwarnings(
    "ignore",
    r'(?s).*parallel=True.*File "([^"]*[/\\])?minigrad[/\\]kernels[/\\]',
    category=numba.errors.NumbaPerformanceWarning,
)

_parallel_kernels = []
_thread_safe = threading_layer.is_thread_safe()
_lock = threading.RLock()


def parallel_jit(function):
    """Like `jit`, with loops over ``numba.prange`` divided among the threads."""
    kernel = jit(function, parallel={"prange": True, **_ONLY_PRANGE})
    _parallel_kernels.append(kernel)
    return kernel if _thread_safe else _one_at_a_time(kernel)


def _one_at_a_time(kernel):
    """The kernel, called by one Python thread at a time, which uses all cores anyway."""

    def call(*arguments):
        with _lock:
            kernel(*arguments)

    return call


def _after_fork() -> None:
    """In a child that cannot divide loops, compile them undivided: they give the same bits."""
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it
    if threading_layer.survives_fork():
        return
    for kernel in _parallel_kernels:
        kernel.targetoptions["parallel"] = False
        kernel._reset_overloads()
        kernel._cache = kernel_cache(kernel.py_func, parallel=False)
    numba.set_num_threads(1)  # for those who ask how many there are


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
