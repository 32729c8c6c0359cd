"""``python -m benchmarks.step``, with made-up contestants and with real processes."""

import json
from contextlib import contextmanager

import pytest

from benchmarks import machine, step
from benchmarks.contestant import OURS


class Fake:
    """A contestant with a class score, a gradient, and steps that always take as long."""

    def __init__(self, score, seconds, norm=2.0):
        check = {"scores": [score, 0.1], "norms": [9.0, norm]}
        self.answers = {"check": check, "step": seconds, "peak": None}

    def ask(self, word):
        return self.answers[word]


@pytest.fixture
def fakes(monkeypatch):
    """Sets the score and the seconds of each contestant by its name."""
    known = {}

    @contextmanager
    def started(entry, work):
        yield Fake(*known[entry.name])

    monkeypatch.setattr(step, "started", started)
    return known


WORK = step.Work("alexnet", 8, 227, training=True)
EAGER = step.Entry("eager")
NO_NORM = step.Entry("eager", without_norm=True)


def test_ratios_are_ours_over_theirs(fakes):
    fakes.update({OURS: (6.9, 1.0), EAGER.name: (6.9, 4.0), NO_NORM.name: (5.0, 2.0)})
    results = step.measure([step.Entry(OURS), EAGER, NO_NORM], WORK, repeats=6)
    assert [result.ratio for result in results] == [(1, 1, 1), (0.25,) * 3, (0.5,) * 3]
    assert "4000.0" in step.line(results[1], 8) and "0.25" in step.line(results[1], 8)
    assert len(step.line(results[1], 8)) == len(step.HEADER)


def test_what_computes_something_else_is_left_out(fakes, capsys):
    compiled, channels_last = step.Entry("compiled"), step.Entry("channels-last")
    fakes.update({OURS: (6.9, 1.0), EAGER.name: (6.9 * 1.001, 1.0), compiled.name: (6.9, 2.0, 0.0)})
    fakes[channels_last.name] = 6.9, 4.0, 2.001
    entries = [step.Entry(OURS), EAGER, compiled, channels_last]
    results = step.measure(entries, WORK, repeats=1)
    assert [(r.name, r.ratio[0]) for r in results] == [(OURS, 1), (channels_last.name, 0.25)]
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "not timed: PyTorch eager: class scores differ from ours by 1.0e-03 of the largest"
    )
    assert "PyTorch compiled: the norm of a gradient differs from ours by 1.0e+00" in second


def test_every_form_with_both_allocators():
    groups = step.groups_for(["eager", "compiled"], has_norm=True)
    names = [entry.name for group in groups for entry in group]
    assert [len(group) for group in groups] == [2] * 4 and len(set(names)) == 8
    assert "PyTorch compiled, no norm, keeps pages" in names
    assert len(step.groups_for(["eager"], has_norm=False)) == 2


def test_a_contestant_that_ends_is_named(capfd):
    work = step.Work("no such network", 1, 227, True)
    with step.started(step.Entry(OURS), work) as contestant:
        with pytest.raises(step.Failed, match="ended with exit code 1"):
            contestant.ask("check")
    assert "KeyError" in capfd.readouterr().err


def test_the_command(fakes, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine, "introduce", lambda torch: {"cpu": "this one"})
    fakes.update(dict.fromkeys([OURS, EAGER.name, EAGER.name + ", keeps pages"], (6.9, 2.0)))
    monkeypatch.setattr(step.peer, "import_torch", lambda: object())
    file = tmp_path / "step.json"
    options = ["--arch", "owt", "--batch", "3", "--forms", "eager", "--repeats", "2"]
    assert step.main([*options, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert (
        report["batch"] == 3
        and report["kind"] == "training step"
        and report["about"] == {"cpu": "this one"}
    )
    assert [result["seconds"] for result in report["results"]] == [[2.0, 2.0]] * 3
    assert capsys.readouterr().out.count("PyTorch eager") == 2
    assert step.main([*options, "--json", str(tmp_path / "no" / "folder.json")]) == 7
