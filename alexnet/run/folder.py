"""The folder of a run: its name, its lock, and run.json, which says what ran where and when."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alexnet import cli, files
from alexnet.errors import CheckpointError, UsageError
from alexnet.run import checkpoint_files, environment
from alexnet.run.checkpoint import Checkpoint

RUNS = Path("runs")
LOCK = ".lock"
RUN_JSON = "run.json"


def create(folder: Path | None, data: str, architecture: str) -> Path:
    """Make the folder of a new run: `folder`, or the first free runs/<data>-<architecture>-<n>."""
    if folder is None:
        RUNS.mkdir(exist_ok=True)
        number = 1
        while True:
            folder = RUNS / f"{data}-{architecture}-{number}"
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
    else:
        folder.mkdir(parents=True, exist_ok=True)
    # A run is large and can be repeated, so it stays out of the user's repository.
    gitignore = folder / ".gitignore"
    if not gitignore.exists():
        gitignore.write_text("*\n", encoding="utf-8")
    return folder


def require_free(folder: Path) -> None:
    """Raise UsageError if the folder already holds a checkpoint."""
    if checkpoint_files.holds_run(folder):
        raise UsageError(
            f"{folder} already holds a run: continue it with {cli.command('--resume', folder)}, "
            "or choose another --out"
        )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, and remove what a killed run left unfinished.

    Raises:
        UsageError: another run has it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(folder / LOCK))
        except BlockingIOError as error:
            raise UsageError(
                f"{folder} is in use by another run: wait until it ends, or choose another folder"
            ) from error
        files.remove_unfinished(folder)
        yield


def newest_to_continue(epochs: int | None) -> Path:
    """The folder below runs/ that was saved last, among runs neither complete nor running.

    Args:
        epochs: of a complete run; None for the number of each run.

    Raises:
        UsageError: there is none.
    """
    folders = [folder for folder in RUNS.glob("*") if checkpoint_files.holds_run(folder)]
    for folder in sorted(folders, key=_last_saved, reverse=True):
        try:
            with locked(folder):
                checkpoint, _ = checkpoint_files.newest(folder)
        except (UsageError, CheckpointError):
            continue
        if checkpoint.training["epoch"] < (epochs or checkpoint.arguments["epochs"]):
            return folder
    raise UsageError(f"--resume auto: no run below {RUNS} can be continued")


def _last_saved(folder: Path) -> float:
    return max(path.stat().st_mtime for path in checkpoint_files.candidates(folder))


def write_run_json(
    folder: Path, arguments: dict[str, Any], continued: Checkpoint | None = None
) -> dict[str, list[Any]]:
    """Write run.json: the settings, and every start with its changes, versions and machine.

    Args:
        arguments: the settings by name, as checkpoints have them.
        continued: the checkpoint that the run is continued from; None for a new run.

    Returns:
        the settings that this start has changed: [before, now] by name.
    """
    path = folder / RUN_JSON
    starts, before, step = [], arguments, 0
    if continued is not None:
        starts, before, step = _starts(path), continued.arguments, continued.schedule["steps"]
    changed = {
        name: [before.get(name), value]
        for name, value in arguments.items()
        if value != before.get(name)
    }
    start = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "after_step": step,
        "changed": changed,
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    run = {"arguments": arguments, "starts": [*starts, start]}
    files.write(path, (json.dumps(run, indent=2) + "\n").encode())
    return changed


def _starts(path: Path) -> list[Any]:
    """The starts so far; none if the file is lost or damaged, which does not prevent continuing."""
    try:
        starts = json.loads(path.read_text("utf-8"))["starts"]
        return starts if isinstance(starts, list) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
