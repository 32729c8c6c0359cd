"""A team that was started by MPI. mpi4py is imported only here, by `world`."""

import contextlib
import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numba
import numpy as np

from minigrad.backend import Backend, backend_of
from minigrad.distributed import launchers
from minigrad.distributed.nccl import NcclTransport
from minigrad.distributed.pairs import Node
from minigrad.distributed.reduction import Layout, Reduction, Transport
from minigrad.distributed.team import DistributedError, Team

# mpiexec may drop what a process has printed if it has not read it when it ends all of them.
SECONDS_TO_FORWARD = 0.1

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
        rc = importlib.import_module("mpi4py").rc
        # The start is checked first: MPI itself would end the process.
        rc.initialize, rc.finalize = False, True
        mpi = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        raise launchers.import_error(launch, error) from error
    launchers.check_library(launch, mpi.Get_library_version())
    if not mpi.Is_initialized():
        mpi.Init_thread()
    launchers.check(launch, mpi.COMM_WORLD.size)
    return MpiTeam(mpi)


class MpiTeam(Team):
    """The processes of MPI's COMM_WORLD.

    The processes of a machine divide its cores among themselves, unless NUMBA_NUM_THREADS is set.

    Args:
        mpi: the module `mpi4py.MPI`.
    """

    def __init__(self, mpi: Any):
        self._comm = mpi.COMM_WORLD
        self._in_place, self._error = mpi.IN_PLACE, mpi.Exception
        self.rank, self.size = self._comm.rank, self._comm.size
        local = self._comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = local.rank, local.size
        _share_cores(local.allgather(_own_cores()), local.rank)
        self._transports: dict[str, Transport] = {}

    def gather(self, value: Any) -> list[Any]:
        with self._connected():
            return self._comm.allgather(value)

    def from_leader(self, work: Callable[[], Any]) -> Any:
        value = work() if self.leads else None
        with self._connected():
            return self._comm.bcast(value)

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
        reduction = Reduction(self.rank, self.gather(layouts), self.transport(device))
        with self._connected():
            reduction.run(nodes, outputs)
        return outputs

    def exchange(self, array: Any, other: int) -> Any:
        with self._connected():
            return self.transport(backend_of(array)).exchange(array, other)

    def abort(self, code: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # nobody reads it any more
                stream.flush()
        time.sleep(SECONDS_TO_FORWARD)
        self._comm.Abort(code)
        os._exit(code)  # MPICH's only asks mpiexec to end the processes, and returns

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Where MPI notices that another process is gone before the launcher ends this one, too."""
        try:
            yield
        except self._error as error:
            raise DistributedError(
                "the connection to another process is lost: it was killed (is there enough "
                f"memory?), or the network has failed ({str(error).splitlines()[0]})"
            ) from error

    def transport(self, device: Backend) -> Transport:
        if device.name not in self._transports:
            self._transports[device.name] = (
                MpiTransport(self._comm, self._in_place)
                if device.name == "cpu"
                else NcclTransport(self, device.xp)
            )
        return self._transports[device.name]


class MpiTransport:
    """Moves NumPy arrays."""

    piece_bytes = 1 << 20  # all slices of a piece stay in the caches between two messages

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
        (size, elements), own = received.shape, self._comm.rank
        sent = [0] * size if piece is None else _lengths(edges)
        taken = [elements * is_sender for is_sender in senders]
        sent[own] = taken[own] = 0
        self._comm.Alltoallv(
            [received if piece is None else piece, (sent, edges[:-1])],
            [received, (taken, [elements * rank for rank in range(size)])],
        )

    def all_gather(self, piece: np.ndarray, edges: list[int]) -> None:
        self._comm.Allgatherv(self._in_place, [piece, (_lengths(edges), edges[:-1])])

    def exchange(self, array: np.ndarray, other: int) -> np.ndarray:
        received = np.empty_like(array)
        self._comm.Sendrecv(array, other, 0, received, other, 0)
        return received


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
