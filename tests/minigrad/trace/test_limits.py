"""What the machine does at most."""

import pytest

import minigrad as mg
from minigrad.kernels.shared.device import device as gpu
from minigrad.trace import limits
from minigrad.trace.work import Work


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(limits, "GEMM_SIZE", 64)
    monkeypatch.setattr(limits, "COPY_BYTES", 1 << 16)
    monkeypatch.setattr(limits, "ROUNDS", 2)


@pytest.mark.parametrize(
    "device, precision",
    [
        *(("cpu", precision) for precision in ("float32", "float64", "bfloat16")),
        *(("cuda", precision) for precision in ("float32", "float64", "tf32")),
    ],
)
def test_they_are_measured(device, precision, request, bfloat16_supported):
    if device == "cuda":
        request.getfixturevalue("cuda")
    assert 1e-4 < limits.measure_gflops(device, precision) < 1e5
    assert 1e-4 < limits.measure_gbytes(device) < 1e5


def test_products_are_made_in_the_precision(cuda, monkeypatch):
    """And the precision that was chosen stays."""
    seen = []
    multiply = gpu.matmul
    monkeypatch.setattr(
        gpu,
        "matmul",
        lambda a, b, *, output: (seen.append(gpu.tf32), multiply(a, b, output=output)),
    )
    limits.measure_gflops("cuda", "tf32")
    assert set(seen) == {True} and not gpu.tf32
    mg.set_float32_matmul_precision("high")
    del seen[:]
    limits.measure_gflops("cuda", "float32")
    assert set(seen) == {False} and gpu.tf32


def test_the_roofline():
    assert limits.least_seconds(2e11, 1e9, gflops=100.0, gbytes=10.0) == 2.0, "the arithmetic"
    assert limits.least_seconds(1e9, 3e10, gflops=100.0, gbytes=10.0) == 3.0, "the memory"


def test_each_call_is_compared_with_the_limits_of_its_device_and_precision(monkeypatch):
    found = {("cpu", "float32"): 100.0, ("cuda", "tf32"): 1000.0}
    monkeypatch.setattr(limits, "gflops", lambda *which: found[which])
    monkeypatch.setattr(limits, "gbytes", {"cpu": 10.0, "cuda": 1000.0}.__getitem__)
    works = [Work(*which[:1], "linear.forward", (), 2 * 10**9, 1, which[1]) for which in found]
    assert [limits.limit_of(work) for work in works] == [0.02, 0.002]
    assert limits.in_words(set(works)) == (
        "Limits: 100 GFLOP/s in float32, 1,000 GFLOP/s in tf32, 10.0 GB/s, 1,000.0 GB/s, of a "
        "large matrix product and a large copy."
    )
