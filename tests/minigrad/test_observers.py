"""Observers of modules, operations and updates."""

import threading

import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn, observers
from minigrad.observers import Observer


class Diary(Observer):
    """Notes what it is told."""

    def __init__(self):
        self.lines = []

    def begin(self, kind, subject, ctx):
        assert (ctx is not None) == (kind in ("forward", "backward"))
        name = subject.__name__ if isinstance(subject, type) else type(subject).__name__
        self.lines.append(f"begin {kind} {name}")
        return name

    def end(self, span):
        self.lines.append(f"end {span}")

    def computed(self, function, inputs, output):
        self.lines.append(f"{function.__name__} {[x.shape for x in inputs]} {output.shape}")


@pytest.fixture
def diary():
    diary = Diary()
    observers.add(diary)
    yield diary
    observers.remove(diary)
    assert not observers.active


def test_a_step(diary):
    layer = nn.Linear(2, 3)
    layer(mg.Tensor([[1.0, 2.0]])).sum().backward()
    mg.optim.SGD(layer.parameters(), lr=1.0).step()
    assert diary.lines == [
        "begin module Linear",
        "begin forward Linear",
        "end Linear",
        "Linear [(1, 2), (3, 2), (3,)] (1, 3)",
        "end Linear",
        "begin forward Sum",
        "end Sum",
        "Sum [(1, 3)] ()",
        "begin backward pass Tensor",
        "begin backward Sum",
        "end Sum",
        "begin backward Linear",
        "end Linear",
        "end Tensor",
        "begin update SGD",
        "end SGD",
    ]


def test_what_fails_ends(diary):
    with pytest.raises(ValueError):
        nn.Linear(2, 3)(mg.Tensor([[1.0]]))
    assert diary.lines == ["begin module Linear", "end Linear"]


def test_several_observers():
    one, other = Diary(), Diary()
    observers.add(one)
    observers.add(other)
    F.tanh(mg.tensor([1.0]))
    observers.remove(one)
    F.tanh(mg.tensor([1.0]))
    observers.remove(other)
    assert (
        other.lines == 2 * one.lines == 2 * ["begin forward Tanh", "end Tanh", "Tanh [(1,)] (1,)"]
    )
    observers.remove(other)  # does nothing


def test_the_end_of_what_had_begun_is_told_after_the_removal():
    diary = Diary()
    observers.add(diary)
    with observers.span("module", nn.ReLU()):
        observers.remove(diary)
    assert diary.lines == ["begin module ReLU", "end ReLU"]


def test_all_threads_are_observed(diary):
    thread = threading.Thread(target=lambda: F.tanh(mg.tensor([1.0])))
    thread.start()
    thread.join()
    assert diary.lines[0] == "begin forward Tanh"
