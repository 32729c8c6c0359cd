"""Processes that train together: whether they are alike, and which of them speaks."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from llvmlite import binding

from alexnet.data.bad_images import Skipping
from alexnet.data.dataset import Dataset
from alexnet.data.identity import identity
from alexnet.errors import DataError
from alexnet.run import environment
from alexnet.training.declaration import option_name
from minigrad.distributed import DistributedError, Team, by_all_processes


@contextlib.contextmanager
def one_voice(team: Team) -> Iterator[None]:
    """Within this block only the process that leads prints anything; errors leave the block."""
    if team.leads:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def require_alike(team: Team, settings: dict[str, Any]) -> None:
    """Raise DistributedError if processes would compute something else.

    Args:
        settings: as the process has understood them.
    """
    own = {
        **environment.versions(),
        **{option_name(name): value for name, value in settings.items()},
        "type of processor": binding.get_host_cpu_name(),
        # Which instructions Numba may use decides the last bits of results.
        "processor features": binding.get_host_cpu_features().flatten(),
    }
    everyone = team.gather(own)
    for rank, other in enumerate(everyone):
        for name, value in everyone[0].items():
            if other.get(name) != value:
                with by_all_processes():
                    raise DistributedError(
                        f"rank {rank} on {_hosts(team)[rank]} has another {name} than rank 0: "
                        f"{_short(other.get(name))} instead of {_short(value)}; all processes need "
                        "the same, or they would not compute the same bits"
                    )


def require_same_data(
    team: Team, train: Dataset | Skipping, validation: Dataset | Skipping
) -> None:
    """Raise DataError if a process has found other data, on a disk of its own."""
    for name, dataset in (("training", train), ("validation", validation)):
        everyone = team.gather(identity(dataset))
        for rank, other in enumerate(everyone):
            if other != everyone[0]:
                first, own = everyone[0]["images"], other["images"]
                how = "other classes" if own == first else f"{own:,} images instead of {first:,}"
                with by_all_processes():
                    raise DataError(
                        f"rank {rank} on {_hosts(team)[rank]} has another {name} set than rank 0: "
                        f"{how}; all processes need the same data"
                    )


def who_takes_part(team: Team) -> list[dict[str, Any]]:
    """Of every process, by rank: its machine, and the threads that its kernels use."""
    return team.gather({"host": socket.gethostname(), **environment.machine()})


def _hosts(team: Team) -> list[str]:
    return team.gather(socket.gethostname())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
