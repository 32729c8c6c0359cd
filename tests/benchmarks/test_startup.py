"""``python -m benchmarks.startup``, with made-up contestants and with real processes."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from alexnet.errors import Failed
from benchmarks import machine, peer, startup


class Fake:
    """A contestant whose first step takes longer."""

    def __init__(self, first):
        self.seconds = [0.5] * startup.LATER + [first]

    def ask(self, word):
        assert word == "step"
        return self.seconds.pop()


def test_the_first_step_against_later_ones(monkeypatch, tmp_path, capsys):
    caches, firsts = [], [20.0, 0.75, 0.9, 30.0]

    @contextmanager
    def started(entry, work, cache):
        caches.append(cache)
        yield Fake(firsts[len(caches) - 1])

    monkeypatch.setattr(startup, "started", started)
    monkeypatch.setattr(startup, "import_seconds", lambda module: len(module) / 10)
    monkeypatch.setattr(machine, "introduce", lambda others: {})
    monkeypatch.setattr(peer, "import_torch", lambda: SimpleNamespace(__version__="2.13.0"))
    file = tmp_path / "startup.json"
    assert startup.main(["--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert report["imports"] == {"minigrad": 0.8, "torch": 0.5}
    steps = [(start["first_step"], start["later_step"]) for start in report["starts"]]
    assert steps == [(first, 0.5) for first in firsts]
    assert caches[0] == caches[1], "the second process finds what the first has compiled"
    assert caches[0] != caches[2]
    assert "warm: kernels come from the cache           0.75        0.50    0.25" in (
        capsys.readouterr().out
    )


def test_a_process_that_fails(monkeypatch, capsys):
    @contextmanager
    def started(entry, work, cache):
        raise Failed("a contestant ended")
        yield

    monkeypatch.setattr(startup, "started", started)
    monkeypatch.setattr(startup, "import_seconds", lambda module: 0.0)
    monkeypatch.setattr(machine, "introduce", lambda others: {})
    assert startup.main([]) == 1
    assert capsys.readouterr().err == "error: a contestant ended\n"


def test_an_import_is_timed_in_a_process_of_its_own():
    assert 0 < startup.import_seconds("minigrad") < 60
    with pytest.raises(Exception, match="returned non-zero exit status"):
        startup.import_seconds("no_such_module")
