"""What the machine does at most: the limits that calls are compared with.

They are measured by multiplying two large matrices and copying a large array, several times; the
best counts. A call of a kernel can be faster than the limit: Winograd's algorithm multiplies less
than the direct sum whose FLOPs are counted, and small arrays stay in the cache.
"""

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from minigrad import backend as backends
from minigrad.backend import Backend
from minigrad.kernels.shared.device import device as gpu
from minigrad.trace.work import Work

GEMM_SIZE = 2048
COPY_BYTES = 1 << 28
ROUNDS = 5


def measure_gflops(device: str = "cpu", precision: str = "float32") -> float:
    """Multiply-adds of a large matrix product, two FLOPs each, 10^9 a second.

    On the CPU the better one of NumPy's BLAS and our own kernel, in bfloat16 the kernel; on a GPU
    what cuBLAS does.

    Args:
        precision: see `Work.precision`.
    """
    backend = backends.get(device)
    dtype = np.float64 if precision == "float64" else np.float32
    a = backend.xp.ones((GEMM_SIZE, GEMM_SIZE), dtype)
    product = backend.xp.empty_like(a)
    if device == "cuda":
        return _gflops_of_cublas(backend, a, product, precision == "tf32")
    # Here, not above: they take long to import, and the engine is imported without them.
    from minigrad.kernels.linear import cpu as linear
    from minigrad.kernels.shared import matmul

    if precision == "bfloat16":
        works = [lambda: linear.forward(a, a, None, output=product, bfloat16=True)]
    else:
        works = [
            lambda: np.matmul(a, a, out=product),
            lambda: matmul.matmul(a, a, output=product),
        ]
    return _gflops(min(map(_best_seconds, works)))


def _gflops_of_cublas(device: Backend, a: Any, product: Any, tf32: bool) -> float:
    before, gpu.tf32 = gpu.tf32, tf32
    try:
        seconds = _best_seconds(
            lambda: gpu.matmul(a[None], a[None], output=product[None]), device.synchronize
        )
    finally:
        gpu.tf32 = before
    return _gflops(seconds)


def _gflops(seconds: float) -> float:
    return 2 * GEMM_SIZE**3 / seconds / 1e9


def measure_gbytes(device: str = "cpu") -> float:
    """Bytes read plus bytes written by copying a large array, 10^9 a second."""
    if device == "cuda":
        seconds = _seconds_of_copy(backends.get(device))
    else:
        seconds = _seconds_of_copy_by_all_threads()
    return 2 * COPY_BYTES / seconds / 1e9


def _seconds_of_copy(device: Backend) -> float:
    source, target = device.xp.ones(COPY_BYTES, np.uint8), device.xp.zeros(COPY_BYTES, np.uint8)

    def copy() -> None:
        target[...] = source

    return _best_seconds(copy, device.synchronize)


def _seconds_of_copy_by_all_threads() -> float:
    threads = numba.get_num_threads()
    source, target = np.ones(COPY_BYTES, np.uint8), np.zeros(COPY_BYTES, np.uint8)
    parts = [
        slice(i * COPY_BYTES // threads, (i + 1) * COPY_BYTES // threads) for i in range(threads)
    ]
    with ThreadPoolExecutor(threads) as team:
        return _best_seconds(
            lambda: list(team.map(lambda part: np.copyto(target[part], source[part]), parts))
        )


def _best_seconds(work: Callable[[], Any], wait: Callable[[], None] = lambda: None) -> float:
    def seconds() -> float:
        started = time.perf_counter()
        work()
        wait()
        return time.perf_counter() - started

    seconds()
    return min(seconds() for _ in range(ROUNDS))


def least_seconds(flops: float, transferred: float, gflops: float, gbytes: float) -> float:
    """The least time for this much arithmetic and memory traffic (the roofline).

    Args:
        transferred: bytes.
        gflops, gbytes: the limits, 10^9 a second.
    """
    return max(flops / gflops, transferred / gbytes) / 1e9


@functools.cache
def gflops(device: str, precision: str) -> float:
    """`measure_gflops`, once in a process."""
    return measure_gflops(device, precision)


@functools.cache
def gbytes(device: str) -> float:
    """`measure_gbytes`, once in a process."""
    return measure_gbytes(device)


def limit_of(work: Work) -> float:
    """The least seconds for a call; the first one of its kind measures the limits."""
    limits = gflops(work.device, work.precision), gbytes(work.device)
    return least_seconds(work.flops, work.bytes, *limits)


def in_words(works: set[Work]) -> str:
    """The limits that these calls are compared with, in a sentence."""
    products = sorted({(work.device, work.precision) for work in works})
    found = [f"{gflops(*product):,.0f} GFLOP/s in {product[1]}" for product in products]
    found += [f"{gbytes(device):,.1f} GB/s" for device in sorted({work.device for work in works})]
    return f"Limits: {', '.join(found)}, of a large matrix product and a large copy."
