"""One run of an experiment: trained, or continued, in its folder; then measured."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import minigrad
from alexnet import files
from alexnet.errors import CheckpointError, Diverged, UsageError
from alexnet.experiments import arm_settings, measures
from alexnet.experiments.arm_settings import Computing
from alexnet.experiments.experiment import Experiment
from alexnet.experiments.record import DIVERGED, DONE, RunRow
from alexnet.run import checkpoint_files, environment
from alexnet.run.checkpoint import LAST
from alexnet.run.metrics import read_rows
from alexnet.training.options import from_keywords
from alexnet.training.run import Ending, run
from alexnet.training.settings import Settings
from minigrad.distributed import Team

SETTINGS = "experiment.json"


@dataclass(frozen=True)
class SingleRun:
    """A run of an experiment.

    Attributes:
        folder: of the run.
    """

    experiment: Experiment
    arm: str
    seed: int
    folder: Path
    computing: Computing

    @property
    def title(self) -> str:
        return f"{self.arm}, seed {self.seed}"

    def keywords(self) -> dict[str, Any]:
        """Its options; see `arm_settings.keywords` for what may be wrong."""
        return arm_settings.keywords(self.experiment, self.arm, self.seed, self.computing)

    def settings(self) -> Settings:
        """Its settings; see `arm_settings.resolved` for what may be wrong."""
        return arm_settings.resolved(self.experiment, self.arm, self.seed, self.computing)

    def deciding_settings(self) -> dict[str, Any]:
        return arm_settings.deciding(self.experiment, self.settings())


def train(single: SingleRun, started: float, max_time: int | None = None) -> Ending:
    """Train, or continue, to the end of the run or of the time.

    With `Experiment.until` a run is extended epoch by epoch: each epoch is the one that a run of
    more epochs from the start would have made.

    Args:
        started, max_time: see `alexnet.training.run.run`.

    Raises:
        Diverged: the loss is not finite.
        UsageError: the folder holds a run with other settings.
        BackendError, CheckpointError, DataError, OSError, OutOfMemory: what else is wrong.
    """
    _require_settings(single)
    most, until = single.settings().epochs, single.experiment.until
    epochs = most
    if until is not None:
        # Without a checkpoint the metrics are those of a run that is made anew.
        made = len(read_rows(single.folder)) if checkpoint_files.holds_run(single.folder) else 0
        epochs = max(1, made)
    while True:
        ending = _train_to(single, epochs, started, max_time)
        if not ending.finished or until is None or epochs >= most:
            return ending
        values = measures.curve(until, measures.curves(read_rows(single.folder)))
        if not until.of(values).censored:
            return ending
        epochs += 1


def _train_to(single: SingleRun, epochs: int, started: float, max_time: int | None) -> Ending:
    """Train until this many epochs of the run are complete."""
    folder = single.folder
    time = f"{max_time}s" if max_time else None
    keywords = {**single.keywords(), "epochs": epochs, "max_time": time}
    if checkpoint_files.holds_run(folder):
        options, invocation = from_keywords({**keywords, "resume": str(folder)})
    else:
        options, invocation = from_keywords({**keywords, "out": folder})
    ending = run(options, invocation, Team(), started)
    assert ending is not None  # as it is where there is something to train
    return ending


def _require_settings(single: SingleRun) -> None:
    """Note the settings in the folder of a new run; of an old one they must be these.

    Raises:
        UsageError: they are not.
    """
    path, now = single.folder / SETTINGS, single.deciding_settings()
    if not path.exists():
        if checkpoint_files.holds_run(single.folder):
            raise UsageError(
                f"{single.folder} holds a run that no experiment has made: choose another --out"
            )
        single.folder.mkdir(parents=True, exist_ok=True)
        (single.folder / ".gitignore").write_text("*\n", encoding="utf-8")
        files.write(path, (json.dumps(now, indent=2) + "\n").encode())
        return
    try:
        before = json.loads(path.read_text("utf-8"))
        changed = arm_settings.difference(before, now)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: remove the folder of this run") from error
    if changed:
        raise UsageError(
            f"{single.folder} holds a run with other settings: {changed}; remove it, or choose "
            "another --out"
        )


def row_of(single: SingleRun, ending: Ending | Diverged, data_digest: str) -> RunRow:
    """The row of a run that is complete, or has diverged: measures what there is to measure."""
    settings, rows = single.settings(), read_rows(single.folder)
    if isinstance(ending, Ending):
        values = measures.measure_complete_run(single.experiment, ending)
    else:
        values = measures.measures_from_metrics(single.experiment, rows)
    deciding = arm_settings.deciding(single.experiment, settings)
    epochs = settings.epochs
    if single.experiment.until is not None:
        # A run that has diverged did so in the epoch after its last complete one.
        epochs = len(rows) if isinstance(ending, Ending) else len(rows) + 1
    return RunRow(
        experiment=single.experiment.name,
        arm=single.arm,
        seed=single.seed,
        state=DONE if isinstance(ending, Ending) else DIVERGED,
        digest=arm_settings.digest(deciding),
        version=minigrad.__version__,
        commit=environment.versions()["git"],
        backend=settings.backend,
        threads=environment.machine()["threads"],
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        data_digest=data_digest,
        command=arm_settings.command(single.keywords(), settings, epochs),
        values=values,
        settings=deciding,
        curves=measures.curves(rows),
    )


def remove_checkpoints(folder: Path, keep_last: bool) -> None:
    """Remove what continues a run that is complete: of AlexNet each file has 700 MB.

    Args:
        keep_last: keep the network of the last epoch.
    """
    if not keep_last:  # first, so that `has_leftovers` finds the others if this is killed
        (folder / LAST).unlink(missing_ok=True)
    for path in _all_but_last(folder):
        path.unlink()


def has_leftovers(folder: Path) -> bool:
    """Whether there are more checkpoints than the network that `--keep-networks` keeps."""
    return bool(_all_but_last(folder))


def _all_but_last(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.safetensors") if path.name != LAST]
