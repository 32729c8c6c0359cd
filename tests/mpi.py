"""Real processes: commands that mpiexec starts several times, as users do."""

import importlib.util
import os
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
IS_THERE = _MPIEXEC is not None and importlib.util.find_spec("mpi4py") is not None
REASON = f"there is no {'mpi4py' if _MPIEXEC else 'mpiexec'}: pip install '.[mpi]'"
needs_mpi = pytest.mark.skipif(not IS_THERE, reason=REASON)


def mpiexec(
    processes: int, *arguments: object, **variables: object
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in so many processes, to its end, with these environment variables."""
    command = [_MPIEXEC, "-n", processes, sys.executable, *arguments]
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
    )
