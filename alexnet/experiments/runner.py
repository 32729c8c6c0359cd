"""Makes the runs of an experiment that are missing, one after the other, and records them."""

import contextlib
import itertools
import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet import cli, files, interrupts
from alexnet.errors import Diverged, UsageError
from alexnet.experiments import measures
from alexnet.experiments.arm_settings import Computing, deciding, resolved
from alexnet.experiments.data_digest import data_digest
from alexnet.experiments.experiment import Experiment
from alexnet.experiments.measures import MEASURES
from alexnet.experiments.record import DONE, Record, RunRow, writing_rows
from alexnet.experiments.single_run import (
    SingleRun,
    has_leftovers,
    remove_checkpoints,
    row_of,
    train,
)
from alexnet.run import folder as run_folder
from alexnet.training.run import Ending

LOCK = ".lock"


@dataclass(frozen=True)
class Request:
    """What is to be run, and where it is kept.

    Attributes:
        out: a folder, which has the folders of the runs.
        rows: the file of the record.
        seeds: of each arm.
        arms: which of the experiment's.
        max_time: seconds, from the start of the command on.
        keep_networks: keep the network of the last epoch of each run.
    """

    experiment: Experiment
    out: Path
    rows: Path
    computing: Computing
    seeds: int
    arms: tuple[str, ...]
    max_time: int | None = None
    keep_networks: bool = False

    def folder(self, arm: str, seed: int) -> Path:
        """Where a run is kept."""
        return self.out / "runs" / f"{arm}-{seed}"

    def single(self, arm: str, seed: int, folder: Path | None = None) -> SingleRun:
        """A run, by default in its own folder."""
        own = self.folder(arm, seed)
        return SingleRun(self.experiment, arm, seed, folder or own, self.computing)


class Stopped(Exception):
    """Training has ended before the run was complete, and is saved.

    Attributes:
        signal: the number of the one that has stopped it; None if the time was over.
    """

    def __init__(self, signal: int | None):
        super().__init__(signal)
        self.signal = signal


def recorded(experiment: Experiment, path: Path) -> Record:
    """The rows in a file, all of them of the experiment as it is declared now, and of one kind.

    Raises:
        DataError: the file is damaged, or of another experiment.
        UsageError: rows were made with other settings or images, or in another precision.
    """
    record = Record(path, experiment)
    for first in list(record.rows.values())[:1]:
        record.require_data(first.data_digest)
        for arm in experiment.arms:
            # Where the data lie decides nothing; nor need this computer have the precision.
            settings = resolved(experiment, arm, seed=0, computing=Computing(data_root="."))
            precision = first.settings.get("precision", settings.precision)
            now = deciding(experiment, settings) | {"precision": precision}
            record.require_settings(arm, now)
    return record


def require_arm(experiment: Experiment, arm: str) -> None:
    """Raise UsageError if an experiment has no arm of this name."""
    if arm not in experiment.arms:
        raise UsageError(
            f"{experiment.name} has no arm {arm!r}: choose from {', '.join(experiment.arms)}"
        )


def run_missing(request: Request, started: float) -> int:
    """Make all runs that have no row: the first seed of all arms, then the next, and so on.

    Args:
        started: the time of `time.monotonic` from which on `max_time` counts.

    Returns:
        the exit code, 0 also where the time was over.

    Raises:
        BackendError, CheckpointError, DataError, OSError, OutOfMemory, UsageError: what is wrong.
    """
    record = recorded(request.experiment, request.rows)
    for arm in request.experiment.arms:
        record.require_settings(arm, request.single(arm, 0).deciding_settings())
    missing = [key for key in _wanted(request) if key not in record.rows]
    _remove_leftovers(request, record)
    try:
        if missing:
            _make_all(request, record, missing, started)
    except Stopped as stop:
        print(f"{_progress(request, record)}; the same command continues")
        if stop.signal is None:
            return 0
        cli.say(interrupts.word(stop.signal))
        return 128 + stop.signal
    print(_progress(request, record))
    return 0


def _wanted(request: Request) -> list[tuple[str, int]]:
    """The runs that a request is about, in the order in which they are made."""
    seeds = request.experiment.seed_numbers(request.seeds)
    return [(arm, seed) for seed in seeds for arm in request.arms]


def _remove_leftovers(request: Request, record: Record) -> None:
    """Remove checkpoints of recorded runs whose command was killed before it did."""
    folders = [request.folder(*key) for key in _wanted(request) if key in record.rows]
    if found := [folder for folder in folders if has_leftovers(folder)]:
        with _kept_in(request):
            for folder in found:
                remove_checkpoints(folder, request.keep_networks)


def _make_all(
    request: Request, record: Record, missing: list[tuple[str, int]], started: float
) -> None:
    """Make runs and record each when it is complete.

    Raises:
        Stopped: see `_make`.
    """
    data = data_digest(request.experiment, request.computing)
    record.require_data(data)
    with _kept_in(request):
        for number, (arm, seed) in enumerate(missing, start=1):
            single = request.single(arm, seed)
            cli.say(f"run {number} of {len(missing)}: {single.title}")
            row = _make(single, data, started, request.max_time)
            record.append(row)
            remove_checkpoints(single.folder, request.keep_networks)
            print(f"{single.title}: {_summary(row)}", flush=True)


def _make(single: SingleRun, data: str, started: float, max_time: int | None = None) -> RunRow:
    """Train and measure.

    Raises:
        Stopped: there was no time to complete it, or a signal was received.
    """
    if time.monotonic() >= started + (max_time or math.inf):
        raise Stopped(None)
    ending: Ending | Diverged
    try:
        ending = train(single, started, max_time)
    except Diverged as error:  # a result like any other
        cli.say(f"diverged: {error}")
        ending = error
    if isinstance(ending, Ending) and not ending.finished:
        raise Stopped(ending.signal)
    return row_of(single, ending, data)


def _progress(request: Request, record: Record) -> str:
    wanted = _wanted(request)
    have = sum(key in record.rows for key in wanted)
    return cli.printable(f"{have} of {cli.counted(len(wanted), 'run')} in {request.rows}")


def _summary(row: RunRow) -> str:
    """The main results of a run in a line."""
    if row.state != DONE:
        return f"diverged after {cli.counted(row.values['epochs'], 'epoch')}"
    shown = [
        f"{MEASURES[name].title} {MEASURES[name].value(row.values):.1%}"
        for name in ("val_error", "train_error")
    ]
    return f"{', '.join(shown)}; {cli.counted(row.values['epochs'], 'epoch')}"


@contextlib.contextmanager
def _kept_in(request: Request) -> Iterator[None]:
    """Within this block no other command works in the folder.

    Raises:
        OSError: it cannot be made or written to.
        UsageError: another command has it.
    """
    for folder in (request.out, request.rows.parent):
        run_folder.require_writable(folder)
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(request.out / LOCK))
        except BlockingIOError as error:
            raise UsageError(
                f"{request.out} is in use by another command: wait until it ends, or choose "
                "another --out"
            ) from error
        # Another command may be writing a record here, as its --rows may be in this folder.
        with writing_rows(request.out):
            files.remove_unfinished(request.out)
        yield


def repeat(request: Request, arm: str, seed: int) -> int:
    """Rerun a run of the record, and print each measure beside the one of the record.

    Returns:
        the exit code: 0 if all are the same digit for digit, 1 if any differs.

    Raises:
        UsageError: there is no such arm, or the record has no such row.
        BackendError, DataError, OSError, OutOfMemory: what else is wrong.
    """
    require_arm(request.experiment, arm)
    record = Record(request.rows, request.experiment)
    if (arm, seed) not in record.rows:
        raise UsageError(f"{request.rows} has no row of {arm}, seed {seed}")
    record.require_settings(arm, request.single(arm, seed).deciding_settings())
    before = record.rows[arm, seed]
    data = data_digest(request.experiment, request.computing)
    record.require_data(data)
    with _kept_in(request):
        folder = Path(tempfile.mkdtemp(prefix=files.UNFINISHED, dir=request.out))
        try:
            single = request.single(arm, seed, folder / "run")
            now = _make(single, data, time.monotonic())
        except Stopped as stop:
            assert stop.signal is not None  # there is no limit of time
            cli.say(f"{interrupts.word(stop.signal)}; nothing is compared or kept")
            return 128 + stop.signal
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    lines = list(_differences(before, now))
    if not lines:
        print(f"{arm}, seed {seed}: the same, digit for digit")
        return 0
    print(f"{arm}, seed {seed}: {cli.counted(len(lines), 'difference')}")
    print("\n".join(lines))
    return 1


def _differences(before: RunRow, now: RunRow) -> Iterator[str]:
    """What differs between two rows of the same run, besides the time that they took."""
    if before.state != now.state:
        yield f"state: {before.state} in the record, {now.state} now"
    for name, value in before.values.items():
        if name not in measures.TIMING and now.values[name] != value:
            yield f"{name}: {_shown(value)} in the record, {_shown(now.values[name])} now"
    for name, curve in before.curves.items():
        if now.curves[name] != curve:
            pairs = itertools.zip_longest(curve, now.curves[name])
            first = next(epoch for epoch, (a, b) in enumerate(pairs, start=1) if a != b)
            yield f"curve of {name}: from epoch {first} on"


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
