"""Teams without processes: each of its members is a thread of the test."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minigrad.distributed import Team
from minigrad.distributed.reduction import Layout, Reduction

SECONDS = 20  # after which a member that waits alone is an error


class _Board:
    """Where the members of a team leave what the others take."""

    def __init__(self, size: int):
        self.values: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=SECONDS)


class ThreadTeam(Team):
    """A member of a team, in a thread of its own."""

    def __init__(self, rank: int, board: _Board):
        self.rank, self.size = rank, len(board.values)
        self.local_rank, self.local_size = self.rank, self.size
        self._board = board

    def gather(self, value):
        self._board.values[self.rank] = value
        self._board.barrier.wait()
        values = list(self._board.values)
        self._board.barrier.wait()
        return values

    def from_leader(self, work):
        return self.gather(work() if self.leads else None)[0]

    def sum(self, nodes, like):
        layouts = [Layout(node.first, node.terms, node.value is not None) for node in nodes]
        own = [node.value for node in nodes if node.value is not None]
        outputs = own[0] if own else [np.empty_like(array) for array in like]
        Reduction(self.rank, self.gather(layouts), ThreadTransport(self)).run(nodes, outputs)
        return outputs


class ThreadTransport:
    """Moves slices of NumPy arrays between the members; checks what it is asked for."""

    piece_bytes = 1 << 20

    def __init__(self, team: ThreadTeam):
        self._team = team

    def empty(self, elements, dtype):
        return np.full(elements, np.nan, dtype)

    def all_to_all(self, piece, edges, senders, received):
        assert (piece is not None) == senders[self._team.rank]
        assert piece is None or piece.ndim == 1 and piece.flags.c_contiguous
        pieces = self._team.gather(None if piece is None else piece.copy())
        mine = slice(edges[self._team.rank], edges[self._team.rank + 1])
        for rank, (row, sent) in enumerate(zip(received, pieces)):
            if sent is not None and rank != self._team.rank:
                row[...] = sent[mine]

    def all_gather(self, piece, edges):
        slices = self._team.gather(piece[edges[self._team.rank] : edges[self._team.rank + 1]])
        piece[...] = np.concatenate([array.copy() for array in slices])
        self._team.barrier()


def run(size: int, work: Callable[[Team], Any]) -> list[Any]:
    """What a function returns for each member of a team of threads, by rank."""
    board = _Board(size)

    def member(rank: int) -> Any:
        try:
            return work(ThreadTeam(rank, board))
        except BaseException:
            board.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as executor:
        return [result.result() for result in [executor.submit(member, r) for r in range(size)]]
