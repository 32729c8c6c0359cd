"""The tests of the backend "cuda" on the device instead of in the emulator."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import pytest_reporter
from benchmarks.gpu_check.part import Options, Report

# The order is that of their worth: the time may be over before the last.
TESTS = (
    "tests/kernels/test_cuda.py",
    "tests/kernels/test_cuda_bfloat16.py",
    "tests/kernels/test_backends.py",
    "tests/kernels",
    "tests/minigrad/test_gradients.py",
    "tests/minigrad/test_adjoint.py",
    "tests/minigrad/test_autocast_cuda.py",
    "tests/alexnet/test_train_cuda.py",
)
SMALL_TESTS = ("tests/kernels/test_relu.py",)
SELECTION = "cuda and not random"
SECONDS_A_TEST = 60
WORKERS = 8  # processes, which share the GPU
LOOK_EVERY = 1.0  # seconds
SHOWN = 20  # failed tests, in the summary


def run(options: Options, report: Report) -> None:
    """All tests, in as many processes as the machine has cores for."""
    extra = []
    if _installed("xdist"):
        workers = min(WORKERS, os.cpu_count() or 1)
        extra += ["-n", str(workers), f"--max-worker-restart={workers}"]
    else:
        report.problem("pytest-xdist is not installed: the tests run one after the other")
    if _installed("pytest_timeout"):
        # A thread ends the process: a signal would wait for the call of CUDA that hangs.
        extra += [f"--timeout={SECONDS_A_TEST}", "--timeout-method=thread"]
    else:
        report.problem("pytest-timeout is not installed: a test that hangs ends the part")
    tests = SMALL_TESTS if options.small else TESTS
    code = run_pytest([*extra, "-k", SELECTION, *tests], report)
    if code:
        report.problem(f"pytest ended with exit code {code}")


def run_pytest(
    arguments: list[str],
    report: Report,
    prefix: tuple[str, ...] = (),
    look: Callable[[], None] = lambda: None,
) -> int:
    """Run pytest on the device, report each test as it ends, and return the exit code.

    Args:
        prefix: a program that runs it, with its options.
        look: called now and then, and at the end.
    """
    # A warning of another version of a library is no fault of the kernels.
    command = [*prefix, sys.executable, "-m", "pytest", "--gpu", "-W", "default", "-p"]
    command += [pytest_reporter.__name__, "-p", "no:cacheprovider", "--tb=short", *arguments]
    report.result("command", " ".join(command))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tests"
        file.touch()
        # The CPU's kernels are the yardstick in many tests; each process has its part of the cores.
        environment = {**os.environ, pytest_reporter.FILE: str(file), "NUMBA_NUM_THREADS": "2"}
        environment.pop("PYTEST_XDIST_WORKER", None)  # this process may be a test itself
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        ended = threading.Event()
        threading.Thread(target=lambda: (process.wait(), ended.set()), daemon=True).start()
        at_end = False
        while not at_end:
            at_end = ended.wait(LOOK_EVERY)
            tests = _read(file)
            report.result("tests", tests)
            look()
    if not tests["outcomes"].get("passed"):
        report.problem("no test passed")
    for failed in tests["failed"]:
        report.problem(f"failed: {failed['test']}")
    return process.returncode


def _read(file: Path) -> dict[str, Any]:
    """How many tests ended how, and those that failed or were skipped."""
    text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return {
        "outcomes": dict(Counter(line["outcome"] for line in lines)),
        "failed": [line for line in lines if line["outcome"] == "failed"],
        "skipped": [line for line in lines if line["outcome"] == "skipped"],
        "slowest": sorted(lines, key=lambda line: -line["seconds"])[:10],
    }


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def summary(results: dict[str, Any]) -> list[str]:
    """Counts, and what the failed tests say."""
    tests = results["tests"]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in tests["outcomes"].items())
    lines = [f"`{results['command']}`", "", f"{counts or 'no test'}."]
    for test in tests["failed"][:SHOWN]:
        text = test.get("text", "").splitlines()[-6:]
        lines += ["", f"{test['test']}:", "", *("    " + line[:160] for line in text)]
    if len(tests["failed"]) > SHOWN:
        lines += ["", f"(and {len(tests['failed']) - SHOWN} more)"]
    return lines
