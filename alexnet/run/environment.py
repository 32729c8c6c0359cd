"""What a result depends on besides the settings: versions, processor, threads."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numba

_PACKAGES = ("numpy", "numba", "minigrad-alexnet")


def versions() -> dict[str, str | None]:
    """Python, the packages that compute, and the commit of the source."""
    return {
        "python": platform.python_version(),
        **{name: package_version(name) for name in _PACKAGES},
        "git": _git_commit(),
    }


def machine() -> dict[str, Any]:
    """Operating system, processor, and the threads the kernels use."""
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
    }


def package_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the running source, with "-dirty" if files differ from it."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    # Not describe --dirty, which locks the index: a killed run would leave the lock.
    describe = ["describe", "--always", "--abbrev=40"]
    status = ["status", "--porcelain", "--untracked-files=no"]
    git = ["git", "--no-optional-locks", "-C", str(root)]
    try:
        commit, changes = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout
            for words in (describe, status)
        )
        return commit.strip() + ("-dirty" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
