"""What started a process, and wrong starts: each is one line that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.distributed import DistributedError, launchers, mpi
from minigrad.distributed.launchers import Launch

ROOT = Path(__file__).parents[3]
VARIABLES = (
    *("WORLD_SIZE", "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
    *("OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID"),
    "SLURM_STEP_NUM_TASKS",
)
# As the launchers set them, with those of the launcher that has started them.
STEP = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
STEP_OF_ONE = {**STEP, "SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}
PMI = {"PMI_SIZE": "2"}
HYDRA = {**PMI, "MPI_LOCALNRANKS": "2"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "2"}
RENDEZVOUS = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost"}
TORCHRUN = {**RENDEZVOUS, "TORCHELASTIC_RUN_ID": "none"}

# Starts a team, and says what became of it.
START = """
import sys
from minigrad import distributed
try:
    team = distributed.world()
    print(team.rank, team.size, team.gather(team.rank), flush=True)
except distributed.DistributedError as error:
    print(error)
    sys.exit(8)
"""


@pytest.fixture
def environment(monkeypatch):
    """Sets variables in place of those that this process was started with."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return lambda variables: [monkeypatch.setenv(*item) for item in variables.items()]


def start(variables, *launcher, python=sys.executable):
    """Exit code and lines of processes that make a team, started with these variables."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    finished = subprocess.run(
        [*launcher, python, "-c", START],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return finished.returncode, sorted(finished.stdout.splitlines())


@pytest.mark.parametrize(
    "variables, launch",
    [
        (HYDRA, Launch("mpiexec (MPICH)", 2)),
        (HYDRA | STEP_OF_ONE, Launch("mpiexec (MPICH)", 2)),  # it starts its helpers by srun
        (HYDRA | RENDEZVOUS, Launch("mpiexec (MPICH)", 2)),
        (OPEN_MPI, Launch("mpiexec (Open MPI)", 2)),
        (OPEN_MPI | STEP_OF_ONE, Launch("mpiexec (Open MPI)", 2)),
        (STEP, Launch("srun", 2)),
        (STEP | PMI, Launch("srun", 2)),  # with --mpi=pmi2
        (PMI, Launch("mpiexec", 2)),
    ],
)
def test_launchers_are_recognized(environment, variables, launch):
    environment(variables)
    assert launchers.launched() == launch


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_NTASKS": "2"},  # a shell of salloc
        {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"},  # a batch script
        STEP_OF_ONE,
        {"PMI_SIZE": "1", "MPI_LOCALNRANKS": "1"},
        {"PMI_SIZE": "1", "MPI_LOCALNRANKS": "1"} | STEP,  # the helpers of other nodes are there
        {"OMPI_COMM_WORLD_SIZE": "1"},
        {**TORCHRUN, "WORLD_SIZE": "1"},
        {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost"},  # set in a script for what it starts
        {"PMI_SIZE": "", "OMPI_COMM_WORLD_SIZE": "many"},
    ],
)
def test_one_process_is_no_launch(environment, variables):
    environment(variables)
    assert launchers.launched() is None


@pytest.mark.parametrize("variables", [TORCHRUN, TORCHRUN | STEP | PMI, RENDEZVOUS])
def test_a_launcher_of_pytorch_is_refused(environment, variables):
    environment(variables)
    with pytest.raises(DistributedError, match="torchrun has .*: start them with mpiexec -n 2 ins"):
        launchers.launched()


def test_a_team_needs_mpi4py(environment, monkeypatch):
    environment(HYDRA)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr(mpi, "_team", None)
    with pytest.raises(DistributedError, match="mpi4py is not installed: pip install '.\\[mpi\\]'"):
        mpi.world()


def test_mpi4py_needs_an_mpi_library():
    pytest.importorskip("mpi4py")
    code, (line,) = start(HYDRA | {"MPI4PY_LIBMPI": "/nowhere/libmpi.so"})
    assert code == 8
    assert "finds no MPI (cannot load MPI library): pip install '.[mpi]' installs one" in line


@pytest.mark.parametrize(
    "launch, version, library",
    [
        (Launch("mpiexec (Open MPI)", 2), "MPICH Version:      5.0.2\nMPICH ABI", "MPICH 5.0.2"),
        (Launch("mpiexec (MPICH)", 2), "Open MPI v5.0.11, package: Open MPI", "Open MPI v5.0.11"),
        (
            Launch("mpiexec (Open MPI)", 2),
            "Intel(R) MPI Library 2021.18 for Linux* OS\n",
            r"Intel\(R\) MPI Library 2021.18 for Linux\* OS",
        ),
    ],
)
def test_a_foreign_mpiexec_is_refused(launch, version, library):
    with pytest.raises(DistributedError, match=f"but mpi4py uses {library}, .*: use the mpiexec"):
        launchers.check_library(launch, version)


@pytest.mark.parametrize(
    "name, version",
    [
        ("mpiexec (Open MPI)", "Open MPI v5.0.11"),
        ("mpiexec (MPICH)", "MPICH Version: 5.0.2"),
        ("mpiexec (MPICH)", "Intel(R) MPI Library 2021.18 for Linux* OS"),
        ("srun", "Open MPI v5.0.11"),
        ("srun", "MPICH Version: 5.0.2"),
    ],
)
def test_other_libraries_are_not_refused(name, version):
    launchers.check_library(Launch(name, 2), version)


def test_a_foreign_mpiexec_is_refused_before_mpi_ends_the_process():
    """MPICH, which is told that Open MPI's mpiexec has started it."""
    pytest.importorskip("mpi4py")
    code, (line,) = start(OPEN_MPI | {"PMIX_RANK": "0", "PMIX_NAMESPACE": "a"})
    assert code == 8 and "use the mpiexec of " in line


def test_processes_that_are_alone_are_refused():
    """What each process of srun without --mpi sees."""
    pytest.importorskip("mpi4py")
    code, (line,) = start(STEP)
    assert code == 8
    assert line.startswith("srun has started 2 processes, but MPI connects none: add --mpi=pmi2")


def test_a_part_of_the_processes_is_refused():
    with pytest.raises(DistributedError, match="connects only 3: use the mpiexec that belongs"):
        launchers.check(Launch("mpiexec", 4), 3)


def test_a_team_of_several_launchers_may_be_larger():
    launchers.check(Launch("srun", 2), 4)


@pytest.fixture
def srun():
    """The command; SLURM cannot be imitated."""
    if not shutil.which("srun"):
        pytest.skip("SLURM is not installed: no srun")
    command = ("srun", "--quiet", "--immediate=20", "-n", "2")
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=60)
    if tried.returncode:
        pytest.skip(f"srun starts nothing: {tried.stderr.strip()}")
    return command


def test_slurm_with_and_without_mpi(srun):
    pytest.importorskip("mpi4py")
    assert start({}, *srun, "--mpi=pmi2") == (0, ["0 2 [0, 1]", "1 2 [0, 1]"])
    code, lines = start({}, *srun, "--mpi=none")
    assert code == 8
    assert len(lines) == 2 and all("MPI connects none: add --mpi=pmi2" in line for line in lines)
