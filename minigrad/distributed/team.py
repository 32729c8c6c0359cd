"""What processes can do together, and a team of one."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from minigrad.distributed.pairs import Node, total

Value = TypeVar("Value")
_BY_ALL = "_raised_by_all_processes"


class DistributedError(RuntimeError):
    """Several processes cannot compute together; the message says why and what to do."""


@contextlib.contextmanager
def by_all_processes() -> Iterator[None]:
    """Marks what is raised within this block: every process of the team raises the same.

    Such a team ends like one process: one of them says why, and nobody has to be stopped.
    """
    try:
        yield
    except Exception as error:
        setattr(error, _BY_ALL, True)
        raise


def is_by_all_processes(error: BaseException) -> bool:
    """Whether `by_all_processes` has marked an exception."""
    return hasattr(error, _BY_ALL)


class Team:
    """Processes that compute together. This class is a team of one; see `mpi.MpiTeam`.

    Every method but `abort` is collective: all processes call the same methods in the same order,
    or wait for each other for ever. What one process alone does must therefore not decide what
    the others call: gather it first, and all know the same.

    Attributes:
        rank: this process, from 0.
        size: the number of processes.
        local_rank, local_size: the same among the processes of this machine.
    """

    rank = 0
    size = 1
    local_rank = 0
    local_size = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and speaks."""
        return self.rank == 0

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by rank; each process gets them all."""
        return [value]

    def any(self, flag: bool) -> bool:
        """Whether the flag of any process is set."""
        return any(self.gather(bool(flag)))

    def from_leader(self, work: Callable[[], Value]) -> Value:
        """What a function returns that rank 0 alone calls; each process gets it."""
        return work()

    def barrier(self) -> None:
        """Wait for all processes."""
        self.gather(None)

    def sum(self, nodes: Sequence[Node[list[Any]]], like: Sequence[Any]) -> list[Any]:
        """Add arrays over all processes, with the bits that one process would get.

        Args:
            nodes: this process's partial sums, from `PairwiseSum.nodes`: each a list of arrays,
                which this overwrites.
            like: arrays of the same shapes and types, for a process that has no partial sums.

        Returns:
            the sums, a list of arrays; every process gets them.
        """
        return total(nodes)

    def exchange(self, array: Any, other: int) -> Any:
        """Send an array to another process and get one of the same shape and type from it."""
        raise ValueError(f"exchange: there is no process {other} in a team of one")

    def abort(self, code: int) -> None:
        """End all processes at once, with this exit code. A team of one has none to end."""
