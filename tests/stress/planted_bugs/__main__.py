"""Plants faults, one at a time, and tells which of them the tests catch."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.stress.planted_bugs import (
    Fault,
    in_application,
    in_cuda,
    in_data,
    in_drawing,
    in_engine,
    in_evaluation,
    in_experiments,
    in_explain,
    in_export,
    in_formats,
    in_kernels,
    in_processes,
    in_tensor_cores,
    in_trace,
    in_training,
    in_variants,
    in_winograd,
)

ROOT = Path(__file__).parents[3]
COPIED = ("kernels", "minigrad", "alexnet", "tests", "pyproject.toml")

FAULTS = [
    *in_kernels.FAULTS,
    *in_winograd.FAULTS,
    *in_cuda.FAULTS,
    *in_engine.FAULTS,
    *in_drawing.FAULTS,
    *in_trace.FAULTS,
    *in_application.FAULTS,
    *in_data.FAULTS,
    *in_processes.FAULTS,
    *in_tensor_cores.FAULTS,
    *in_formats.FAULTS,
    *in_explain.FAULTS,
    *in_export.FAULTS,
    *in_experiments.FAULTS,
    *in_training.FAULTS,
    *in_evaluation.FAULTS,
    *in_variants.FAULTS,
]


def check_texts() -> None:
    """Every fault must still fit the source it was written for."""
    for fault in FAULTS:
        count = (ROOT / fault.file).read_text().count(fault.original)
        if count != 1:
            sys.exit(f"{fault.breaks}: {fault.original!r} occurs {count} times in {fault.file}")


def copy_project(target: Path) -> None:
    """Copy the packages, with the kernels compiled so far: their cache knows the sources."""
    for name in COPIED:
        source = ROOT / name
        if source.is_file():
            shutil.copy2(source, target / name)
        else:
            shutil.copytree(source, target / name, symlinks=True)


def run_tests(folder: Path, tests: str, sanitizer: str) -> tuple[int, str]:
    """Exit status of pytest and its last lines."""
    selection = tests.split(" -k ")
    module = ["tests.cuda_emulator.sanitize", sanitizer] if sanitizer else ["pytest"]
    command = [
        sys.executable,
        "-m",
        *module,
        "-x",
        "-p",
        "no:cacheprovider",
        *selection[0].split(),
    ]
    if len(selection) > 1:
        command += ["-k", selection[1]]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    return result.returncode, result.stdout + result.stderr


def plant(fault: Fault) -> str:
    """ "caught" or "MISSED"."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        path = folder / fault.file
        path.write_text(path.read_text().replace(fault.original, fault.faulty))
        status, output = run_tests(folder, fault.tests, fault.sanitizer)
    if status not in (0, 1):
        sys.exit(f"{fault.breaks}: pytest ended with status {status}\n{output}")
    return "caught" if status else "MISSED"


def check_tests_pass_without_faults(faults: list[Fault]) -> None:
    with tempfile.TemporaryDirectory() as name:
        copy_project(Path(name))
        for tests in dict.fromkeys((fault.tests, fault.sanitizer) for fault in faults):
            status, output = run_tests(Path(name), *tests)
            if status:
                sys.exit(f"{tests[0]} fails without a fault\n{output}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.planted_bugs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("words", nargs="*", help="part of the descriptions of the faults to plant")
    word = " ".join(parser.parse_args().words)
    check_texts()
    faults = [fault for fault in FAULTS if word in fault.breaks]
    if not faults:
        parser.error(f"no fault is described by {word!r}")
    check_tests_pass_without_faults(faults)
    missed = 0
    for fault in faults:
        begin = time.perf_counter()
        verdict = plant(fault)
        missed += verdict == "MISSED"
        seconds = time.perf_counter() - begin
        print(f"{verdict}  {seconds:4.0f} s  {fault.breaks} ({fault.file})", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
