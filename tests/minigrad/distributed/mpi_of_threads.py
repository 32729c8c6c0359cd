"""`MpiTeam` among the threads of a test: MPI's collective calls, by those of `tests.teams`."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from minigrad.distributed import Team
from minigrad.distributed.mpi import MpiTeam
from tests import teams


class Comm:
    """What `MpiTeam` needs of a communicator of mpi4py where arrays go by another way."""

    def __init__(self, team: Team):
        self._team, self.rank, self.size = team, team.rank, team.size

    def allgather(self, value: Any) -> list:
        return self._team.gather(value)

    def bcast(self, value: Any) -> Any:
        return self._team.gather(value)[0]

    def Split_type(self, kind: Any) -> "Comm":
        return self


def run(size: int, work: Callable[[MpiTeam], Any]) -> list[Any]:
    """What `work(team)` returns on each rank."""

    def member(team: Team) -> Any:
        mpi = SimpleNamespace(
            COMM_WORLD=Comm(team), IN_PLACE=None, COMM_TYPE_SHARED=None, Exception=OSError
        )
        return work(MpiTeam(mpi))

    return teams.run(size, member)
