"""``python -m tests.stress.soak STEPS``: a long training must not grow in memory, threads, files.

A real run of `alexnet.train` with everything that it can keep (step log, TensorBoard, snapshots of
the filters, checkpoints within the epochs, curves) makes small steps of a narrow network, for many
epochs. At the ends of epochs it is measured. The first third of the samples is warm-up; what the
last third holds more than the middle third, in the median, has to be explained by `LIMITS`.
"""

import argparse
import contextlib
import ctypes
import gc
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import numba

from alexnet import train
from alexnet.model import ARCHITECTURES
from alexnet.run.metrics import Row
from alexnet.training import run as training_run
from alexnet.training.trainer import Observer, Trainer
from tests.alexnet.narrow import NarrowAlexNet
from tests.alexnet.runs import write_images
from tests.stress.kill_training import MEMORY

IMAGES, BATCH_SIZE, STEPS_PER_EPOCH = 40, 3, 30  # of a class; 30 of them are to learn from
OPTIONS = (
    *("--data", "folder", "--image-size", "67", "-b", str(BATCH_SIZE), "--lr", "0.001"),
    *("--workers", "2", "--save-every", "7", "--keep", "2", "--log-every", "10", "--tensorboard"),
    *("--snapshot-filters", "--watch-every", "100"),
)
SAMPLES = 60  # of a run that has so many epochs


@dataclass(frozen=True)
class Sample:
    """A run at the end of an epoch.

    Attributes:
        memory: resident bytes of the process.
        heap: bytes that malloc has given out: less than `memory`, which keeps what is freed between
            them, and so without its noise.
        objects: that Python's garbage collector knows, garbage not counted.
        bytes, files: in the run folder.
    """

    epoch: int
    memory: int
    heap: int
    objects: int
    open_files: int
    threads: int
    files: int
    bytes: int


class Limit(NamedTuple):
    """How much a measure may grow: `slack` in all, which is noise, and `an_epoch` each epoch."""

    an_epoch: float
    slack: float


LIMITS = {
    # Pages come and go in steps of some MB, as blocks are freed at the end of a heap or within it.
    "memory": Limit(500 * STEPS_PER_EPOCH, 10e6),
    # 500 bytes a step. What the run does keep of an epoch is its row, for the curves.
    "heap": Limit(500 * STEPS_PER_EPOCH, 100e3),
    "objects": Limit(1, 50),  # the row
    "open_files": Limit(0, 0),
    "threads": Limit(0, 0),
    "files": Limit(1, 0),  # the snapshot of conv1
    # The snapshot has 14,648 bytes; the rest is rows of the logs and scalars of TensorBoard.
    "bytes": Limit(20e3, 50e3),
}


class MallInfo2(ctypes.Structure):
    """What mallinfo2(3) of the GNU C library tells."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def heap() -> int:
    """Bytes that malloc has given out, in all threads."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo2
    info = mallinfo2()
    return info.uordblks + info.hblkhd


class Sampler(Observer):
    """Takes a sample every so many epochs."""

    def __init__(self, every: int):
        self.every = every
        self.samples: list[Sample] = []

    def after_epoch(self, trainer: Trainer, row: Row) -> None:
        if row["epoch"] % self.every == 0:
            self.samples.append(take(trainer.folder, row["epoch"]))


def take(folder: Path, epoch: int) -> Sample:
    """Measure this process and a run folder."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Sample(
        epoch,
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        heap=heap(),
        objects=len(gc.get_objects()),
        open_files=len(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
        files=len(sizes),
        bytes=sum(sizes),
    )


def growth(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    """How much each measure grew, from the middle third of the samples to the last; its limit."""
    third = len(samples) // 3
    samples = samples[-2 * third :]
    epochs = samples[third].epoch - samples[0].epoch
    found = {}
    for name, limit in LIMITS.items():
        values = [getattr(sample, name) for sample in samples]
        if name == "heap":
            values = without_largest_jump(values)
        grown = statistics.median(values[third:]) - statistics.median(values[:third])
        found[name] = grown, limit.slack + limit.an_epoch * epochs
    return found


def without_largest_jump(values: list[int]) -> list[int]:
    """As if the largest rise from one value to the next had not been.

    A table that doubles when it is full is no leak; one rise of many is little of a leak.
    """
    rises = [after - before for before, after in itertools.pairwise(values)]
    jump = rises.index(max(rises)) + 1
    return values[:jump] + [value - max(rises) for value in values[jump:]]


def growing(samples: list[Sample]) -> list[str]:
    """What grew more than it may, in words."""
    return [
        f"{name.replace('_', ' ')} by {grown:,.0f}, where {limit:,.0f} is allowed"
        for name, (grown, limit) in growth(samples).items()
        if grown > limit
    ]


def run(folder: Path, epochs: int) -> list[Sample]:
    """Train, and return what was measured."""
    photos = write_images(folder / "photos", count=IMAGES)
    sampler = Sampler(max(1, epochs // SAMPLES))
    observers = training_run._observers
    training_run._observers = lambda *arguments: [*observers(*arguments), sampler]
    command = [*OPTIONS, "--data-root", str(photos), "--out", str(folder / "run")]
    log = folder / "log"
    with (
        open(log, "w", encoding="utf-8") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        code = train.main([*command, "--epochs", str(epochs)])
    if code != 0:
        raise SystemExit(f"exit code {code}: {log.read_text('utf-8')[-2000:]}")
    return sampler.samples


HEADER = (
    f"{'epoch':>6}{'memory MB':>11}{'heap MB':>9}{'objects':>9}{'open files':>12}{'threads':>9}"
    f"{'files':>7}{'folder MB':>11}"
)


def line(sample: Sample) -> str:
    epoch, memory, heap, objects, open_files, threads, files, size = astuple(sample)
    return (
        f"{epoch:>6}{memory / 1e6:>11.2f}{heap / 1e6:>9.2f}"
        f"{objects:>9,}{open_files:>12}{threads:>9}"
        f"{files:>7}{size / 1e6:>11.3f}"
    )


def main() -> int:
    """Run the command; returns 1 where something grows."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.soak",
        description=__doc__.partition(": ")[2].partition("\n")[0],
    )
    parser.add_argument("steps", type=int, nargs="?", default=20_000, help="default: 20,000")
    steps = parser.parse_args().steps
    epochs = -(-steps // STEPS_PER_EPOCH)
    ARCHITECTURES["alexnet"] = NarrowAlexNet
    numba.set_num_threads(1)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as folder:
        samples = run(Path(folder), epochs)
    print("\n".join([HEADER, *map(line, samples[:: max(1, len(samples) // 12)])]))
    changes = (f"{name} {grown:+,.0f}" for name, (grown, _) in growth(samples).items())
    print(f"from the middle third to the last: {', '.join(changes).replace('_', ' ')}")
    grown = growing(samples)
    print(
        f"{steps:,} steps, {epochs:,} epochs in {time.monotonic() - started:.0f} s: "
        + (f"grew: {'; '.join(grown)}" if grown else "nothing grows")
    )
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
