"""What the benchmarks say about the machine."""

import numpy as np

from benchmarks import machine
from minigrad.trace import limits


def test_peaks_and_the_roofline(monkeypatch):
    monkeypatch.setattr(limits, "GEMM_SIZE", 64)
    monkeypatch.setattr(limits, "COPY_BYTES", 1 << 16)
    peaks = machine.measure_peaks()
    assert 0.01 < peaks.gflops < 1e5 and 0.01 < peaks.gbytes < 1e5

    peaks = machine.Peaks(gflops=100.0, gbytes=10.0)
    assert peaks.limit_seconds(2e11, 1e9) == 2.0, "the arithmetic takes longer"
    assert peaks.limit_seconds(1e9, 3e10) == 3.0, "the memory takes longer"
    peaks = machine.Peaks(gflops=100.0, gbytes=10.0, bf16_gflops=400.0)
    assert peaks.limit_seconds(2e11, 1e9) == 2.0 and peaks.limit_seconds(2e11, 1e9, "bf16") == 0.5


def test_description():
    about = machine.describe()
    assert about["numpy"] == np.__version__
    assert about["cpu"] and about["threads"] >= 1 and about["blas"]


def test_what_it_says_before_it_times_anything(monkeypatch, capsys):
    """On stdout what is compared, on stderr what would mislead."""
    monkeypatch.setattr(machine, "describe", lambda: {"cpu": "this one"})
    monkeypatch.setattr(machine, "warnings", lambda: ["a busy machine"])
    others = {"torch": None, "onnxruntime": "1.32"}
    assert machine.introduce(others) == {"cpu": "this one"} | others
    assert capsys.readouterr() == (
        "cpu this one; torch None; onnxruntime 1.32\n",
        "warning: a busy machine\n",
    )
    machine.introduce({"torch": None})
    assert "PyTorch is not installed: nothing to compare with" in capsys.readouterr().out


def test_a_crippled_blas_and_a_busy_machine_are_named(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    assert machine.warnings() == []
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    blas, load = machine.warnings()
    assert "OPENBLAS_CORETYPE=Haswell" in blas and "env -u OPENBLAS_CORETYPE" in blas
    assert "load average 3.0" in load
