"""``python -m alexnet.runs``: the runs below a folder, how they differ, and what they reached."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alexnet import cli, files, table_files, text
from alexnet.errors import CheckpointError, UsageError
from alexnet.inference.results import Estimate, proportion
from alexnet.report import html as html_page
from alexnet.run import checkpoint_files, setting_texts
from alexnet.run.folder import LOCK, RUN_JSON, RUNS
from alexnet.run.metrics import Row, read_rows
from alexnet.training.declaration import option_name
from minigrad import io

NAME = "python -m alexnet.runs"
EXAMPLES = f"""\
examples:
  {NAME}
      the runs below runs/, the best first
  {NAME} experiments --where arch=alexnet --where state=finished --sort started
      some of those below another folder, the newest first
  {NAME} --csv runs.csv --html runs.html
      the same as files, with every setting in the table
"""
# Settings that decide how a run is computed and what it keeps, and not what it computes.
ELSEWHERE = {
    *("backend", "image_column", "label_column", "workers", "keep", "save_every"),
    *("log_every", "tensorboard", "snapshot_filters", "max_pixels", "accumulate", "columns"),
    *("bad_images", "max_bad_images"),
}
STATES = ("finished", "stopped", "running", "diverged")
NAME_COLUMNS, WIDTH = 28, 76  # of a terminal with 80, which lines below a run are indented in


class Run(NamedTuple):
    """What a run folder tells without its networks.

    Attributes:
        name: its path, relative to the folder that was looked through.
        settings: by name, as run.json has them, those of the network's variant among them.
        state: one of `STATES`.
        rows: of the complete epochs.
        validation_images: None where no checkpoint tells.
        started: of the first start, in ISO 8601; empty where run.json does not tell.
    """

    name: str
    settings: dict[str, Any]
    state: str
    rows: list[Row]
    validation_images: int | None
    started: str

    @property
    def best(self) -> Row | None:
        """The row of the epoch with the highest validation top-1, the first of equal ones."""
        return max(self.rows, key=lambda row: row["val_top1"], default=None)

    @property
    def top1(self) -> Estimate:
        """The best validation top-1; nan before the first epoch, no interval without the number
        of images."""
        if self.best is None:
            return Estimate(math.nan, 0.0, 1.0)
        share, images = self.best["val_top1"], self.validation_images
        if images is None:
            return Estimate(share, math.nan, math.nan)
        return proportion(round(share * images), images)

    @property
    def hours(self) -> float:
        """Of training and validation."""
        return sum(row["seconds"] for row in self.rows) / 3600


# What runs are sorted by: the key, and whether the largest comes first.
SORTS: dict[str, tuple[Callable[[Run], Any], bool]] = {
    "top1": (lambda run: -1 if math.isnan(run.top1.value) else run.top1.value, True),
    "started": (lambda run: run.started, True),
    "hours": (lambda run: run.hours, True),
    "epochs": (lambda run: len(run.rows), True),
    "name": (lambda run: run.name, False),
}


def _parser() -> argparse.ArgumentParser:
    parser = cli.Parser(prog=NAME, description=EXAMPLES)
    parser.add_argument(
        "folder", nargs="?", type=cli.path, default=RUNS, metavar="DIR", help="default: runs"
    )
    parser.add_argument(
        "--sort", choices=SORTS, default="top1", help="the best, newest, longest first; or by name"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        type=_condition,
        metavar="NAME=VALUE",
        help=f"only runs with this setting, or with a state: {', '.join(STATES)}; may be repeated",
    )
    parser.add_argument(
        "--csv",
        type=table_files.output(),
        metavar="FILE",
        help="also write a table with all settings, as .csv, .jsonl or .parquet",
    )
    parser.add_argument(
        "--html", type=cli.output_file(".html", ".htm"), metavar="FILE", help="also write a page"
    )
    return parser


def _condition(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{given!r} is not NAME=VALUE, such as arch=alexnet")
    return name.replace("-", "_"), value


def _run(argv: list[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    runs = find(arguments.folder)
    if not runs:
        raise UsageError(f"no run below {arguments.folder}")
    runs = _chosen(runs, arguments.where)
    key, descending = SORTS[arguments.sort]
    runs.sort(key=key, reverse=descending)
    differing = differing_settings(runs)
    print(cli.printable(as_text(runs, differing)))
    if arguments.csv:
        table_files.write(arguments.csv, columns(runs))
    if arguments.html:
        files.write(arguments.html, _page(arguments.folder, runs, differing).encode())
    return 0


def find(folder: Path) -> list[Run]:
    """The runs in a folder and below it, by name; what is not readable is said and left out."""
    runs = []
    for path in sorted(_run_folders(folder)):
        try:
            runs.append(read(path, str(path if path == folder else path.relative_to(folder))))
        except CheckpointError as error:
            cli.say(f"warning: {error}")
    return runs


def _run_folders(folder: Path) -> Iterator[Path]:
    """Folders with a run.json, also behind links; what was replaced in a run is part of that."""

    def say(error: OSError) -> None:
        cli.say(f"warning: {error.filename}: {error.strerror}")

    seen = set()
    for name, inside, names in os.walk(folder, onerror=say, followlinks=True):
        if (real := os.path.realpath(name)) in seen:
            inside.clear()
            continue
        seen.add(real)
        if RUN_JSON in names:
            inside[:] = [name for name in inside if not name.startswith("replaced-")]
            yield Path(name)


def read(folder: Path, name: str = "") -> Run:
    """What a run folder tells.

    Raises:
        CheckpointError: its run.json or its metrics cannot be read.
    """
    path = folder / RUN_JSON
    try:
        content = json.loads(path.read_text("utf-8"))
        settings, starts = setting_texts.flat(dict(content["arguments"])), list(content["starts"])
        started = str(starts[0]["time"]) if starts else ""
        diverged = bool(starts and starts[-1].get("diverged"))
        rows = [row for row in read_rows(folder) if _is_complete(row)]
        finished = _is_finished(settings, rows)
    except OSError as error:
        raise CheckpointError(f"{error.filename}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    state = "finished" if finished else "stopped"
    if _is_running(folder):
        state = "running"
    elif diverged:
        state = "diverged"
    return Run(name or str(folder), settings, state, rows, _validation_images(folder), started)


def _is_complete(row: Row) -> bool:
    """Whether the numbers that are shown are numbers; a file may have been changed by hand."""
    values = [row["epoch"], row["val_top1"], row["seconds"]]
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _is_running(folder: Path) -> bool:
    """Whether a process trains there: it holds the lock."""
    if not (folder / LOCK).exists():
        return False
    try:
        with files.locked(folder / LOCK):
            return False
    except BlockingIOError:
        return True
    except OSError:  # of somebody else, who may not be disturbed
        return False


def _is_finished(settings: dict[str, Any], rows: list[Row]) -> bool:
    if len(rows) >= int(settings["epochs"]):
        return True
    best = max(range(len(rows)), key=lambda i: (rows[i]["val_top1"], -i), default=0)
    patience = settings.get("patience")
    return patience is not None and len(rows) - 1 - best >= int(patience)


def _validation_images(folder: Path) -> int | None:
    for path in checkpoint_files.candidates(folder):
        try:
            return int(json.loads(io.metadata(path)["data"])["validation"]["images"])
        except (CheckpointError, ValueError, LookupError, TypeError):
            continue
    return None


def _chosen(runs: list[Run], conditions: list[tuple[str, str]]) -> list[Run]:
    """The runs that meet all conditions.

    Raises:
        UsageError: no run has such a setting, or none meets them.
    """
    known = {"state", *(key for run in runs for key in run.settings)}
    for name, value in conditions:
        if name not in known:
            raise UsageError(f"--where {name}={value}: no run has such a setting")
        runs = [run for run in runs if setting_texts.shown(_setting(run, name)) == value]
    if not runs:
        wanted = " ".join(f"{name}={value}" for name, value in conditions)
        raise UsageError(f"no run with {wanted}")
    return runs


def _setting(run: Run, name: str) -> Any:
    return run.state if name == "state" else run.settings.get(name)


def differing_settings(runs: list[Run]) -> list[str]:
    """The names of the settings that decide what a run computes and are not the same in all."""
    names = dict.fromkeys(name for run in runs for name in run.settings if name not in ELSEWHERE)
    values = {name: {setting_texts.shown(run.settings.get(name)) for run in runs} for name in names}
    # How long a run is stands in the table anyway.
    return [name for name in names if len(values[name]) > 1 and name != "epochs"]


def as_text(runs: list[Run], differing: list[str]) -> str:
    """A line for each run, and below it the settings in which it differs from the others."""
    header = ["run", "state", "epochs", "top-1", "95% interval", "in", "hours"]
    table = text.table([header, *map(_cells, runs)], texts=2).split("\n")
    lines = [table[0]]
    for run, line in zip(runs, table[1:]):
        lines.append(line)
        values = [setting_texts.shown(run.settings.get(name)) for name in differing]
        words = [f"{option_name(name)} {value}" for name, value in zip(differing, values)]
        lines += _wrapped([text.cut(cli.one_line(word), WIDTH) for word in words])
    return "\n".join(lines)


def _cells(run: Run) -> list[str]:
    cells = [text.cut(cli.one_line(run.name), NAME_COLUMNS), run.state]
    cells.append(f"{len(run.rows)}/{run.settings.get('epochs', '?')}")
    if run.best is None:
        return [*cells, "", "", "", ""]
    value, interval = run.top1.percentages()
    interval = "" if math.isnan(run.top1.low) else interval
    return [*cells, value, interval, str(run.best["epoch"]), f"{run.hours:.1f}"]


def _wrapped(words: list[str]) -> Iterator[str]:
    """Words in indented lines."""
    line = ""
    for word in words:
        if line and text.columns(f"{line} {word}") > WIDTH:
            yield f"    {line}"
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield f"    {line}"


def columns(runs: list[Run]) -> dict[str, list[Any]]:
    """A table with what is known of each run, and all settings, as texts."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    bests = [run.best for run in runs]
    table: dict[str, list[Any]] = {
        "run": [run.name for run in runs],
        "state": [run.state for run in runs],
        "started": [run.started for run in runs],
        "complete_epochs": [len(run.rows) for run in runs],
        "best_epoch": [None if best is None else best["epoch"] for best in bests],
        "best_top1": [_known(run.top1.value) for run in runs],
        "best_top1_low": [_known(run.top1.low) for run in runs],
        "best_top1_high": [_known(run.top1.high) for run in runs],
        "validation_images": [run.validation_images for run in runs],
        "hours": [run.hours for run in runs],
    }
    for name in names:
        table[name] = [setting_texts.shown(run.settings.get(name)) for run in runs]
    return table


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _page(folder: Path, runs: list[Run], differing: list[str]) -> str:
    header = ["run", "state", "epochs", "best top-1", "95% interval", "in epoch", "hours"]
    rows = [[run.name, *_cells(run)[1:], *_differences(run, differing)] for run in runs]
    table = html_page.table(
        header + [name.replace("_", " ") for name in differing], rows, "runs", texts=2
    )
    section = html_page.Section("runs", "Runs", table)
    introduction = f"<p>{cli.counted(len(runs), 'run')}</p>"
    return html_page.page(f"Runs below {folder}", introduction, [section])


def _differences(run: Run, differing: list[str]) -> list[str]:
    return [setting_texts.shown(run.settings.get(name)) for name in differing]


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
