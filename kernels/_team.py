"""The one team of CPU threads, and how its kernels are compiled.

All parallel work on the CPU is done by Numba's threads. A multi-threaded BLAS called in turn
with them would make two teams fight for the same cores, so no kernel calls one.

Kernels are compiled when first called and cached beside the source. Only module-level
functions are cached, and an edited function does not invalidate the cache of its callers in
other files: after such an edit delete the ``__pycache__`` folders under ``kernels/``.

The floating-point relaxations let LLVM vectorise sums and use fused multiply-add. NaN and
infinity keep their meaning: a diverging training run must show, not vanish.
"""

import functools

import numba

_options = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"},
}

jit = functools.partial(numba.njit, **_options)
parallel_jit = functools.partial(numba.njit, parallel=True, **_options)
