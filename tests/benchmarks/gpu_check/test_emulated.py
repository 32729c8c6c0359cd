"""The whole check on a machine whose GPU is emulated, and on machines that lack a tool."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_check import __main__ as check
from benchmarks.gpu_check import record

ROOT = Path(__file__).parents[3]
MACHINE = ROOT / "tests" / "emulated_gpu"
TOOLS = ("compute-sanitizer", "ncu")


def run(folder, *options, modules=(MACHINE,), tools=MACHINE / "bin"):
    """Exit code, report and summary of a check in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--small", "--arch", "alexnet"]
    result = subprocess.run(
        [*command, "--out", str(folder), *options],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads((folder / record.JSON).read_text())
    problems = {name: part["problems"] for name, part in report["parts"].items()}
    return result.returncode, report, (folder / record.SUMMARY).read_text(), problems


def test_every_part(tmp_path, torch):
    # More minutes than it takes, so that other programs beside it change nothing.
    code, report, summary, problems = run(tmp_path / "out", "--minutes", "30")
    assert problems == {name: [] for name in check.PARTS}
    assert code == 0
    assert {part["status"] for part in report["parts"].values()} == {"passed"}
    # No checkpoints, nothing large, few files.
    files = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert set(files) == {record.JSON, record.SUMMARY, record.LOG, "training_curves.png"}
    assert max(files.values()) < 1 << 20
    about = report["about"]
    assert about["device"] == "cuda (emulated device)" and about["driver"] == (
        "580.00, multiprocessors 1980 MHz, memory 2619 MHz, power limit 700.00 W, temperature 30 °C"
    )
    assert {"date", "cupy", "torch", "numpy", "python", "command"} <= set(about)
    # What each part is there for.
    for text in (
        "All 16 CUDA sources compiled in",  # smoke
        "| GPU, tf32 |",
        "| GPU, bf16 |",
        "| alexnet, batch 1 |",  # steps
        "| PyTorch bf16, no norm |",
        "| alexnet, batch 1, minigrad tf32: ",  # kernels
        "| alexnet, batch 1, minigrad bf16: ",
        "| weight_gradient<bfloat16, ",
        "passed.",  # tests
        "| conv1+relu1 forward |",  # layers
        "| norm2+pool2 backward |",
        "compute-sanitizer --tool racecheck",
        "Errors: 0. A planted defect: noticed.",
        "| PyTorch bf16, no norm, CUDA graph |",  # compiled
        "| PyTorch bf16, compiled (default) |",
        "Mean loss of the first 5 steps: ",  # training
        "| loading, onto the device | ",  # feeding
        "| implicit_gemm<128, 4> | 0.412 | 61.5 |",  # counters
    ):
        assert text in summary
    # Gradients with dropout in them are not compared.
    for form in ("CUDA graph", "compiled (default)"):
        assert re.search(
            rf"^\| PyTorch bf16.*, {re.escape(form)} \|.* - \|$", summary, re.MULTILINE
        )
    assert " s  alexnet: conv1+relu1\n" in (tmp_path / "out" / record.LOG).read_text()
    steps = report["parts"]["steps"]["results"]
    ours, *_ = steps["alexnet, batch 1"]
    assert ours["name"] == "minigrad float32" and len(ours["seconds"]) == 1
    assert ours["peak_bytes"] > 1e6 and ours["seconds"][0] >= ours["host_seconds"][0] > 0
    profiles = report["parts"]["kernels"]["results"]["alexnet, batch 1"]
    assert len(profiles) == len(steps["alexnet, batch 1"])
    kernels = profiles["minigrad tf32"]
    calls = {row["name"]: row["calls"] for row in kernels["kernels"]}
    assert calls["pack_weights<float>"] == 9 and calls["sgd_update<float>"] == 16
    assert len(kernels["order"]) == sum(calls.values())
    assert 0 < kernels["busy"] <= kernels["span"]


def test_without_pytorch_and_tools(tmp_path):
    """Each part that misses something names it, and does the rest."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "torch.py").write_text("raise ImportError('no PyTorch here')")
    parts = ("steps", "kernels", "memcheck", "compiled", "counters")
    code, report, summary, problems = run(
        *(tmp_path / "out", "--parts", *parts),
        modules=(tmp_path / "modules", MACHINE),
        tools=tmp_path / "nothing",
    )
    assert code == 1
    missing = "PyTorch is not installed: nothing to compare with"
    assert problems == {
        "steps": [missing],
        "kernels": [f"{missing}, and the profiler is PyTorch's"],
        "memcheck": ["compute-sanitizer is not installed"],
        "compiled": [missing],
        "counters": ["ncu is not installed"],
    }
    assert "| minigrad tf32 |" in summary and "| PyTorch" not in summary
    assert f"| steps | failed: {missing} |" in summary


def tool(folder, name, text):
    """A program for the front of PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_sanitizer_that_finds_something(tmp_path):
    log = 'while [ "$1" != --log-file ]; do shift; done; log=$2'
    tool(
        tmp_path / "bin",
        "compute-sanitizer",
        f"{log}; echo '========= Invalid __global__ read of size 4 bytes' > $log; "
        "echo '========= ERROR SUMMARY: 3 errors' >> $log; exit 86",
    )
    tool(tmp_path / "bin", "ncu", "echo '==ERROR== ERR_NVGPUCTRPERM - no permission'; exit 1")
    code, _, summary, problems = run(
        tmp_path / "out", "--parts", "memcheck", "counters", tools=tmp_path / "bin"
    )
    assert code == 1
    assert problems["memcheck"] == [
        "no test passed",
        "compute-sanitizer ended with exit code 86",
        "memcheck found 3 errors, the first: Invalid __global__ read of size 4 bytes",
    ]
    assert "    Invalid __global__ read of size 4 bytes" in summary
    assert problems["counters"] == ["ncu looked at 0 kernels and ended with code 1"]


def test_a_sanitizer_that_says_nothing(tmp_path):
    tool(tmp_path / "bin", "compute-sanitizer", "exit 0")
    _, _, _, problems = run(tmp_path / "out", "--parts", "synccheck", tools=tmp_path / "bin")
    assert problems["synccheck"] == [
        "synccheck does not notice a planted defect: its silence means nothing",
        "no test passed",
        "compute-sanitizer did not come to its end, see the output",
    ]


def test_a_sanitizer_that_is_always_content(tmp_path):
    log = 'while [ "$1" != --log-file ]; do shift; done; log=$2'
    tool(
        tmp_path / "bin", "compute-sanitizer", f"{log}; echo '===== ERROR SUMMARY: 0 errors' > $log"
    )
    _, _, summary, problems = run(tmp_path / "out", "--parts", "memcheck", tools=tmp_path / "bin")
    assert problems["memcheck"] == [
        "memcheck does not notice a planted defect: its silence means nothing",
        "no test passed",
    ]
    assert "A planted defect: NOT noticed." in summary
