"""The one team of CPU threads, and how its kernels are compiled.

All parallel work on the CPU is done by Numba's threads. A multi-threaded BLAS called in turn
with them would make two teams fight for the same cores, so no kernel calls one.

Kernels are compiled when first called and cached beside the source. Only module-level
functions are cached, and an edited function does not invalidate the cache of its callers in
other files: after such an edit delete the ``__pycache__`` folders under ``kernels/``.

Floating-point numbers are added and multiplied as written (no ``fastmath``): a relaxation would
let the bits of a result depend on what the optimizer made of it, and a kernel that was just
compiled is optimized once more than one from the cache. Where a sum should be a vector, the loops
say so, and the micro-kernel asks for its fused multiply-adds itself.
"""

import functools

import numba

jit = functools.partial(numba.njit, nogil=True, cache=True, error_model="numpy")
parallel_jit = functools.partial(jit, parallel=True)
