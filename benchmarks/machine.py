"""The machine a benchmark runs on: what it is, and what it can do at most."""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import threadpoolctl

from alexnet.run import environment
from benchmarks.precision import BF16, FLOAT32
from minigrad.kernels.linear import cpu as linear
from minigrad.kernels.shared import matmul

GEMM_SIZE = 2048
COPY_BYTES = 1 << 28
ROUNDS = 5


@dataclass(frozen=True)
class Peaks:
    """The most this machine did just now.

    Attributes:
        gflops: float32 multiply-adds of a large matrix product (two FLOPs each), the better one
            of NumPy's BLAS and our own kernel, 10^9 a second.
        gbytes: bytes read plus bytes written by copying a large array, 10^9 a second.
        bf16_gflops: those of our own kernel with factors rounded to bfloat16, where measured.
    """

    gflops: float
    gbytes: float
    bf16_gflops: float | None = None

    def of(self, precision: str) -> float:
        """The GFLOP/s of products in a precision."""
        return self.bf16_gflops if precision == BF16 else self.gflops

    def limit_seconds(self, flops: float, transferred: float, precision: str = FLOAT32) -> float:
        """The least time for this much arithmetic and memory traffic (the roofline)."""
        return max(flops / self.of(precision), transferred / self.gbytes) / 1e9


def measure_peaks(bf16: bool = False) -> Peaks:
    """Multiply two large matrices and copy a large array, several times; the best counts.

    Args:
        bf16: multiply with factors rounded to bfloat16, too.
    """
    a = np.ones((GEMM_SIZE, GEMM_SIZE), np.float32)
    product = np.empty_like(a)
    seconds = min(
        _best_seconds(lambda: np.matmul(a, a, out=product)),
        _best_seconds(lambda: matmul.matmul(a, a, output=product)),
    )
    gflop = 2 * GEMM_SIZE**3 / 1e9
    peaks = Peaks(gflop / seconds, _copy_gbytes())
    if not bf16:
        return peaks
    seconds = _best_seconds(lambda: linear.forward(a, a, None, output=product, bfloat16=True))
    return replace(peaks, bf16_gflops=gflop / seconds)


def _copy_gbytes() -> float:
    threads = numba.get_num_threads()
    source, target = np.ones(COPY_BYTES, np.uint8), np.zeros(COPY_BYTES, np.uint8)
    parts = [
        slice(i * COPY_BYTES // threads, (i + 1) * COPY_BYTES // threads) for i in range(threads)
    ]
    with ThreadPoolExecutor(threads) as team:
        seconds = _best_seconds(
            lambda: list(team.map(lambda part: np.copyto(target[part], source[part]), parts))
        )
    return 2 * COPY_BYTES / seconds / 1e9


def _best_seconds(work: Callable[[], Any]) -> float:
    work()
    return min(_seconds(work) for _ in range(ROUNDS))


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def describe() -> dict[str, Any]:
    """Versions, processor, threads, and the BLAS library NumPy uses with its kernel type."""
    return {**environment.versions(), **environment.machine(), "blas": _blas()}


def introduce(others: dict[str, str | None]) -> dict[str, Any]:
    """Print what the benchmark runs on, and warn of what would make its figures misleading.

    Args:
        others: the versions of the programs to compare with; None for what is not installed.
    """
    about = describe() | others
    for warning in warnings():
        print(f"warning: {warning}", file=sys.stderr)
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    if not any(others.values()):
        print("PyTorch is not installed: nothing to compare with (pip install '.[bench]').")
    return about


def _blas() -> list[str]:
    return [
        f"{library['internal_api']} {library['version']} ({library.get('architecture', '?')}, "
        f"{library['num_threads']} threads)"
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]


def warnings() -> list[str]:
    """What in the environment would make the figures misleading."""
    found = [
        f"{name}={os.environ[name]} is set and may choose slow BLAS kernels: run with env -u {name}"
        for name in ("OPENBLAS_CORETYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")
        if name in os.environ
    ]
    load = os.getloadavg()[0]
    if load > 1:
        found.append(f"other programs are running (load average {load:.1f}): expect noise")
    return found
