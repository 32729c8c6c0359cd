"""A team whose processes are threads of this one, with MPI's collective calls among them."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from minigrad.distributed.mpi import MpiTeam


class Comm:
    """What `MpiTeam` needs of a communicator of mpi4py."""

    def __init__(self, rank: int, values: list, barrier: threading.Barrier):
        self.rank, self.size = rank, len(values)
        self._values, self._barrier = values, barrier

    def allgather(self, value: Any) -> list:
        self._values[self.rank] = value
        self._barrier.wait()
        values = list(self._values)
        self._barrier.wait()
        return values

    def bcast(self, value: Any) -> Any:
        return self.allgather(value)[0]

    def Split_type(self, kind: Any) -> "Comm":
        return self


def run(size: int, work: Callable[[MpiTeam], Any]) -> list[Any]:
    """What `work(team)` returns on each rank.

    Raises:
        Exception: what a rank raised; of several, the error of the lowest one.
    """
    results: list[Any] = [None] * size
    errors: list[Exception | None] = [None] * size
    values, barrier = [None] * size, threading.Barrier(size, timeout=60)

    def be_rank(rank: int) -> None:
        mpi = SimpleNamespace(
            COMM_WORLD=Comm(rank, values, barrier), IN_PLACE=None, COMM_TYPE_SHARED=None
        )
        try:
            results[rank] = work(MpiTeam(mpi))
        except threading.BrokenBarrierError:
            pass  # another rank has failed
        except Exception as error:
            errors[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=be_rank, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        if error is not None:
            raise error
    return results
