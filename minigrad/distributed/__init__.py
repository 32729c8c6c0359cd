"""Several processes that compute together: a team.

Whoever is started alone is a team of one, for which nothing here costs anything. Whoever is started
by ``mpiexec -n N`` is one of N, with a number, its rank. Launching and control are MPI's; arrays go
through MPI on the CPU and through NCCL from GPU to GPU. Both only move bytes: every addition is
made here, in an order that does not depend on the number of processes (`pairs.py`).

    team.py         what processes can do together; a team of one
    pairs.py        sums in pairs, in a fixed order
    reduction.py    such sums of gradients over all processes
    mpi.py          a team that was started by MPI; the one import of mpi4py
    overlap.py      sums on GPUs while the backward pass goes on
    nccl.py         arrays from GPU to GPU; which process takes which GPU
    launchers.py    what started this process, and whether it was started in the right way
"""

from minigrad.distributed.mpi import current, world
from minigrad.distributed.nccl import choose_gpu
from minigrad.distributed.overlap import OverlappedSum
from minigrad.distributed.pairs import PairwiseSum, add_arrays
from minigrad.distributed.team import (
    DistributedError,
    Team,
    by_all_processes,
    is_by_all_processes,
)

__all__ = [
    "DistributedError",
    "OverlappedSum",
    "PairwiseSum",
    "Team",
    "add_arrays",
    "by_all_processes",
    "choose_gpu",
    "current",
    "is_by_all_processes",
    "world",
]
