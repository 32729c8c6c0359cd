"""``python -m tests.stress.kill_training N --seed S``: kill a training N times, compare results.

A small run that saves every other step is killed with SIGKILL at random moments and continued each
time, until it is complete; then its weights, optimizer state and metrics must be those of an
undisturbed run, bit for bit. After each kill its newest checkpoint must be readable.

The processes are forked from one that has imported everything and compiled the kernels.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numba

from alexnet import train
from alexnet.model import ARCHITECTURES
from alexnet.run import checkpoint_files
from alexnet.run.checkpoint import BEST, LAST, Checkpoint
from alexnet.visualize import figures
from tests.alexnet.narrow import NarrowAlexNet
from tests.alexnet.runs import OPTIONS, rows_of, write_images

EPOCHS = 3
# Thousands of files are written: in memory, where the system has such a folder.
MEMORY = "/dev/shm"


class Failure(Exception):
    """A run that did not survive."""


def start(folder: Path, photos: Path) -> int:
    """The id of a new process that begins or continues the run, silently."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        output = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 2)
        if checkpoint_files.holds_run(folder):
            command = ["--resume", str(folder)]
        else:
            command = [*OPTIONS, "--data-root", str(photos), "--out", str(folder)]
            command += ["--epochs", str(EPOCHS), "--save-every", "2", "--workers", "0"]
        code = train.main(command)
    finally:
        os._exit(code)


def wait(process: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def result(folder: Path) -> dict:
    """Everything that must be the same: arrays of both checkpoints, and metrics without times."""
    found = {}
    for name in (LAST, BEST):
        checkpoint = Checkpoint.load(folder / name)
        for part in ("model", "optimizer"):
            for key, array in getattr(checkpoint, part).items():
                found[name, part, key] = array.tobytes()
        found[name, "schedule"] = checkpoint.schedule
        found[name, "training"] = {**checkpoint.training, "seconds": 0}
    found["rows"] = rows_of(folder)
    found["csv rows"] = (folder / "metrics.csv").read_text().count("\n")
    found["files"] = sorted(path.name for path in folder.iterdir())
    return found


def storm(folder: Path, photos: Path, kills: int, seed: int, seconds: float, expected: dict) -> int:
    """Kill runs until `kills` is reached; returns how many runs have been completed."""
    moments, killed, completed = random.Random(seed), 0, 0
    while killed < kills:
        run, saved = folder / f"run-{completed}", 0
        while True:
            process = start(run, photos)
            if killed < kills:
                time.sleep(moments.uniform(0, seconds))
                os.kill(process, signal.SIGKILL)
            code = wait(process)
            if code == 0:
                break
            if code != -signal.SIGKILL:
                raise Failure(f"exit code {code}: {run.with_suffix('.log').read_text()}")
            killed += 1
            if checkpoint_files.holds_run(run):
                checkpoint, warning = checkpoint_files.newest(run)
                if warning or checkpoint.schedule["steps"] < saved:
                    raise Failure(f"{killed} kills: {warning or 'an older checkpoint'}")
                saved = checkpoint.schedule["steps"]
            if killed % 100 == 0:
                print(f"{killed} kills, {completed} runs completed", file=sys.stderr, flush=True)
        found = result(run)
        if different := [key for key in expected if found[key] != expected[key]]:
            raise Failure(f"{run}: other {different}")
        completed += 1
    return completed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("kills", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    ARCHITECTURES["alexnet"] = NarrowAlexNet
    # GNU's OpenMP does not work in a forked process.
    numba.config.THREADING_LAYER = "workqueue"
    numba.set_num_threads(1)
    # What the system has been given survives a kill: only a power cut needs it, and it is slow.
    os.fsync = lambda descriptor: None
    # Most of the time would go into pictures.
    figures.training_curves = lambda rows, num_classes, path: path.touch()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as name:
        folder = Path(name)
        photos = write_images(folder / "photos")
        # Loads the kernels into this process, for all that it starts.
        assert (
            train.main([*OPTIONS, "--data-root", str(photos), "--out", str(folder / "warm")]) == 0
        )
        started = time.monotonic()
        code = wait(start(folder / "undisturbed", photos))
        if code != 0:
            raise Failure(f"exit code {code}: {(folder / 'undisturbed.log').read_text()}")
        seconds = time.monotonic() - started
        expected = result(folder / "undisturbed")
        completed = storm(folder, photos, arguments.kills, arguments.seed, 0.8 * seconds, expected)
    print(
        f"{arguments.kills} kills in {time.monotonic() - started:.0f} s: no unreadable checkpoint, "
        f"and {completed} runs completed, all with the same bits"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
