"""Processes that would not compute the same are refused, by all of them in the same words."""

import itertools

import numpy as np
import pytest

from alexnet.data import Dataset
from alexnet.errors import DataError
from alexnet.training import processes
from minigrad.distributed import DistributedError, is_by_all_processes
from tests import teams


def refused(error, require):
    """What both processes of a team say, and raise both."""

    def member(team):
        with pytest.raises(error) as caught:
            require(team)
        assert is_by_all_processes(caught.value)
        return str(caught.value)

    one, other = teams.run(2, member)
    assert one == other
    return one


def test_the_same_settings():
    teams.run(2, lambda team: processes.require_alike(team, {"lr": 0.1}))


def test_other_settings():
    message = refused(
        DistributedError,
        lambda team: processes.require_alike(team, {"seed": 3, "save_every": team.rank}),
    )
    assert message.startswith("rank 1 on ")
    assert "has another --save-every than rank 0: 1 instead of 0; all processes need" in message


def test_another_version(monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(processes.environment, "versions", lambda: {"numba": next(numbers)})
    message = refused(DistributedError, lambda team: processes.require_alike(team, {}))
    assert "has another numba than rank 0: " in message


class Images(Dataset):
    def __init__(self, labels, classes="ab"):
        self.labels = np.array(labels)
        self.classes = list(classes)

    def __len__(self):
        return len(self.labels)


@pytest.mark.parametrize(
    "other, how",
    [
        (Images([0, 1, 1]), "3 images instead of 2"),
        (Images([1, 0]), "other classes"),
        (Images([0, 1], "ac"), "other classes"),
    ],
)
@pytest.mark.parametrize("name", ["training", "validation"])
def test_other_data(name, other, how):
    def require(team):
        sets = {"training": Images([0, 1]), "validation": Images([0, 1])}
        if team.rank == 1:
            sets[name] = other
        processes.require_same_data(team, *sets.values())

    message = refused(DataError, require)
    assert f"has another {name} set than rank 0: {how}; all processes need" in message
