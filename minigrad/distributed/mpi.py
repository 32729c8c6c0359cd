"""A team that was started by MPI. mpi4py is imported only here, by `world`."""

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

from minigrad.backend import backend_of
from minigrad.distributed import launchers
from minigrad.distributed.pairs import Node
from minigrad.distributed.reduction import Layout, Reduction, Transport
from minigrad.distributed.team import DistributedError, Team

_team: Team | None = None


def world() -> Team:
    """All processes that were started together with this one: by mpiexec or srun, or none.

    Raises:
        DistributedError: several were started, but they cannot compute together.
    """
    global _team
    if _team is None:
        launch = launchers.launched()
        _team = Team() if launch is None else _connect(launch)
    return _team


def current() -> Team:
    """The team that `world` has returned; a team of one before that."""
    return Team() if _team is None else _team


def _connect(launch: launchers.Launch) -> Team:
    try:
        mpi = importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise DistributedError(
            f"{launch.name} has started several processes, which needs mpi4py and an MPI "
            f"library: pip install '.[mpi]' ({error})"
        ) from error
    launchers.check(launch, mpi.COMM_WORLD.size)
    return MpiTeam(mpi) if mpi.COMM_WORLD.size > 1 else Team()


class MpiTeam(Team):
    """The processes of MPI's COMM_WORLD.

    The processes of a machine divide its cores among themselves, unless NUMBA_NUM_THREADS is set.

    Args:
        mpi: the module `mpi4py.MPI`.
    """

    def __init__(self, mpi: Any):
        self._comm = mpi.COMM_WORLD
        self._in_place = mpi.IN_PLACE
        self.rank, self.size = self._comm.rank, self._comm.size
        local = self._comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = local.rank, local.size
        _share_cores(local.allgather(_own_cores()), local.rank)
        self._transports: dict[str, Transport] = {}

    def gather(self, value: Any) -> list[Any]:
        return self._comm.allgather(value)

    def from_leader(self, work: Callable[[], Any]) -> Any:
        return self._comm.bcast(work() if self.leads else None)

    def sum(self, nodes: Sequence[Node[list[Any]]], like: Sequence[Any]) -> list[Any]:
        layouts = [Layout(node.first, node.terms, node.value is not None) for node in nodes]
        device = backend_of(like[0])
        for value in (node.value for node in nodes if node.value is not None):
            value[:] = [
                device.xp.zeros_like(other) if array is None else device.contiguous(array)
                for array, other in zip(value, like)
            ]
        own = next((node.value for node in nodes if node.value is not None), None)
        outputs = own or [device.empty(array.shape, array.dtype) for array in like]
        transport = self._transport(device.name)
        Reduction(self.rank, self.gather(layouts), transport).run(nodes, outputs)
        return outputs

    def exchange(self, array: Any, other: int) -> Any:
        received = np.empty_like(array)
        self._comm.Sendrecv(array, other, 0, received, other, 0)
        return received

    def abort(self, code: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)

    def _transport(self, device: str) -> Transport:
        if device not in self._transports:
            self._transports[device] = MpiTransport(self._comm, self._in_place)
        return self._transports[device]


class MpiTransport:
    """Moves NumPy arrays."""

    def __init__(self, comm: Any, in_place: Any):
        self._comm, self._in_place = comm, in_place

    def empty(self, elements: int, dtype: Any) -> np.ndarray:
        return np.empty(elements, dtype)

    def all_to_all(
        self,
        piece: np.ndarray | None,
        edges: list[int],
        senders: list[bool],
        received: np.ndarray,
    ) -> None:
        size, elements = received.shape
        sent = (
            [0] * size
            if piece is None
            else [end - start for start, end in itertools.pairwise(edges)]
        )
        taken = [elements * is_sender for is_sender in senders]
        self._comm.Alltoallv(
            [received if piece is None else piece, (sent, edges[:-1])],
            [received, (taken, [elements * rank for rank in range(size)])],
        )

    def all_gather(self, piece: np.ndarray, edges: list[int]) -> None:
        self._comm.Allgatherv(self._in_place, [piece, (_lengths(edges), edges[:-1])])


def _lengths(edges: list[int]) -> list[int]:
    return [end - start for start, end in itertools.pairwise(edges)]


def _own_cores() -> tuple[int, ...]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _share_cores(cores: list[tuple[int, ...]], rank: int) -> None:
    """Use so many threads that the processes of a machine do not take each other's cores.

    Args:
        cores: that each process of this machine may use.
    """
    if "NUMBA_NUM_THREADS" in os.environ:
        return
    sharing = sum(bool(set(own) & set(cores[rank])) for own in cores)
    numba.set_num_threads(max(1, min(numba.get_num_threads(), len(cores[rank]) // sharing)))
