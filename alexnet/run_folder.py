"""The folder of a run: its name, and run.json, which says what ran where."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alexnet import environment
from alexnet.checkpoint import BEST, LAST

RUNS = Path("runs")


def create(folder: Path | None, data: str, architecture: str) -> Path:
    """Make the folder of a new run: `folder`, or the first free runs/<data>-<architecture>-<n>.

    Raises:
        FileExistsError: `folder` already holds a checkpoint.
    """
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
        require_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
    # A run is large and can be repeated: it stays out of the user's repository.
    gitignore = folder / ".gitignore"
    if not gitignore.exists():
        gitignore.write_text("*\n", encoding="utf-8")
    return folder


def require_free(folder: Path) -> None:
    """Raise FileExistsError if the folder already holds a checkpoint."""
    if (folder / LAST).exists() or (folder / BEST).exists():
        raise FileExistsError(
            f"{folder} already holds a run: continue it with --resume {folder}, "
            "or choose another --out"
        )


def write_run_json(folder: Path, arguments: dict[str, Any]) -> None:
    """Write run.json: arguments, versions and machine of the latest start."""
    run = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": arguments,
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
