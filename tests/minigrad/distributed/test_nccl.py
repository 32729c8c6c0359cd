"""Sums and exchanges from GPU to GPU, and which process takes which GPU."""

import numpy as np
import pytest

from minigrad import cuda as cuda_module
from minigrad.distributed import DistributedError, PairwiseSum, Team, add_arrays, choose_gpu
from minigrad.distributed.nccl import NcclTransport
from tests.cuda_emulator import settings
from tests.minigrad.distributed import mpi_of_threads

SHAPES = [(7, 3), (1,), (50,), (4, 2, 2)]


def gradients(parts, missing=()):
    """For each part of a batch its gradients; None where it has no images."""
    rng = np.random.default_rng(0)
    return [
        None
        if part in missing
        else [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]
        for part in range(parts)
    ]


def sum_of(parts, first=0):
    total = PairwiseSum(add_arrays, first)
    for part in parts:
        total.put(part and [array.copy() for array in part])
    return total


@pytest.mark.parametrize("piece_bytes", [40, 32 << 20])
@pytest.mark.parametrize("ranks, parts", [(2, 2), (2, 6), (3, 6), (4, 4), (4, 8)])
@pytest.mark.parametrize("missing", [(), (1,), (2, 3)])
def test_sum_has_the_bits_of_one_process(cuda, monkeypatch, ranks, parts, missing, piece_bytes):
    monkeypatch.setattr(NcclTransport, "piece_bytes", piece_bytes)
    whole = gradients(parts, missing)
    expected = sum_of(whole).total()

    def work(team):
        first = team.rank * parts // ranks
        own = whole[first : first + parts // ranks]
        on_gpu = [part and [cuda.xp.asarray(array) for array in part] for part in own]
        like = [cuda.xp.zeros(shape, np.float32) for shape in SHAPES]
        return [array.get() for array in team.sum(sum_of(on_gpu, first).nodes, like)]

    for arrays in mpi_of_threads.run(ranks, work):
        for array, wanted in zip(arrays, expected, strict=True):
            assert array.tobytes() == wanted.tobytes() and array.shape == wanted.shape


def test_sums_follow_each_other(cuda):
    """The memory of the first one is used again."""

    def work(team):
        sums = []
        for step in range(3):
            own = [cuda.xp.full(100, 10 * step + team.rank, np.float64)]
            sums.append(team.sum(sum_of([own], team.rank).nodes, own)[0].get()[0])
        return sums

    assert mpi_of_threads.run(2, work) == [[1, 21, 41]] * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_exchange(cuda, dtype):
    def work(team):
        own = cuda.xp.arange(6, dtype=dtype).reshape(2, 3).T * (team.rank + 1)
        return team.exchange(own, 1 - team.rank).get()

    for rank, received in enumerate(mpi_of_threads.run(2, work)):
        expected = np.arange(6, dtype=dtype).reshape(2, 3).T * (2 - rank)
        np.testing.assert_array_equal(received, expected)
        assert received.dtype == dtype


def test_lost_process_is_an_error_of_the_team(cuda):
    def work(team):
        if team.rank == 1:
            team.transport(cuda)._comm.destroy()
        else:
            team.transport(cuda).exchange(cuda.xp.zeros(3), 1)

    with pytest.raises(DistributedError, match="NCCL cannot send from GPU to GPU: NCCL_ERROR_REM"):
        mpi_of_threads.run(2, work)


# -- which GPU ----------------------------------------------------------------------------


class SecondOfTwo(Team):
    """Rank 1 of a machine; rank 0 has the machine's GPU 0."""

    rank = local_rank = 1
    size = local_size = 2
    other = ("0000:10:00.0", True)

    def gather(self, value):
        return [(value[0], *self.other), value]


@pytest.fixture
def chooses(cuda, monkeypatch):
    """Chooses a GPU among these; returns the number that the process then uses."""
    monkeypatch.setattr(cuda_module, "_number", 0)

    def choose(team, *devices):
        from minigrad import backend

        monkeypatch.setattr(backend, "_cuda", None)
        monkeypatch.setattr(settings, "devices", devices)
        choose_gpu(team)
        return cuda.xp.cuda.runtime.getDevice()

    yield choose
    cuda.xp.cuda.Device(0).use()


def test_process_takes_the_gpu_of_its_place(chooses):
    assert chooses(SecondOfTwo(), 0, 1) == 1


def test_process_takes_the_only_gpu_that_it_is_shown(chooses):
    assert chooses(SecondOfTwo(), 1) == 0


def test_team_of_one_takes_the_first_gpu(chooses):
    assert chooses(Team(), 0, 1) == 0


def test_two_processes_do_not_share_a_gpu(chooses):
    with pytest.raises(DistributedError, match=r"ranks 0 and 1 on .* would share one GPU \(0000:"):
        chooses(SecondOfTwo(), 0)


def test_nccl_is_needed(chooses, monkeypatch):
    monkeypatch.setattr(cuda_module.import_nccl(), "available", False)
    with pytest.raises(DistributedError, match="rank 1 on .* finds no NCCL.*pip install '.*nccl12"):
        chooses(SecondOfTwo(), 0, 1)
