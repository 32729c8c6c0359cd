"""A few tests of every kernel under the four tools of NVIDIA's compute-sanitizer.

CuPy's memory pool is switched off: behind it a read beside an array hits another array of the same
segment, which is nothing to a sanitizer, and memory that was used before counts as initialized.
"""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import tests
from benchmarks.gpu_check.part import Options, Report
from kernels import _device

COMMON = ("--error-exitcode", "86", "--print-limit", "20", "--show-backtrace", "device")
FINDINGS_SHOWN = 20  # lines
TENSOR_CORES = "tests/test_cuda.py::test_convolution_on_tensor_cores"
KERNELS = "tests/kernels"


@dataclass(frozen=True)
class Tool:
    """One of compute-sanitizer's tools.

    Attributes:
        options: its own.
        own_kernels: whether it looks at the project's kernels only: cuBLAS is large, and does
            things on purpose that some tools take for errors.
        tests: what it watches; a sanitizer makes a kernel up to some hundred times slower.
    """

    options: tuple[str, ...]
    own_kernels: bool
    tests: tuple[str, ...]


TOOLS = {
    "memcheck": Tool(
        # CuPy asks the driver for attributes that it does not have; that is no error of ours.
        ("--report-api-errors", "no", "--padding", "256"),
        own_kernels=False,
        tests=(
            "tests/test_cuda.py",
            f"{KERNELS}/test_bias.py",
            f"{KERNELS}/test_cross_entropy.py",
            f"{KERNELS}/test_local_response_norm_max_pool2d.py",
            f"{KERNELS}/test_pooling.py",
            f"{KERNELS}/test_im2col.py",
            f"{KERNELS}/test_prepare_images.py",
            f"{KERNELS}/test_relu.py",
            f"{KERNELS}/test_updates.py",
        ),
    ),
    # Kernels with shared memory, which is all it looks at.
    "racecheck": Tool(
        (),
        own_kernels=True,
        tests=(
            TENSOR_CORES,
            f"{KERNELS}/test_bias.py",
            f"{KERNELS}/test_local_response_norm_max_pool2d.py",
            "tests/test_cuda.py::test_one_block_does_the_work_of_all",
        ),
    ),
    "initcheck": Tool(
        (),
        own_kernels=True,
        tests=(TENSOR_CORES, "tests/test_cuda.py", f"{KERNELS}/test_pooling.py"),
    ),
    "synccheck": Tool(
        (),
        own_kernels=True,
        tests=(
            TENSOR_CORES,
            f"{KERNELS}/test_bias.py",
            f"{KERNELS}/test_local_response_norm_max_pool2d.py",
        ),
    ),
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
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.touch()
        prefix = (program, "--tool", name, *COMMON, *tool.options, "--log-file", str(log))
        if tool.own_kernels:
            prefix += ("--kernel-name", f"regex={_own_kernels()}")
        chosen = tests.SMALL_TESTS if options.small else tool.tests
        arguments = ["--no-memory-pool", "-p", "no:xdist", "-k", tests.SELECTION, *chosen]

        def look() -> None:
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()
            report.result("findings", said[:FINDINGS_SHOWN])

        code = tests.run_pytest(arguments, report, prefix, look)
        said = log.read_text(encoding="utf-8", errors="replace")
    if code:
        report.problem(f"compute-sanitizer ended with exit code {code}")
    found = list(SUMMARY.finditer(said))
    if not found:
        report.problem("compute-sanitizer did not come to its end, see the output")
        return
    count = sum(int(match["errors"] or match["hazards"] or 0) for match in found)
    report.result("errors", count)
    if count:
        first = next(
            (line for line in said.splitlines() if "=" in line[:9] and line[9:].strip()), ""
        )
        report.problem(f"{name} found {count} errors, the first: {first.lstrip('= ')}")


def _own_kernels() -> str:
    """A regular expression for the names of the project's kernels, as the compiler spells them."""
    sources = _device.all_sources().values()
    names = {kernel.partition("<")[0] for source in sources for kernel in source.kernels}
    return f".*({'|'.join(sorted(names))}).*"


def summary(results: dict[str, Any]) -> list[str]:
    """Errors, and the first lines of what the tool says."""
    lines = tests.summary(results)
    lines += ["", f"Errors: {results.get('errors', 'unknown')}."]
    if results.get("errors"):
        lines += ["", *("    " + line[:160] for line in results["findings"])]
    return lines
