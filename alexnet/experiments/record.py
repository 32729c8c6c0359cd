"""The record of an experiment: a CSV file with a row for each run that is complete."""

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet import cli, files
from alexnet.errors import DataError, UsageError
from alexnet.experiments import measures
from alexnet.experiments.arm_settings import difference
from alexnet.experiments.experiment import Epochs, Experiment
from alexnet.experiments.measures import Values

DONE, DIVERGED = "done", "diverged"
LOCK, LONGEST_WAIT = ".rows.lock", 60  # seconds
NEVER_ZERO = ("epochs", "val_images")
BEFORE_MEASURES = (
    *("experiment", "arm", "seed", "state", "digest", "version", "commit", "backend", "threads"),
    *("date", "data_digest", "command"),
)
AFTER_MEASURES = ("settings", "curves")


@dataclass(frozen=True)
class RunRow:
    """A run that is complete, or has diverged.

    Attributes:
        state: `DONE` or `DIVERGED`.
        digest: of `settings`, see `arm_settings.digest`.
        commit: of the source, where it is a repository.
        date: of its end, UTC.
        data_digest: see `alexnet.experiments.data_digest.data_digest`.
        command: that repeats the training.
        values: by the names of `measures.names`; None for what is not measured.
        settings: see `arm_settings.deciding`.
        curves: see `measures.curves`.
    """

    experiment: str
    arm: str
    seed: int
    state: str
    digest: str
    version: str
    commit: str | None
    backend: str
    threads: int
    date: str
    data_digest: str
    command: str
    values: Values = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.seed


class Record:
    """The rows of an experiment in a file.

    A row is on the disk when `append` returns, and the file is complete at any moment.

    Attributes:
        rows: in the order of the file, by arm and seed.

    Raises:
        DataError: the file is damaged, or of another experiment.
    """

    def __init__(self, path: Path, experiment: Experiment):
        self.path = path
        self._experiment = experiment
        self._columns = (*BEFORE_MEASURES, *measures.names(experiment), *AFTER_MEASURES)
        self.rows: dict[tuple[str, int], RunRow] = {}
        self._settings: dict[str, dict[str, Any]] = {}  # that were required, by arm
        self._data: str | None = None  # the digest that was required
        if path.exists():
            self._read()

    def arm_rows(self, arm: str) -> list[RunRow]:
        """The rows of an arm, the seeds in order."""
        return sorted((r for r in self.rows.values() if r.arm == arm), key=lambda row: row.seed)

    def append(self, row: RunRow) -> None:
        """Add a row; if another command has recorded the same run meanwhile, its row stays.

        Raises:
            DataError: the file has been damaged meanwhile.
            OSError: it cannot be written; it is as before.
            UsageError: rows that another command has added meanwhile are not what was required.
        """
        with writing_rows(self.path.parent):
            now = Record(self.path, self._experiment)
            for arm, settings in self._settings.items():
                now.require_settings(arm, settings)
            if self._data is not None:
                now.require_data(self._data)
            meanwhile = now.rows
            with_row = {**meanwhile, row.key: meanwhile.get(row.key, row)}
            text = io.StringIO()
            writer = csv.DictWriter(text, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(_cells, with_row.values()))
            files.write(self.path, text.getvalue().encode())
        self.rows = with_row

    def require_settings(self, arm: str, deciding_settings: dict[str, Any]) -> None:
        """Raise UsageError if a row of an arm was made with other settings, now or in `append`."""
        self._settings[arm] = deciding_settings
        for row in self.arm_rows(arm):
            if changed := difference(row.settings, deciding_settings):
                raise UsageError(
                    f"{self.path}: the row of {row.arm}, seed {row.seed}, was made with other "
                    f"settings, which must not mix: {changed}; choose another --rows FILE"
                )

    def require_data(self, digest: str) -> None:
        """Raise UsageError if a row was made with other images, now or in `append`."""
        self._data = digest
        for row in self.rows.values():
            if row.data_digest != digest:
                raise UsageError(
                    f"{self.path}: the row of {row.arm}, seed {row.seed}, was made with other "
                    "images, which must not mix: give their --data-root DIR, or choose another "
                    "--rows FILE"
                )

    def _read(self) -> None:
        try:
            with open(self.path, encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                if tuple(reader.fieldnames or ()) != self._columns:
                    raise DataError(
                        f"{self.path} is no record of {self._experiment.name}: its columns "
                        "differ; choose another --rows FILE"
                    )
                rows = [_row(cells, self._experiment) for cells in reader]
        except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise DataError(f"{self.path} is damaged: {error}") from error
        for row in rows:
            if row.experiment != self._experiment.name:
                raise DataError(
                    f"{self.path} is the record of {cli.one_line(row.experiment)}, not of "
                    f"{self._experiment.name}: choose another --rows FILE"
                )
            if row.key in self.rows:
                raise DataError(
                    f"{self.path} has two rows of {row.arm}, seed {row.seed}: remove one"
                )
            self.rows[row.key] = row


@contextlib.contextmanager
def writing_rows(folder: Path) -> Iterator[None]:
    """Within this block no other command reads and replaces a record in a folder.

    Raises:
        UsageError: another command has done so for longer than it can take.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(folder / LOCK, wait=LONGEST_WAIT))
        except BlockingIOError as error:
            raise UsageError(
                f"{folder / LOCK} is in use by another command: end that, then give the same "
                "command again"
            ) from error
        yield


def done(rows: Iterable[RunRow]) -> list[RunRow]:
    """The runs among them that have not diverged."""
    return [row for row in rows if row.state == DONE]


def _cells(row: RunRow) -> dict[str, str]:
    """A row as text, from which `_row` makes the same numbers digit for digit."""
    cells = {name: _text(getattr(row, name)) for name in BEFORE_MEASURES}
    cells |= {name: _text(value) for name, value in row.values.items()}
    return cells | {name: json.dumps(getattr(row, name)) for name in AFTER_MEASURES}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _row(cells: dict[str, str], experiment: Experiment) -> RunRow:
    """A row from its text.

    Raises:
        AttributeError, TypeError, ValueError: it is none; `Record` makes one error of them.
    """
    values = {
        name: _value(name, text)
        for name, text in cells.items()
        if name not in (*BEFORE_MEASURES, *AFTER_MEASURES)
    }
    known: dict[str, Any] = {name: cells[name] for name in BEFORE_MEASURES}
    known["seed"], known["threads"] = int(known["seed"]), int(known["threads"])
    known["commit"] = known["commit"] or None
    if known["state"] not in (DONE, DIVERGED):
        raise ValueError(f"state {known['state']!r}")
    if known["state"] == DONE:
        _require_measures(values, experiment)
    settings, curves = (json.loads(cells[name]) for name in AFTER_MEASURES)
    if not isinstance(settings, dict):
        raise ValueError("settings are no object of JSON")
    _require_curves(curves)
    return RunRow(**known, values=values, settings=settings, curves=curves)


def _require_measures(values: Values, experiment: Experiment) -> None:
    """Raise ValueError if a complete run lacks what every complete run has."""
    for name in measures.required(experiment):
        value = values[name]
        if value is None:
            raise ValueError(f"{name} is empty")
        if (name in NEVER_ZERO and value == 0) or (isinstance(value, Epochs) and value.value == 0):
            raise ValueError(f"{name} is 0")


def _require_curves(curves: Any) -> None:
    if not isinstance(curves, dict) or curves.keys() != set(measures.CURVES):
        raise ValueError(f"curves must be {', '.join(measures.CURVES)}")
    for name, curve in curves.items():
        # Also False and True are an int.
        if not isinstance(curve, list) or not all(type(x) in (int, float) for x in curve):
            raise ValueError(f"the curve of {name} is no list of numbers")
        if not all(map(math.isfinite, curve)):
            raise ValueError(f"the curve of {name} is not finite")


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    value = int(text) if name in measures.COUNTS else float(text.removeprefix(">"))
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} cannot be {text!r}")
    return Epochs(value, text.startswith(">")) if name.startswith("epochs_to_") else value
