"""Programs of several processes, with the mpiexec that belongs to mpi4py's MPI."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alexnet.runs import ROOT


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
def start_module(mpiexec):
    """Starts N processes of a module; returns the process of mpiexec, which is given a minute."""

    def start_module(processes, module, *arguments, **variables):
        return subprocess.Popen(
            [*mpiexec, str(processes), sys.executable, "-m", module, *map(str, arguments)],
            **{"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
            env={**os.environ, "NUMBA_NUM_THREADS": "1", **variables},
        )

    return start_module


@pytest.fixture(scope="session")
def train_in_turn(start_module, tmp_path_factory):
    """Runs several trainings by N processes; returns their results by rank, see the module."""

    def train_in_turn(processes, commands):
        path = tmp_path_factory.mktemp("commands") / "commands.json"
        path.write_text(json.dumps([[str(word) for word in command] for command in commands]))
        process = start_module(processes, "tests.alexnet.processes.train_in_turn", path)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return [json.loads(Path(f"{path}.{rank}").read_text()) for rank in range(processes)]

    return train_in_turn
