"""What started this process, by the environment variables that launchers set."""

import os
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


_SIZES = {"mpiexec (Open MPI)": "OMPI_COMM_WORLD_SIZE", "mpiexec": "PMI_SIZE"}


def launched() -> Launch | None:
    """The launcher of several processes that has started this one; None if there is none."""
    for name, variable in _SIZES.items():
        if os.environ.get(variable, "").isdecimal():
            return Launch(name, int(os.environ[variable]))
    return None


def check(launch: Launch, size: int) -> None:
    """Raise DistributedError unless the team has as many processes as were started."""
    if launch.size != size:
        raise DistributedError(
            f"{launch.name} has started {launch.size} processes, but MPI knows of {size}: use the "
            "mpiexec of the installed MPI"
        )
