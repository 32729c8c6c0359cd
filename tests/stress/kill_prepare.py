"""``python -m tests.stress.kill_prepare N``: kill `alexnet.data prepare` N times, compare results.

Processes that prepare a folder are killed with SIGKILL and started again, until the folder is
complete; then all of its files must be the same bytes as those of an undisturbed run. Before that,
a folder that looks complete must be so. With ``--every K`` a process is also killed at every K-th
write, fsync, rename and removal: in the middle of a write, before all others.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.__main__ import main as data_command
from alexnet.data.commands import shard_writer
from alexnet.data.readers import shards

OPTIONS = ("--size", "24", "--bad-images", "skip", "-j", "2")
SHARD_BYTES = 6000


def write_source(root: Path, images: int) -> None:
    """Two classes for training and validation, JPEGs of several sizes, one of them damaged."""
    rng = np.random.default_rng(0)
    for i in range(images):
        height, width = rng.integers(12, 60, 2)
        path = root / ("val" if i % 4 == 3 else "train") / "ab"[i // 4 % 2] / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    path = root / "train" / "a" / "0002.jpg"
    path.write_bytes(path.read_bytes()[:300])


def prepare(source: Path, destination: Path) -> int:
    shard_writer.SHARD_BYTES = SHARD_BYTES
    return data_command(["prepare", str(source), str(destination), *OPTIONS])


class KilledFile:
    """An open file; each write is a step, and the one at which the process dies is cut in half."""

    def __init__(self, file, step):
        self._file, self._step = file, step

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, content):
        half = memoryview(content).cast("B")[: memoryview(content).nbytes // 2].tobytes()

        def cut():
            self._file.write(half)
            self._file.flush()

        self._step(cut)
        return self._file.write(content)


def die_at_step(number: int) -> None:
    """From now on count the steps of this process, and kill it at one of them."""
    steps = 0

    def step(last_act=lambda: None):
        nonlocal steps
        if steps == number:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    def counted(function):
        def call(*args, **kwargs):
            step()
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "replace", "unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    shard_writer.open = lambda *args: KilledFile(open(*args), step)


def start(source: Path, destination: Path, step: int | None = None) -> int:
    """The id of a new process that prepares, silently, and dies at a step."""
    process = os.fork()
    if process == 0:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        code = 99
        try:
            if step is not None:
                die_at_step(step)
            code = prepare(source, destination)
        finally:
            os._exit(code)
    return process


def wait(process: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in sorted(root.rglob("*"))
    }


def require_whole_or_none(destination: Path) -> None:
    """A folder that is taken for a data set is complete and undamaged."""
    if shards.found_in(destination):
        for dataset in shards.open_splits(destination).values():
            dataset.verify()


def kill_at_steps(source: Path, folder: Path, expected: dict[str, bytes], every: int) -> int:
    """At how many steps a process was killed."""
    for kills in itertools.count():
        step = kills * every
        destination = folder / f"step-{step}"
        code = wait(start(source, destination, step))
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, f"step {step}: exit code {code}"
        require_whole_or_none(destination)
        assert wait(start(source, destination)) == 0, f"after a kill at step {step}"
        assert contents(destination) == expected, f"other files after a kill at step {step}"
        shutil.rmtree(destination)


def kill_at_random(
    source: Path, folder: Path, expected: dict[str, bytes], kills: int, seconds: float
) -> int:
    """How many folders were completed by processes of which `kills` were killed.

    An undisturbed process takes `seconds`; most are killed before that.
    """
    rng = random.Random(0)
    killed = completed = 0
    while killed < kills:
        destination = folder / f"random-{completed}"
        code = None
        while code != 0:
            process = start(source, destination)
            if killed < kills:
                time.sleep(rng.uniform(0, seconds / 3))
                os.kill(process, signal.SIGKILL)
            code = wait(process)
            assert code in (0, -signal.SIGKILL), f"exit code {code}"
            killed += code != 0
            require_whole_or_none(destination)
        assert contents(destination) == expected, f"other files after {killed} kills"
        completed += 1
    return completed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("kills", type=int, metavar="N", help="kills at random moments")
    parser.add_argument("--every", type=int, metavar="K", help="also kills at every K-th step")
    parser.add_argument("--images", type=int, default=120, help="in the source")
    arguments = parser.parse_args()
    # What the system has been given survives a kill: only a power cut needs it, and it is slow.
    os.fsync = lambda descriptor: None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        write_source(source, arguments.images)
        started = time.monotonic()
        assert wait(start(source, folder / "undisturbed")) == 0
        seconds = time.monotonic() - started
        expected = contents(folder / "undisturbed")
        if arguments.every:
            kills = kill_at_steps(source, folder, expected, arguments.every)
            print(f"{kills} kills at steps: the same {len(expected)} files every time")
        completed = kill_at_random(source, folder, expected, arguments.kills, seconds)
        print(
            f"{arguments.kills} kills at random moments, {completed} folders "
            f"completed: the same {len(expected)} files every time"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
