"""The folder of a run: its name, its lock, and run.json, which says what ran where and when."""

import contextlib
import errno
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alexnet import cli, files
from alexnet.data.image_formats import SUFFIXES
from alexnet.data.readers import splits
from alexnet.data.sources import SOURCES
from alexnet.errors import CheckpointError, UsageError
from alexnet.run import checkpoint_files, environment
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.filter_snapshots import FOLDER as SNAPSHOTS

RUNS = Path("runs")
LOCK = ".lock"
GITIGNORE = ".gitignore"
RUN_JSON = "run.json"
# mpiexec does not wait for the processes that it kills, so the next start may still meet them.
SECONDS_OF_DYING = 2


def create(folder: Path | None, data: str, architecture: str) -> tuple[Path, bool]:
    """Make the folder of a new run: `folder`, or the first free runs/<data>-<architecture>-<n>.

    Returns:
        the folder, and whether it is new.
    """
    is_new = folder is None or not folder.exists()
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
    # A run is large and can be repeated, so it stays out of the user's repository. In a folder of
    # the user the file would hide the user's files.
    if is_new:
        (folder / GITIGNORE).write_text("*\n", encoding="utf-8")
    return folder, is_new


def require_free(folder: Path) -> None:
    """Raise UsageError if the folder already holds a checkpoint, or images to learn from."""
    if checkpoint_files.holds_run(folder):
        raise UsageError(
            f"{folder} already holds a run: continue it with {cli.command('--resume', folder)}, "
            "or choose another --out"
        )
    if data := _data_in(folder):
        raise UsageError(
            f"{folder} holds data ({data}), and --out is to hold the files of the run: choose "
            "another folder; --data-root DIR names the data"
        )


def _data_in(folder: Path) -> str | None:
    """What a folder holds if it is one with data, in words.

    Folders that people work in have images, too, so not all that can be trained on counts: there
    must be two classes right here or in the folder for training, which hold more images than other
    files. The folder of one class counts, too: the run's files would lie among its images.
    """
    for name, source in SOURCES.items():
        if name != "folder" and folder.is_dir() and source.found_in(folder):
            return name
    if _is_class(folder):
        return "images"
    sets = [path for path in sorted(folder.glob("*/")) if splits.split_of(path.name) == "train"]
    for parent in (folder, *map(splits.innermost, sets)):
        classes = filter(_is_class, sorted(parent.glob("*/")))
        if len(two := [path.name for path in itertools.islice(classes, 2)]) == 2:
            return f"images in {two[0]}/ and {two[1]}/"
    return None


def _is_class(folder: Path) -> bool:
    suffixes = [path.suffix.lower() for path in folder.glob("*.*")]
    return 2 * sum(suffix in SUFFIXES for suffix in suffixes) > len(suffixes)


def require_writable(folder: Path) -> None:
    """Check before anything is computed that a run can be kept in a folder, which may not exist.

    Raises:
        OSError: it cannot be made or written to.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    cli.writable(existing / RUN_JSON)


def remove_unused(folder: Path) -> None:
    """Remove the folder of a run that failed before there was any result; of others, nothing."""
    with contextlib.suppress(OSError):
        if {path.name for path in folder.iterdir()} <= {LOCK, GITIGNORE, RUN_JSON, SNAPSHOTS}:
            shutil.rmtree(folder)


def keep_later_part(folder: Path, step: int) -> Path | None:
    """Keep a copy of a run that is to be continued from before its last checkpoint.

    Returns:
        the new folder within that of the run; None if no checkpoint is from after that step.

    Raises:
        OSError: it cannot be written.
    """
    if not checkpoint_files.any_after(folder, step):
        return None
    number = 1
    while (copy := folder / f"replaced-{number}").exists():
        number += 1
    copy.mkdir()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors":
            files.link(path, copy / path.name)
        elif path.name == SNAPSHOTS:
            shutil.copytree(path, copy / path.name)
        elif path.is_file() and path.name != LOCK:
            shutil.copy2(path, copy / path.name)
    return copy


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, and remove what a killed run left unfinished.

    Raises:
        UsageError: another run has it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(folder / LOCK, wait=SECONDS_OF_DYING))
        except BlockingIOError as error:
            raise UsageError(
                f"{folder} is in use by another run: wait until it ends, or choose another folder"
            ) from error
        files.remove_unfinished(folder)
        yield


def newest() -> Path:
    """The folder below runs/ that was saved last.

    Raises:
        UsageError: there is none.
    """
    folders = filter(checkpoint_files.holds_run, RUNS.glob("*"))
    found = max(folders, key=_last_saved, default=None)
    if found is None:
        raise UsageError(f"no run below {RUNS}: name the folder of one, or a checkpoint")
    return found


def newest_to_continue(epochs: int | None, patience: int | None) -> Path:
    """The folder below runs/ that was saved last, among runs neither complete nor running.

    Args:
        epochs, patience: what makes a run complete; None for the settings of each run.

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
        settings = checkpoint.arguments
        if not checkpoint.is_complete(
            epochs or settings["epochs"], patience or settings.get("patience")
        ):
            return folder
    raise UsageError(f"--resume auto: no run below {RUNS} can be continued")


def _last_saved(folder: Path) -> float:
    return max(path.stat().st_mtime for path in checkpoint_files.candidates(folder))


def write_run_json(
    folder: Path,
    arguments: dict[str, Any],
    continued: Checkpoint | None = None,
    processes: list[dict[str, Any]] | None = None,
    defaults: dict[str, Any] | None = None,
) -> dict[str, list[Any]]:
    """Write run.json: the settings, and every start with its changes, versions and machine.

    Args:
        arguments: the settings by name, as checkpoints have them.
        continued: the checkpoint that the run is continued from; None for a new run.
        processes: the machine of each process that takes part, by rank; None for this one alone.
        defaults: of settings that are younger than the checkpoint.

    Returns:
        the settings that this start has changed: [before, now] by name.
    """
    path = folder / RUN_JSON
    starts, before, step = [], arguments, 0
    if continued is not None:
        starts, step = _starts(path), continued.schedule["steps"]
        before = {**(defaults or {}), **continued.arguments}
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
        "processes": processes or [environment.machine()],
    }
    run = {"arguments": arguments, "starts": [*starts, start]}
    files.write(path, (json.dumps(run, indent=2) + "\n").encode())
    return changed


def note_divergence(folder: Path, message: str) -> None:
    """Write into run.json that its last start has ended so, if that is possible."""
    path = folder / RUN_JSON
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        run = json.loads(path.read_text("utf-8"))
        run["starts"][-1]["diverged"] = message
        files.write(path, (json.dumps(run, indent=2) + "\n").encode())


def precisions(folder: Path) -> list[str]:
    """The precisions of products of a run, in the order in which its starts had them.

    A run that is continued may change it; a checkpoint knows that of its own step alone.

    Returns:
        one, or several where it was changed; none where run.json is lost, damaged, or too old.
    """
    try:
        run = json.loads((folder / RUN_JSON).read_text("utf-8"))
        changes = [start["changed"].get("precision") for start in run["starts"]]
        earlier = [change[0] for change in changes if change is not None]
        named = map(str, [*earlier, run["arguments"]["precision"]])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    return [name for name, _ in itertools.groupby(named)]


def _starts(path: Path) -> list[Any]:
    """The starts so far; none if the file is lost or damaged, which does not prevent continuing."""
    try:
        starts = json.loads(path.read_text("utf-8"))["starts"]
        return starts if isinstance(starts, list) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
