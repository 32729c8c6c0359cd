"""The machine a benchmark runs on: what it is, and what it can do at most."""

import os
import sys
from dataclasses import dataclass
from typing import Any

import threadpoolctl

from alexnet.run import environment
from benchmarks.precision import BF16, FLOAT32
from minigrad.trace import limits


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
        return limits.least_seconds(flops, transferred, self.of(precision), self.gbytes)


def measure_peaks(bf16: bool = False) -> Peaks:
    """What `minigrad.trace` compares kernels with, measured just now.

    Args:
        bf16: multiply with factors rounded to bfloat16, too.
    """
    return Peaks(
        limits.measure_gflops(),
        limits.measure_gbytes(),
        limits.measure_gflops(precision="bfloat16") if bf16 else None,
    )


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
