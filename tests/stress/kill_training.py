"""``python -m tests.stress.kill_training N --seed S``: kill a training N times, compare results.

A small run that saves every other step is killed with SIGKILL at random moments and continued each
time, until it is complete; then its weights, optimizer state and metrics must be those of an
undisturbed run, bit for bit. After each kill its newest checkpoint must be readable.

With ``--processes 1 2 4`` each start has one of these numbers of processes, and mpiexec is killed,
or one of the processes, or all of them; none may be left. ``--signal`` sends another signal, after
which a run saves itself. ``--precision bf16`` does all that with products in bfloat16.

The processes are forked from one that has imported everything and compiled the kernels, but for
those that mpiexec starts.
"""

import argparse
import contextlib
import math
import os
import random
import signal
import subprocess
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
SECONDS_TO_END = 60  # after which a run is said to hang
ONE_OF_SEVERAL = """\
import sys
from tests.stress import kill_training
kill_training.make_small()
sys.exit(kill_training.train.main())
"""


class Failure(Exception):
    """A run that did not survive."""


def make_small() -> None:
    """What this process trains from now on is a narrow network, and nothing else costs much."""
    ARCHITECTURES["alexnet"] = NarrowAlexNet
    # GNU's OpenMP does not work in a forked process.
    numba.config.THREADING_LAYER = "workqueue"
    numba.set_num_threads(1)
    # What the system has been given survives a kill: only a power cut needs it, and it is slow.
    os.fsync = lambda descriptor: None
    # Most of the time would go into pictures.
    figures.training_curves = lambda rows, num_classes, path: path.touch()


def start(folder: Path, command: list[str], processes: int) -> int:
    """The id of a new process that begins or continues the run, silently, or of its mpiexec."""
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
            command = [*command, "--out", str(folder)]
        if processes > 1:
            module = [sys.executable, "-c", ONE_OF_SEVERAL]
            os.execvp("mpiexec", ["mpiexec", "-n", str(processes), *module, *command])
        code = train.main(command)
    finally:
        os._exit(code)


def wait(process: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    deadline = time.monotonic() + SECONDS_TO_END
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            raise Failure(f"process {process} does not end")
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(ended[1])


def started_by(mpiexec: int) -> list[int]:
    """The processes that mpiexec was to start: those in its tree that have started none."""
    table = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True)
    children: dict[int, list[int]] = {}
    for line in table.stdout.splitlines():
        process, parent = map(int, line.split())
        children.setdefault(parent, []).append(process)
    tree = [mpiexec]
    for process in tree:
        tree += children.get(process, [])
    return [process for process in tree[1:] if process not in children]


def disturb(process: int, number: int, moments: random.Random) -> list[int]:
    """Send a signal to a process, or to one or all of those that it has started; returns these."""
    started = started_by(process)
    candidates = [[process], *([one] for one in started)]
    if len(started) > 1:
        candidates.append(started)
    for victim in moments.choice(candidates):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
    return started


def require_gone(processes: list[int]) -> None:
    """Raise Failure if a process is still there after a second; mpiexec waits for none."""
    deadline = time.monotonic() + 1
    while left := [process for process in processes if is_running(process)]:
        if time.monotonic() > deadline:
            raise Failure(f"processes {left} are left")
        time.sleep(0.01)


def is_running(process: int) -> bool:
    state = subprocess.run(["ps", "-o", "state=", "-p", str(process)], capture_output=True)
    return state.stdout.strip() not in (b"", b"Z")


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


def storm(
    folder: Path,
    command: list[str],
    kills: int,
    number: int,
    seed: int,
    seconds: dict[int, float],
    expected: dict,
) -> int:
    """Kill runs until `kills` is reached; returns how many runs have been completed.

    Args:
        number: of the signal.
        seconds: that an undisturbed run takes, by the number of processes that a start may have.
    """
    moments, killed, completed = random.Random(seed), 0, 0
    while killed < kills:
        run, saved = folder / f"run-{completed}", 0
        while True:
            processes = moments.choice(list(seconds))
            process, started = start(run, command, processes), []
            if killed < kills:
                time.sleep(moments.uniform(0, 0.8 * seconds[processes]))
                started = disturb(process, number, moments)
            code = wait(process)
            require_gone(started)
            if code == 0:
                break
            # MPI may end the others before mpiexec does, with a code of its own.
            by_mpi = processes > 1 and code not in range(1, 8)
            if code not in (-number, 128 + number) and not by_mpi:
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
    parser.add_argument("--signal", choices=("KILL", "TERM", "USR1"), default="KILL")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1], metavar="M", help="in a start; default: 1"
    )
    parser.add_argument("--precision", default="float32", help="of products: float32 or bf16")
    arguments = parser.parse_args()
    number = int(getattr(signal, f"SIG{arguments.signal}"))
    make_small()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as name:
        folder = Path(name)
        data = ["--data-root", str(write_images(folder / "photos"))]
        # Loads the kernels into this process, for all that it starts.
        assert train.main([*OPTIONS, *data, "--out", str(folder / "warm")]) == 0
        command = [*OPTIONS, *data, "--epochs", str(EPOCHS), "--save-every", "2", "--workers", "0"]
        command += ["--accumulate", str(math.lcm(*arguments.processes))]
        command += ["--precision", arguments.precision]
        begin, seconds, results = time.monotonic(), {}, []
        for processes in (1, *arguments.processes):
            run, started = folder / f"undisturbed-{processes}", time.monotonic()
            if not run.exists():
                code = wait(start(run, command, processes))
                if code != 0:
                    raise Failure(f"exit code {code}: {run.with_suffix('.log').read_text()}")
                seconds[processes] = time.monotonic() - started
                results.append(result(run))
        if any(other != results[0] for other in results):
            raise Failure("undisturbed runs differ")
        seconds = {processes: seconds[processes] for processes in arguments.processes}
        completed = storm(
            *(folder, command, arguments.kills, number, arguments.seed, seconds, results[0])
        )
    print(
        f"{arguments.kills} kills in {time.monotonic() - begin:.0f} s: no unreadable checkpoint, "
        f"and {completed} runs completed, all with the same bits"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
