"""Arrays from GPU to GPU through NCCL, one GPU for each process.

NCCL only sends and receives here; the additions are those of `reduction.py`. Its own sums have an
order that depends on the number of GPUs and on how they are connected.
"""

import contextlib
import itertools
import socket
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from minigrad import cuda
from minigrad.backend import get
from minigrad.distributed.team import DistributedError, Team, by_all_processes


def choose_gpu(team: Team) -> None:
    """Give each process a GPU of its own. To be called before the backend "cuda" is first used.

    A process takes the GPU with its number among the processes of its machine; or the only one
    that it sees, where the launcher shows each process its own (CUDA_VISIBLE_DEVICES).

    Raises:
        BackendError: a process has no GPU that can be used.
        DistributedError: two processes would share a GPU, or there is no NCCL.
    """
    if team.size == 1:
        return
    cuda.set_device(team.local_rank)
    cupy = get("cuda").xp
    has_nccl = cuda.import_nccl().available
    everyone = team.gather((socket.gethostname(), cupy.cuda.Device().pci_bus_id, has_nccl))
    with by_all_processes():
        for rank, (host, bus, has_nccl) in enumerate(everyone):
            if not has_nccl:
                raise DistributedError(
                    f"rank {rank} on {host} finds no NCCL, which several GPUs need: "
                    "pip install '.[nccl12]' (or '.[nccl13]')"
                )
            first = everyone.index((host, bus, has_nccl))
            if first != rank:
                raise DistributedError(
                    f"ranks {first} and {rank} on {host} would share one GPU ({bus}): start no "
                    "more processes on a machine than it has GPUs (with SLURM, "
                    "--gpus-per-task=1 gives each process its own)"
                )


class NcclTransport:
    """Moves arrays of GPUs, on CuPy's current stream.

    Args:
        cupy: connected to the GPU of this process; NCCL binds it.

    Raises:
        DistributedError: NCCL cannot connect the GPUs, or loses a connection.
    """

    # A call takes tens of microseconds; this much takes 90 at 370 GB/s.
    piece_bytes = 32 << 20

    def __init__(self, team: Team, cupy: ModuleType):
        self._cupy, self._nccl = cupy, cuda.import_nccl()
        self._rank = team.rank
        unique_id = team.from_leader(self._nccl.get_unique_id)
        with self._said():
            self._comm = self._nccl.NcclCommunicator(team.size, unique_id, team.rank)

    def empty(self, elements: int, dtype: Any) -> Any:
        return self._cupy.empty(elements, dtype)

    def all_to_all(
        self, piece: Any | None, edges: list[int], senders: list[bool], received: Any
    ) -> None:
        with self._group():
            if piece is not None:
                for rank, (start, end) in enumerate(itertools.pairwise(edges)):
                    if rank != self._rank:
                        self._send(piece[start:end], rank)
            for rank, sends in enumerate(senders):
                if sends and rank != self._rank:
                    self._receive(received[rank], rank)

    def all_gather(self, piece: Any, edges: list[int]) -> None:
        slices = [piece[start:end] for start, end in itertools.pairwise(edges)]
        with self._group():
            for rank, part in enumerate(slices):
                if rank != self._rank:
                    self._send(slices[self._rank], rank)
                    self._receive(part, rank)

    def exchange(self, array: Any, other: int) -> Any:
        array = self._cupy.ascontiguousarray(array)
        received = self._cupy.empty_like(array)
        with self._group():
            self._send(array, other)
            self._receive(received, other)
        return received

    def _send(self, array: Any, rank: int) -> None:
        self._move(self._comm.send, array, rank)

    def _receive(self, array: Any, rank: int) -> None:
        self._move(self._comm.recv, array, rank)

    def _move(self, call: Any, array: Any, rank: int) -> None:
        """Send or receive a contiguous array, of whatever type, as bytes."""
        if array.nbytes:
            stream = self._cupy.cuda.get_current_stream()
            call(array.data.ptr, array.nbytes, self._nccl.NCCL_UINT8, rank, stream.ptr)

    @contextlib.contextmanager
    def _group(self) -> Iterator[None]:
        """Sends and receives that happen at once: one after the other, all ranks could send first
        and wait for ever."""
        with self._said():
            self._nccl.groupStart()
            try:
                yield
            finally:
                self._nccl.groupEnd()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except self._nccl.NcclError as error:
            raise DistributedError(f"NCCL cannot send from GPU to GPU: {error}") from error
