"""Real processes: commands that mpiexec starts several times, as users do."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 300  # with kernels to compile; a process that waits alone is an error after this
# The one beside this Python belongs to the MPI that mpi4py finds; on PATH there may be another.
_BESIDE = Path(sys.executable).parent
_MPIEXEC = shutil.which("mpiexec", path=_BESIDE) or shutil.which("mpiexec")
MISSING = "mpiexec" if _MPIEXEC is None else "mpi4py"

needs_mpi = pytest.mark.skipif(
    _MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason=f"there is no {MISSING}: pip install '.[mpi]'",
)


def mpiexec(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in so many processes, to its end."""
    command = [_MPIEXEC, "-n", processes, sys.executable, *arguments]
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
