"""What started this process, by the environment variables that launchers set.

They can be read without MPI, which some wrong starts lack, and in others ends the process as soon
as it is initialized.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from minigrad.distributed.team import DistributedError


class Launch(NamedTuple):
    """A launcher of several processes.

    Attributes:
        name: for messages.
        size: how many processes it says that it has started.
    """

    name: str
    size: int


TORCHRUN = "torchrun"
OPEN_MPI = "mpiexec (Open MPI)"
MPICH = "mpiexec (MPICH)"
SRUN = "srun"

# The launcher, the variable with the number of processes, and others that it sets. One launcher may
# start another one, whose variables are then added: the first match is the nearest one.
_VARIABLES = (
    (TORCHRUN, "WORLD_SIZE", ("TORCHELASTIC_RUN_ID",)),
    (OPEN_MPI, "OMPI_COMM_WORLD_SIZE", ()),
    (MPICH, "PMI_SIZE", ("MPI_LOCALNRANKS",)),  # Intel MPI's, too
    # Only a step of srun has this one. SLURM_NTASKS is also set in a batch script and a shell of
    # salloc, which are one process.
    (SRUN, "SLURM_STEP_NUM_TASKS", ()),
    ("mpiexec", "PMI_SIZE", ()),
    (TORCHRUN, "WORLD_SIZE", ("MASTER_ADDR", "RANK")),  # what takes its place, as on Kubernetes
)


def launched() -> Launch | None:
    """The launcher of several processes that has started this one; None if there is none.

    Raises:
        DistributedError: a launcher of PyTorch's, whose processes MPI does not connect.
    """
    nearest = _nearest()
    if nearest is None or nearest.size < 2:
        return None
    if nearest.name == TORCHRUN:
        raise DistributedError(
            f"torchrun has started {nearest.size} processes, which it connects for PyTorch only: "
            f"start them with mpiexec -n {nearest.size} instead"
        )
    return nearest


def _nearest() -> Launch | None:
    for name, variable, others in _VARIABLES:
        size = os.environ.get(variable, "")
        if size.isdecimal() and all(other in os.environ for other in others):
            return Launch(name, int(size))
    return None


def import_error(launch: Launch, error: Exception) -> DistributedError:
    """What to say where mpi4py cannot be imported.

    Args:
        error: an ImportError, or the RuntimeError that mpi4py raises where it finds no MPI.
    """
    needs = f"{launch.name} has started {launch.size} processes, which need mpi4py and an MPI"
    if isinstance(error, ModuleNotFoundError) and error.name == "mpi4py":
        return DistributedError(f"{needs}; mpi4py is not installed: pip install '.[mpi]'")
    reason = str(error).splitlines()[0]  # then come all the places where it has looked
    return DistributedError(
        f"{needs}; mpi4py finds no MPI ({reason}): pip install '.[mpi]' installs one, and a "
        "cluster's own is loaded by module load"
    )


def check_library(launch: Launch, version: str) -> None:
    """Raise DistributedError if the MPI library is not the one that mpiexec belongs to.

    To be called before MPI is initialized: MPICH then ends the process, and Open MPI makes each
    process one of one.

    Args:
        version: what MPI_Get_library_version returns.
    """
    is_open_mpi = version.startswith("Open MPI")
    if (launch.name, is_open_mpi) not in ((OPEN_MPI, False), (MPICH, True)):
        return
    library = " ".join(version.splitlines()[0].split(",")[0].replace("Version:", "").split())
    own = Path(sys.prefix) / "bin" / "mpiexec"
    raise DistributedError(
        f"{launch.name} has started {launch.size} processes, but mpi4py uses {library}, with which "
        f"they cannot connect: use the mpiexec of {library}{f', {own}' if own.exists() else ''}"
    )


def check(launch: Launch, size: int) -> None:
    """Raise DistributedError if the team has fewer processes than were started.

    It has more where several launchers together have started them, as in a heterogeneous job of
    SLURM.
    """
    if size >= launch.size:
        return
    connected = "none" if size == 1 else f"only {size}"
    started = f"{launch.name} has started {launch.size} processes, but MPI connects {connected}"
    if launch.name == SRUN:
        raise DistributedError(
            f"{started}: add --mpi=pmi2 for MPICH, --mpi=pmix for Open MPI (srun --mpi=list shows "
            "which there are); separate runs need an srun -n 1 each"
        )
    raise DistributedError(f"{started}: use the mpiexec that belongs to the MPI of mpi4py")
