"""The folder of a run: its name, and run.json, which says what ran where."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numba

from alexnet.checkpoint import BEST, LAST

RUNS = Path("runs")
PACKAGES = ("numpy", "numba", "minigrad-alexnet")


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
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
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
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
            "git": _git_commit(),
        },
        "machine": {
            "system": platform.platform(),
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "threads": numba.get_num_threads(),
        },
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the source that runs, with "-dirty" if it was changed since."""
    source = Path(__file__).resolve().parent
    if not (source.parent / ".git").exists():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
