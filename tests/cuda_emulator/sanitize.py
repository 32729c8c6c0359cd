"""Runs pytest with the emulated kernels under AddressSanitizer or ThreadSanitizer.

    python -m tests.cuda_emulator.sanitize address tests/kernels -k cuda
    python -m tests.cuda_emulator.sanitize thread tests/kernels -k cuda

"address" finds reads and writes out of the bounds of device arrays and of shared memory; "thread"
finds races between threads and between blocks, in shared and in global memory. A launch in which
something was found raises EmulatorError with the report, which names the line of the CUDA source.
The exit status is that of pytest, or 1 where there was a report outside of a launch.

A sanitizer has to be in a process from its start, which is why this is a command of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import build, reports

RUNTIMES = {"address": "libasan.so", "thread": "libtsan.so"}
# Reports go to files. Nothing ends the process: the launch that caused a report raises it.
OPTIONS = {
    "address": ("ASAN_OPTIONS", "detect_leaks=0:halt_on_error=0"),
    "thread": (
        "TSAN_OPTIONS",
        "exitcode=0:report_signal_unsafe=0:suppress_equal_addresses=0",
    ),
}


def environment(sanitizer: str, log: str) -> dict[str, str]:
    """The environment of a process whose kernels run under the sanitizer."""
    variable, options = OPTIONS[sanitizer]
    # The C++ library too, so that the sanitizer finds what it intercepts of it.
    libraries = [_library(RUNTIMES[sanitizer]), _library("libstdc++.so.6")]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        variable: f"{options}:log_path={log}",
        "CUDA_EMULATOR_SANITIZER": sanitizer,
        "CUDA_EMULATOR_SANITIZER_LOG": log,
        # Other threads than the emulator's are of no interest, and slow here. ThreadSanitizer does
        # not see how those of OpenMP wait for each other, and calls that a race.
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    }


def run(sanitizer: str, arguments: list[str]) -> int:
    """Runs pytest; returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        log = str(Path(folder) / "report")
        command = [sys.executable, "-m", "pytest", *arguments]
        status = subprocess.run(command, env=environment(sanitizer, log)).returncode
        for path in sorted(Path(folder).iterdir()):
            report = reports.relevant(path.read_text())
            if report:
                print(report, file=sys.stderr)
                status = status or 1
    return status


def _library(name):
    command = [build.compiler(), f"-print-file-name={name}"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.isabs(path):
        raise SystemExit(f"{build.compiler()} has no {name}")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sanitizer", choices=sorted(RUNTIMES))
    parser.add_argument("pytest_arguments", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    return run(arguments.sanitizer, arguments.pytest_arguments)


if __name__ == "__main__":
    sys.exit(main())
