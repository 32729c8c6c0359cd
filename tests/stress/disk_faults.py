"""``python -m tests.stress.disk_faults``: saves under failing calls of the system, and power cuts.

A library that is loaded before all others, `disk_faults.cpp`, sees what Python and the library
that writes checkpoints ask of the system. A run is saved again and again in processes of which
each has another call fail; then the calls of a run are recorded, and what a power cut after any
of them may leave of its folder is made and opened.
"""

import argparse
import contextlib
import ctypes
import errno
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.data.transforms import Preprocessing
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.metrics import COLUMNS, MetricsLog
from tests.stress.disk_replay import Disk

# Thousands of files are written: in memory, where the system has such a folder.
MEMORY = "/dev/shm"
SOURCE = Path(__file__).with_suffix(".cpp")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
# Saved before the faults begin, and after.
BEFORE, STEPS = (1, 2), (3, 4, 5)
BEST = (1, 4)


def build(folder: Path) -> Path:
    """Compile the library."""
    library = folder / "disk_faults.so"
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC"]
    subprocess.run(["g++", *flags, "-o", library, SOURCE, "-ldl"], check=True)
    return library


def checkpoint(step: int) -> Checkpoint:
    """A small one, from which the step can be told in several ways."""
    return Checkpoint(
        architecture="tiny",
        classes=["a", "b"],
        preprocessing=Preprocessing(image_size=6, resize=8, mean=(1, 2, 3)),
        training={"epoch": step},
        schedule={"steps": step},
        model={"weight": np.full(40, step, np.float32)},
        optimizer={"0.0.velocity": np.full(40, -step, np.float32)},
    )


def save(folder: Path, steps: tuple[int, ...], mark=lambda step: None) -> None:
    """What a run writes: run.json, and rows and checkpoints of its steps."""
    with run_folder.locked(folder):
        run_folder.write_run_json(folder, {})
        log = MetricsLog(folder)
        log.keep_until(steps[0] - 1)
        for step in steps:
            log.append(dict.fromkeys(COLUMNS, 0.5) | {"epoch": step})
            checkpoint_files.save(checkpoint(step), folder, keep=1, is_best=step in BEST)
            mark(step)


def require_step(folder: Path, at_least: int, what: str) -> int:
    """The step of the newest checkpoint of a folder, whose parts must belong together."""
    found, _ = checkpoint_files.newest(folder)
    step = found.schedule["steps"]
    assert (found.model["weight"] == step).all(), what
    assert (found.optimizer["0.0.velocity"] == -step).all(), what
    assert step >= at_least, f"{what}: step {step} instead of {at_least}"
    log = MetricsLog(folder)
    log.keep_until(step)
    assert [row["epoch"] for row in log.rows] == [*range(1, step + 1)], f"{what}: rows"
    return step


def in_child(run) -> tuple[int, str]:
    """Exit code and stderr of a command that runs in a process of its own."""
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if process == 0:
            code = 99
            try:
                os.dup2(output.fileno(), 2)
                code = cli.exit_code(run)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        output.seek(0)
        return code, output.read().decode()


def fail_in_turn(
    faults: ctypes.CDLL, folder: Path, error: int, from_there_on: bool, every: int
) -> int:
    """How many runs were made: in each another call fails, the first, or one `every` so many."""
    for call in itertools.count(1, every):
        run = folder / f"{error}-{from_there_on}-{call}"
        run.mkdir()
        save(run, BEFORE)
        what = f"{os.strerror(error)} at call {call}{' and all later ones' * from_there_on}"

        def fail(run=run, call=call):
            faults.faults_watch(os.fsencode(run), call, error, from_there_on, -1)
            save(run, STEPS)
            return 10 if faults.faults_calls() < call else 0

        code, printed = in_child(fail)
        if code == 10:
            shutil.rmtree(run)
            return call // every
        assert code in (0, 7), f"{what}: exit code {code}\n{printed}"
        # Calls that may fail: a link, for there are copies, and the removal of empty folders.
        at_least = BEFORE[-1] if code else STEPS[-1]
        assert printed.count("\n") == (code == 7), f"{what}: {printed}"
        assert printed.startswith("error: ") or code == 0, f"{what}: {printed}"
        step = require_step(run, at_least, what)
        save(run, (step + 1,))
        assert require_step(run, step + 1, what) == step + 1
        litter = [path.name for path in run.iterdir() if path.name.startswith(".unfinished")]
        assert not litter, f"{what}: {litter}"
        assert len(checkpoint_files.history(run)) <= 2, what
        shutil.rmtree(run)
    raise AssertionError


def record(faults: ctypes.CDLL, run: Path, path: Path, links: bool) -> list[list[str]]:
    """The calls of a run from its beginning."""
    run.mkdir()
    with open(path, "wb", buffering=0) as file:

        def recorded():
            if not links:
                os.link = _refuse
            faults.faults_watch(os.fsencode(run), 0, 0, 0, file.fileno())
            save(run, (*BEFORE, *STEPS), lambda step: faults.faults_mark(str(step).encode()))
            return 0

        code, printed = in_child(recorded)
    assert code == 0, printed
    return [line.split("\t") for line in path.read_text().splitlines()]


def _refuse(*arguments: Any, **options: Any) -> None:
    raise PermissionError(errno.EPERM, "no links here")


def cut_power(calls: list[list[str]], run: Path, folder: Path) -> tuple[int, int]:
    """After each call make and open every folder that a power cut may leave.

    Returns:
        the number of moments, and of different folders.
    """
    disk, saved, seen = Disk(run), 0, set()
    for number, call in enumerate(calls):
        if call[0] == "mark":
            saved = int(call[1])
            continue
        disk.apply(call)
        for state in disk.after_power_cut():
            digest = hashlib.sha256(repr((saved, sorted(state.items()))).encode()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            rest = folder / "rest"
            for name, content in state.items():
                path = rest / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if saved:
                require_step(rest, saved, f"power cut after call {number} ({call[:3]})")
            elif rest.exists():
                with contextlib.suppress(checkpoint_files.CheckpointError):
                    checkpoint_files.newest(rest)
            shutil.rmtree(rest, ignore_errors=True)
    return sum(call[0] != "mark" for call in calls), len(seen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th call")
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as name:
        folder = Path(name)
        if "LD_PRELOAD" not in os.environ:
            environment = {**os.environ, "LD_PRELOAD": str(build(folder))}
            command_line = [sys.executable, "-m", "tests.stress.disk_faults", f"--every={every}"]
            return subprocess.run(command_line, env=environment, check=False).returncode
        # Versions and machine are found out by other programs: not what is tested here.
        run_folder.environment.versions = run_folder.environment.machine = dict
        faults = ctypes.CDLL(None)
        faults.faults_watch.argtypes = (
            *(ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int),
        )
        faults.faults_calls.restype = ctypes.c_long
        calls = {
            (error, persistent): fail_in_turn(faults, folder, error, persistent, every)
            for error in ERRORS
            for persistent in (False, True)
        }
        print(f"{sum(calls.values())} runs with failing calls")
        for links in (True, False):
            run = folder / f"run-{links}"
            record_of_run = record(faults, run, folder / "record", links)
            moments, folders = cut_power(record_of_run, run, folder)
            how = "hard links" if links else "copies"
            print(f"power cuts after each of {moments} calls, with {how}: {folders} folders")
    return 0


if __name__ == "__main__":
    sys.exit(main())
