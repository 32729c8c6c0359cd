"""What kernels are compiled for is what Numba compiles for, by which it keeps them."""

import subprocess
import sys

import numba
import pytest

from minigrad.kernels.shared.processor import compiled_for


@pytest.mark.parametrize(
    "features, avx, expected",
    [
        ("+avx,+avx512bf16", 1, True),
        ("+avx,-avx512bf16", 1, False),
        ("", 1, False),
        ("+avx,+avx512bf16", 0, False),
    ],
)
def test_an_instruction_is_used_where_numba_compiles_for_it(features, avx, expected, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    monkeypatch.setattr(numba.config, "ENABLE_AVX", avx)
    assert compiled_for("avx512bf16") == expected


@pytest.mark.parametrize(
    "features, size", [("+avx,+avx2,+avx512f", 64), ("+avx,+avx2", 32), ("+sse2", 16), ("", 16)]
)
def test_vectors_are_as_long_as_those_of_that_processor(features, size, monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    script = "from minigrad.kernels.shared import microkernel; print(microkernel.VECTOR_BYTES)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == str(size), result.stderr
