"""A few tests of every kernel under the four tools of NVIDIA's compute-sanitizer.

CuPy's memory pool is switched off: behind it a read beside an array hits another array of the same
segment, which is nothing to a sanitizer, and memory that was used before counts as initialized.

Before the tests a tool is shown a kernel with a defect: one that does not notice it proves nothing.

initcheck sees less than the others: the tests copy all their arrays to the device, outputs too, so
that only what a kernel or its launcher allocates can be read before it is written.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import planted_defects, tests
from benchmarks.gpu_check.part import Options, Report

COMMON = (
    *("--error-exitcode", "86", "--print-limit", "20", "--show-backtrace", "device"),
    # Only pytest itself is looked at, however long it takes to its first kernel; how it ends is
    # reported by itself.
    *("--target-processes", "application-only", "--launch-timeout", "0", "--check-exit-code", "no"),
)
FINDINGS_SHOWN = 20  # lines
TENSOR_CORES = "tests/kernels/test_cuda.py::test_convolution_on_tensor_cores"
KERNELS = "tests/kernels"


@dataclass(frozen=True)
class Tool:
    """One of compute-sanitizer's tools.

    Attributes:
        options: its own.
        tests: what it watches; a sanitizer makes a kernel up to some hundred times slower.
    """

    options: tuple[str, ...]
    tests: tuple[str, ...]


NORM_POOL = f"{KERNELS}/test_local_response_norm_max_pool2d.py"
TOOLS = {
    "memcheck": Tool(
        # CuPy asks the driver for attributes that it does not have; that is no error of ours.
        ("--report-api-errors", "no", "--padding", "256"),
        (
            "tests/kernels/test_cuda.py",
            f"{KERNELS}/test_cuda_bfloat16.py",
            f"{KERNELS}/test_bias.py",
            f"{KERNELS}/test_cross_entropy.py",
            NORM_POOL,
            f"{KERNELS}/test_pooling.py",
            f"{KERNELS}/test_im2col.py",
            f"{KERNELS}/test_prepare_images.py",
            f"{KERNELS}/test_relu.py",
            f"{KERNELS}/test_updates.py",
        ),
    ),
    # Kernels with shared memory, which is all it looks at.
    "racecheck": Tool((), (TENSOR_CORES, f"{KERNELS}/test_bias.py", NORM_POOL)),
    # Copies to the host are looked at by the tests.
    "initcheck": Tool(
        ("--check-api-memory-access", "no"),
        (TENSOR_CORES, f"{KERNELS}/test_bias.py", f"{KERNELS}/test_pooling.py"),
    ),
    "synccheck": Tool((), (TENSOR_CORES, f"{KERNELS}/test_bias.py", NORM_POOL)),
}
# The last line of a tool's report; without it the tool has not seen the end.
SUMMARY = re.compile(
    r"^=+ (?:ERROR SUMMARY: (?P<errors>\d+) errors?|"
    r"RACECHECK SUMMARY: (?P<hazards>\d+) hazards? displayed.*)\s*$",
    re.MULTILINE,
)


def memcheck(options: Options, report: Report) -> None:
    """Reads and writes out of bounds, and of memory that was freed."""
    _run("memcheck", options, report)


def racecheck(options: Options, report: Report) -> None:
    """Threads of a block that do not wait for each other."""
    _run("racecheck", options, report)


def initcheck(options: Options, report: Report) -> None:
    """Reads of memory that nobody has written."""
    _run("initcheck", options, report)


def synccheck(options: Options, report: Report) -> None:
    """Barriers that not all threads come to."""
    _run("synccheck", options, report)


def _run(name: str, options: Options, report: Report) -> None:
    program = shutil.which("compute-sanitizer")
    if program is None:
        report.problem("compute-sanitizer is not installed")
        return
    tool = TOOLS[name]
    prefix = (program, "--tool", name, *COMMON, *tool.options, "--log-file")
    with tempfile.TemporaryDirectory() as folder:
        _show_planted_defect(name, prefix, Path(folder) / "planted", report)
        log = Path(folder) / "log"
        log.touch()
        chosen = tests.SMALL_TESTS if options.small else tool.tests
        arguments = ["--no-memory-pool", "-p", "no:xdist", "-k", tests.SELECTION, *chosen]

        def look() -> None:
            report.result("findings", _findings(log)[:FINDINGS_SHOWN])

        code = tests.run_pytest(arguments, report, (*prefix, str(log)), look)
        if code:
            report.problem(f"compute-sanitizer ended with exit code {code}")
        errors = _errors(log)
        if errors is None:
            report.problem("compute-sanitizer did not come to its end, see the output")
            return
        report.result("errors", errors)
        if errors:
            first = "".join(_findings(log)[:1])
            report.problem(f"{name} found {errors} errors, the first: {first}")


def _show_planted_defect(name: str, prefix: tuple[str, ...], log: Path, report: Report) -> None:
    log.touch()
    command = [*prefix, str(log), sys.executable, "-m", planted_defects.__name__, name]
    subprocess.run(command, stdin=subprocess.DEVNULL)
    noticed = bool(_errors(log))
    report.result("planted defect", "noticed" if noticed else "NOT noticed")
    if not noticed:
        report.problem(f"{name} does not notice a planted defect: its silence means nothing")


def _errors(log: Path) -> int | None:
    """How many errors a tool counts at its end; None where it has not come to it."""
    found = list(SUMMARY.finditer(log.read_text(encoding="utf-8", errors="replace")))
    if not found:
        return None
    return sum(int(match["errors"] or match["hazards"] or 0) for match in found)


def _findings(log: Path) -> list[str]:
    """What the tool says, without its name and what it says of the program."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    about = ("COMPUTE-SANITIZER", "Target application", "SUMMARY", "process didn't terminate")
    said = [line.lstrip("=").strip() for line in lines]
    return [line for line in said if line and not any(word in line for word in about)]


def summary(results: dict[str, Any]) -> list[str]:
    """Errors, and the first lines of what the tool says."""
    lines = tests.summary(results) if "tests" in results else []
    errors = results.get("errors", "not counted, the tool did not come to its end")
    planted = results.get("planted defect", "not tried")
    lines += ["", f"Errors: {errors}. A planted defect: {planted}."]
    if results.get("findings"):
        lines += ["", *("    " + line[:160] for line in results["findings"])]
    return lines
