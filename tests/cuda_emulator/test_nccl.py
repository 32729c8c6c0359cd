"""The stand-in's NCCL: what ranks do not agree on is an error of both."""

import threading

import numpy as np
import pytest

from tests.cuda_emulator import nccl, settings
from tests.cuda_emulator.settings import EmulatorError


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(settings, "nccl_seconds", 5)


@pytest.fixture
def errors(cupy):
    """Runs a function on each of two ranks, with 8 numbers there; returns their errors."""

    def run(*works):
        found = [None] * len(works)
        unique_id = nccl.get_unique_id()

        def be_rank(rank):
            try:
                comm = nccl.NcclCommunicator(len(works), unique_id, rank)
                try:
                    works[rank](Rank(cupy, comm))
                finally:
                    comm.destroy()
            except Exception as error:
                found[rank] = error

        threads = [threading.Thread(target=be_rank, args=(rank,)) for rank in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    return run


class Rank:
    """Calls with little to write."""

    def __init__(self, cupy, comm):
        self.comm = comm
        self.x = cupy.arange(8, dtype=np.float32) + 10 * comm.rank_id()

    def send(self, peer, count=8, datatype=7, start=0):
        self.comm.send(self.x.data.ptr + 4 * start, count, datatype, peer, 0)

    def receive(self, peer, count=8, datatype=7, start=0):
        self.comm.recv(self.x.data.ptr + 4 * start, count, datatype, peer, 0)

    def group(self, *calls):
        nccl.groupStart()
        for call, *arguments in calls:
            getattr(self, call)(*arguments)
        nccl.groupEnd()


def test_two_ranks_swap_halves(errors):
    def swap(rank):
        own, other = rank.comm.rank_id(), 1 - rank.comm.rank_id()
        rank.group(("send", other, 4, 7, 4 * own), ("receive", other, 4, 7, 4 * other))
        assert rank.x.get().tolist() == [0, 1, 2, 3, 14, 15, 16, 17]

    assert errors(swap, swap) == [None, None]


def test_messages_keep_their_order(errors):
    def send(rank):
        rank.group(("send", 1, 2, 7, 0), ("send", 1, 1, 7, 2))

    def receive(rank):
        rank.group(("receive", 0, 2, 7, 6), ("receive", 0, 1, 7, 0))
        assert rank.x.get().tolist() == [2, 11, 12, 13, 14, 15, 0, 1]

    assert errors(send, receive) == [None, None]


def test_rank_sends_to_itself(errors):
    def copy(rank):
        rank.group(("send", 0, 2, 7, 0), ("receive", 0, 2, 7, 4))
        assert rank.x.get().tolist() == [0, 1, 2, 3, 0, 1, 6, 7]

    assert errors(copy) == [None]


MISFITS = {
    "number": (lambda rank: rank.send(1, 4), lambda rank: rank.receive(0, 8)),
    "type": (lambda rank: rank.send(1, 4), lambda rank: rank.receive(0, 4, 2)),
    "both send": (lambda rank: rank.send(1), lambda rank: rank.send(0)),
    "send, then receive": (
        lambda rank: (rank.send(1), rank.receive(1)),
        lambda rank: (rank.send(0), rank.receive(0)),
    ),
    "order": (
        lambda rank: rank.group(("send", 1, 2), ("send", 1, 3)),
        lambda rank: rank.group(("receive", 0, 3, 7, 4), ("receive", 0, 2)),
    ),
    "one too many": (
        lambda rank: rank.group(("send", 1), ("send", 1)),
        lambda rank: rank.receive(0),
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_an_error_of_both(errors, name):
    for error in errors(*MISFITS[name]):
        assert isinstance(error, EmulatorError) and "in this group of NCCL calls" in str(error)


def test_message_says_what_does_not_fit(errors):
    first, _ = errors(*MISFITS["order"])
    assert str(first) == (
        "rank 0 sends 2 float32, then 3 float32 to rank 1, which receives 3 float32, then "
        "2 float32 in this group of NCCL calls"
    )


def test_rank_that_does_not_come(errors, monkeypatch):
    monkeypatch.setattr(settings, "nccl_seconds", 0.2)
    done = threading.Event()
    first, _ = errors(
        lambda rank: (pytest.raises(EmulatorError, rank.send, 1), done.set()),
        lambda rank: done.wait(5),
    )
    assert first is None and done.is_set()


def test_rank_that_is_gone(errors):
    first, _ = errors(lambda rank: rank.send(1), lambda rank: None)
    assert type(first).__name__ == "NcclError" and "NCCL_ERROR_REMOTE_ERROR" in str(first)


USES = {
    "copy to the host": lambda cupy, x: x.get(),
    "operator": lambda cupy, x: x + 1,
    "in place": lambda cupy, x: x.__iadd__(1),
    "event": lambda cupy, x: cupy.cuda.get_current_stream().record(),
    "synchronization": lambda cupy, x: cupy.cuda.get_current_stream().synchronize(),
}


@pytest.mark.parametrize("name", USES)
def test_group_without_an_end(cupy, errors, name):
    def forget(rank):
        nccl.groupStart()
        rank.send(0)
        rank.receive(0)
        USES[name](cupy, rank.x)

    (error,) = errors(forget)
    assert "nccl.groupEnd() is missing" in str(error)


ALONE = {
    "wrong peer": (lambda rank: rank.send(1), "NCCL_ERROR_INVALID_ARGUMENT"),
    "end without a start": (lambda rank: nccl.groupEnd(), "NCCL_ERROR_INVALID_USAGE"),
    "beyond the array": (lambda rank: rank.send(0, 10**6), "not in one array"),
    "receives overlap": (
        lambda rank: rank.group(("receive", 0, 4), ("receive", 0, 4, 7, 2)),
        "overwrites what is in use: receive from rank 0 of 4 float32",
    ),
    "in place": (
        lambda rank: rank.group(("send", 0, 4), ("receive", 0, 4, 7, 2)),
        "overwrites what is in use: send to rank 0 of 4 float32",
    ),
    "no such stream": (
        lambda rank: rank.comm.send(rank.x.data.ptr, 1, 7, 0, 12345),
        "not on one stream that there is",
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_no_rank_may_call(errors, name):
    work, message = ALONE[name]
    (error,) = errors(work)
    assert message in str(error)
