"""Programs of several processes, with the mpiexec that belongs to mpi4py's MPI."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alexnet.runs import ROOT

SECONDS = 120  # after which processes that wait for each other are an error


@pytest.fixture(scope="session")
def mpiexec():
    """The command that starts processes, up to their number."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install '.[mpi]'")
    own = Path(sys.executable).parent / "mpiexec"
    found = own if own.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("no mpiexec on the path")
    return [str(found), "-n"]


@pytest.fixture(scope="session")
def run_module(mpiexec):
    """Runs N processes of a module; returns the finished process of mpiexec."""

    def run_module(processes, module, *arguments, **variables):
        return subprocess.run(
            [*mpiexec, str(processes), sys.executable, "-m", module, *map(str, arguments)],
            **{"cwd": ROOT, "capture_output": True, "text": True, "timeout": SECONDS},
            env={**os.environ, "NUMBA_NUM_THREADS": "1", **variables},
        )

    return run_module


@pytest.fixture(scope="session")
def train_in_turn(run_module, tmp_path_factory):
    """Runs several trainings by N processes; returns their results by rank, see the module."""

    def train_in_turn(processes, commands):
        path = tmp_path_factory.mktemp("commands") / "commands.json"
        path.write_text(json.dumps([[str(word) for word in command] for command in commands]))
        process = run_module(processes, "tests.alexnet.processes.train_in_turn", path)
        assert process.returncode == 0, process.stderr
        return [json.loads(Path(f"{path}.{rank}").read_text()) for rank in range(processes)]

    return train_in_turn
