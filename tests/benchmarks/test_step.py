"""``python -m benchmarks.step``, with made-up contestants and with real processes."""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from alexnet.errors import Failed
from alexnet.model import ARCHITECTURES
from benchmarks import busy, entry, machine, step
from benchmarks.contestant import FORMS, OURS, contestant
from benchmarks.runtimes import RUNTIMES
from minigrad.kernels.shared import bfloat16
from tests.alexnet.narrow import NarrowAlexNet


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
    longer = replace(results[1], name="PyTorch channels-last bf16, no norm, keeps pages")
    for shown in (results, [*results, longer]):
        assert len({len(line) for line in step.table(shown, 8, beside_busy=False)}) == 1


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


def test_every_precision_of_every_form():
    groups = step.groups_for(["eager", *RUNTIMES], True, ("bf16", "float32"))
    names = [[entry.name for entry in group] for group in groups]
    assert names[0] == ["PyTorch eager bf16", "PyTorch eager", "onnxruntime"] + (
        ["OpenVINO bf16", "OpenVINO"]
    )
    assert names[3] == ["PyTorch eager bf16, no norm, keeps pages"] + (
        ["PyTorch eager, no norm, keeps pages"]
    )
    assert step.groups_for(["openvino"], has_norm=True)[-1][0].name == "OpenVINO, keeps pages"
    assert step.groups_for([], has_norm=True) == [[]]


def test_rounded_scores_may_differ_more(fakes, capsys):
    """By what rounding does, and not by more; float32 keeps its own tolerance."""
    ours, others = step.Entry(OURS), [step.Entry(OURS, precision="bf16"), EAGER]
    fakes.update(
        {OURS: (6.9, 1.0), "minigrad bf16": (6.9 * 1.01, 0.5), EAGER.name: (6.9 * 1.01, 1)}
    )
    results = step.measure([ours, *others], WORK, repeats=1)
    assert [r.name for r in results] == [OURS, "minigrad bf16"] and results[1].ratio[0] == 2
    assert "PyTorch eager: class scores" in capsys.readouterr().err
    fakes["minigrad bf16"] = 6.9 * 1.1, 0.5
    assert len(step.measure([ours, others[0]], WORK, repeats=1)) == 1
    fakes["minigrad bf16"] = 6.9, 0.5, 2.3
    assert len(step.measure([ours, others[0]], WORK, repeats=1)) == 1
    assert step.measure(others[:1], WORK, repeats=1)[0].ratio[0] == 1


@pytest.mark.parametrize("training", [True, False])
def test_all_programs_agree_in_bfloat16(training, torch, monkeypatch):
    """The tolerance derived from the format holds, and rounding shows."""
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    work = {"arch": "alexnet", "size": 2, "side": 67, "training": training}

    def check(form, of_products):
        return contestant(form, **work, precision=of_products)[0]()

    exact, rounded = check(OURS, "float32"), check(OURS, "bf16")
    assert len(exact["norms"]) == (16 if training else 0)
    difference = np.abs(np.subtract(exact["scores"], rounded["scores"])).max()
    assert difference > 1e-4 * np.abs(exact["scores"]).max()
    assert step._difference(rounded, exact, rounded=True) is None
    assert step._difference(rounded, exact, rounded=False)
    for form in ("eager", "channels-last"):
        other = check(form, "bf16")
        assert step._difference(other, rounded, rounded=True) is None
        assert step._difference(other, exact, rounded=False)
        assert step._difference(check(form, "float32"), exact, rounded=False) is None


def test_a_processor_without_bfloat16(monkeypatch, capsys):
    monkeypatch.setattr(bfloat16, "SUPPORTED", False)
    monkeypatch.setattr(machine, "introduce", None)
    assert step.main(["--precision", "float32", "bf16"]) == 8
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: products in bfloat16 need a processor with")


def test_what_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(entry.importlib.util, "find_spec", {"onnx": 1, "onnxruntime": 1}.get)
    assert entry.obstacle("openvino", ["float32"], training=False) == (
        "openvino is not installed: pip install openvino"
    )
    assert entry.obstacle("onnxruntime", ["float32"], training=False) is None
    assert entry.obstacle("onnxruntime", ["bf16"], False) == "it has no bfloat16 on this CPU"
    assert entry.obstacle("onnxruntime", ["float32"], training=True) == "it does not train"
    assert not any(
        entry.obstacle(form, ["bf16"], training) for form in FORMS for training in (0, 1)
    )


def test_a_precision_that_is_named_twice_counts_once(fakes, monkeypatch, capsys):
    monkeypatch.setattr(machine, "introduce", lambda others: {})
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    monkeypatch.setattr(entry.importlib.util, "find_spec", {"onnx": 1, "onnxruntime": 1}.get)
    monkeypatch.setattr(step, "PAUSE", 0)
    fakes["minigrad bf16"] = 6.9, 1.0
    options = ["--inference", "--forms", "onnxruntime", "--repeats", "1"]
    assert step.main([*options, "--precision", "bf16", "bf16"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "left out: onnxruntime: it has no bfloat16 on this CPU\n"
    assert "onnxruntime" not in printed.out


def test_a_busy_program_runs_beside_the_work():
    """It takes seconds of a processor, and it is gone afterwards, also after an error."""
    before = os.times()

    def work():
        time.sleep(0.5)
        return 0.25

    assert busy.beside(work) == 0.25
    taken = os.times().children_user - before.children_user
    assert taken > 0.1, "other programs leave it a part of a core"

    def fail():
        raise Failed("ended")

    with pytest.raises(Failed):
        busy.beside(fail)


def test_the_slowdown_beside_a_busy_program(fakes, monkeypatch):
    beside = []
    monkeypatch.setattr(busy, "beside", lambda work: beside.append(1) or 3 * work())
    fakes.update({OURS: (6.9, 1.0), EAGER.name: (6.9, 4.0)})
    results = step.measure([step.Entry(OURS), EAGER], WORK, repeats=6, beside_busy=True)
    assert len(beside) == 2 * (6 + 2), "with the rounds to warm up"
    assert [r.sample.median for r in results] == [1, 4] and results[1].ratio[0] == 0.25
    assert [r.busy.median for r in results] == [3, 12]
    header, _, line = step.table(results, 8, beside_busy=True)
    assert line.split() == ["PyTorch", "eager", "4000.0", "12000.0", "3.00", "3.00-3.00"]
    assert len(line) == len(header)
    assert results[1].report()["busy_seconds"] == (12.0,) * 6
    assert "busy_seconds" not in step.measure([EAGER], WORK, repeats=1)[0].report()


def test_a_contestant_that_ends_is_named(capfd):
    work = step.Work("no such network", 1, 227, True)
    with step.started(step.Entry(OURS), work) as contestant:
        with pytest.raises(Failed, match="ended with exit code 1"):
            contestant.ask("check")
    assert "KeyError" in capfd.readouterr().err


def test_a_contestant_that_is_killed_is_named():
    """The word that it did not read is not sent once more when its context ends."""
    with step.started(step.Entry(OURS), WORK) as contestant:
        contestant.process.kill()
        contestant.process.wait()
        with pytest.raises(Failed, match="ended with exit code -9"):
            contestant.ask("step")


def test_the_command(fakes, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine, "introduce", lambda others: {"cpu": "this one"})
    fakes.update(dict.fromkeys([OURS, EAGER.name, EAGER.name + ", keeps pages"], (6.9, 2.0)))
    monkeypatch.setattr(step.peer, "import_torch", lambda: SimpleNamespace(__version__="2.13.0"))
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
    printed = capsys.readouterr().out
    assert printed.count("PyTorch eager") == 2 and "medians of 2\n" in printed
    assert step.main([*options, "--json", str(tmp_path / "no" / "folder.json")]) == 7


def test_both_precisions_in_one_run(fakes, monkeypatch, tmp_path, capsys):
    """The first one named is what ratios are of; a program that is not there is named."""
    monkeypatch.setattr(machine, "introduce", lambda others: {})
    monkeypatch.setattr(bfloat16, "SUPPORTED", True)
    monkeypatch.setattr(step.peer, "import_torch", lambda: SimpleNamespace(__version__="2.13.0"))
    monkeypatch.setattr(entry.importlib.util, "find_spec", {"onnx": 1, "openvino": 1}.get)
    seconds = {OURS: 3.0, "minigrad bf16": 2.0, "OpenVINO": 4.0, "OpenVINO bf16": 8.0}
    for name, of_one in seconds.items():
        fakes[name] = fakes[f"{name}, keeps pages"] = 6.9, of_one
    monkeypatch.setattr(step, "PAUSE", 0)
    file = tmp_path / "step.json"
    options = ["--arch", "owt", "--inference", "--forms", *RUNTIMES, "--json", str(file)]
    assert step.main([*options, "--precision", "bf16", "float32", "bf16"]) == 0
    printed = capsys.readouterr()
    assert printed.err == (
        "left out: onnxruntime: onnxruntime is not installed: pip install onnxruntime\n"
    )
    assert "; in float32 where a line names no precision\n" in printed.out
    results = {r["name"]: r["ratio"][0] for r in json.loads(file.read_text())["results"]}
    assert results == {
        "minigrad bf16": 1,
        "minigrad": 2 / 3,
        "OpenVINO bf16": 0.25,
        "OpenVINO": 0.5,
        "OpenVINO bf16, keeps pages": 0.25,
        "OpenVINO, keeps pages": 0.5,
    }
