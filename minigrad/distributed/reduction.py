"""Sums of arrays over all processes, in the order of `pairs.py`.

The arrays of all parameters, laid end to end, are cut into pieces. Of each piece every process gets
its slice from all the others (an all-to-all), adds up the slices, and sends the sum to all (an
all-gather). These are the bytes of a ring's all-reduce, 2 (N - 1) / N of the arrays in and as many
out, but a transport only moves them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from minigrad.distributed.pairs import Node, PairwiseSum


class Transport(Protocol):
    """Moves arrays between processes, on one kind of device.

    Attributes:
        piece_bytes: how large a piece is; no bit of a sum depends on it.
    """

    piece_bytes: int

    def empty(self, elements: int, dtype: Any) -> Any:
        """An array of the device, one-dimensional."""

    def all_to_all(
        self, piece: Any | None, edges: list[int], senders: list[bool], received: Any
    ) -> None:
        """Get this process's slice of the piece of every other sender.

        Args:
            piece: one-dimensional and contiguous; None if this process is no sender.
            edges: where the slice of each rank begins in a piece, and where the last one ends.
            senders: by rank.
            received: (processes, elements of this process's slice), contiguous; its own row, and
                those of processes that send nothing, stay as they are.
        """

    def all_gather(self, piece: Any, edges: list[int]) -> None:
        """Complete a piece, of which each process has its slice."""

    def exchange(self, array: Any, other: int) -> Any:
        """See `Team.exchange`."""


class Layout(NamedTuple):
    """A node of the tree that some process has; see `pairs.Node`."""

    first: int
    terms: int
    is_there: bool


class Reduction:
    """Adds arrays over all processes.

    Args:
        layouts: the nodes of every process, by rank; all processes know them all.
    """

    def __init__(self, rank: int, layouts: list[list[Layout]], transport: Transport):
        self._rank, self._layouts, self._transport = rank, layouts, transport
        self._scratch: dict[int, Any] = {}

    def run(self, nodes: Sequence[Node[list[Any]]], outputs: list[Any]) -> None:
        """Write the sums into `outputs`, which may be the arrays of a node.

        The arrays of the nodes are overwritten.
        """
        limit = self._transport.piece_bytes // outputs[0].itemsize
        turns = max(map(len, self._layouts))
        values = [node.value for node in nodes] + [None] * (turns - len(nodes))
        sources = [value and list(pieces(value, limit)) for value in values]
        for number, output in enumerate(pieces(outputs, limit)):
            self._add([source and source[number] for source in sources], output)

    def _add(self, given: list[list[Any] | None], output: list[Any]) -> None:
        """Add one piece; each is a list of segments, contiguous and one-dimensional."""
        elements, dtype = sum(segment.size for segment in output), output[0].dtype
        size, transport = len(self._layouts), self._transport
        edges = [elements * rank // size for rank in range(size + 1)]
        mine = slice(edges[self._rank], edges[self._rank + 1])
        slices: list[list[Any]] = []  # by turn and by rank
        for turn, segments in enumerate(given):
            piece = segments and self._joined(segments, elements, dtype)
            received = self._memory(turn, mine.stop - mine.start, dtype)
            transport.all_to_all(piece, edges, self._senders(turn), received)
            slices.append(list(received))
            if piece is not None:
                slices[turn][self._rank] = piece[mine]
        tree: PairwiseSum[Any] = PairwiseSum(_add_in_place)
        for rank, layout in enumerate(self._layouts):
            for turn, node in enumerate(layout):
                tree.put(slices[turn][rank] if node.is_there else None, node.terms)
        whole = output[0] if len(output) == 1 else transport.empty(elements, dtype)
        whole[mine] = tree.total()
        transport.all_gather(whole, edges)
        if len(output) > 1:
            _split(whole, output)

    def _senders(self, turn: int) -> list[bool]:
        """By rank, whether a process has a node to send in this turn."""
        return [turn < len(nodes) and nodes[turn].is_there for nodes in self._layouts]

    def _memory(self, turn: int, elements: int, dtype: Any) -> Any:
        """For the slices of all processes, the same memory for every piece."""
        size = len(self._layouts)
        if turn not in self._scratch or self._scratch[turn].size < size * elements:
            self._scratch[turn] = self._transport.empty(size * elements, dtype)
        return self._scratch[turn][: size * elements].reshape(size, elements)

    def _joined(self, segments: list[Any], elements: int, dtype: Any) -> Any:
        if len(segments) == 1:
            return segments[0]
        whole, start = self._transport.empty(elements, dtype), 0
        for segment in segments:
            whole[start : start + segment.size] = segment
            start += segment.size
        return whole


def pieces(arrays: list[Any], limit: int) -> Iterator[list[Any]]:
    """Arrays, laid end to end, in pieces of `limit` elements: each a list of views."""
    piece: list[Any] = []
    room = limit
    for array in arrays:
        flat, start = array.reshape(-1), 0
        while start < flat.size:
            segment = flat[start : start + room]
            piece.append(segment)
            start, room = start + segment.size, room - segment.size
            if not room:
                yield piece
                piece, room = [], limit
    if piece:
        yield piece


def _split(whole: Any, output: list[Any]) -> None:
    edges = [0, *itertools.accumulate(segment.size for segment in output)]
    for segment, (start, end) in zip(output, itertools.pairwise(edges)):
        segment[...] = whole[start:end]


def _add_in_place(left: Any, right: Any) -> Any:
    left += right
    return left
