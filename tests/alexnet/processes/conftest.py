"""Programs of several processes, with the mpiexec that belongs to mpi4py's MPI."""

import json
from pathlib import Path

import pytest

from tests import mpi


@pytest.fixture(scope="session")
def run_module():
    """Runs N processes of a module; returns the finished process of mpiexec."""
    if not mpi.IS_THERE:
        pytest.skip(mpi.REASON)

    def run_module(processes, module, *arguments, **variables):
        return mpi.mpiexec(processes, "-m", module, *arguments, NUMBA_NUM_THREADS=1, **variables)

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
