"""``python -m benchmarks.onnx``, with made-up programs and with narrow networks."""

import json
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from alexnet.model import ARCHITECTURES
from benchmarks import onnx, runtimes, step
from benchmarks.contestant import OURS, contestant
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    monkeypatch.setitem(ARCHITECTURES, "owt", NarrowOWT)


@pytest.fixture
def programs(monkeypatch, narrow):
    """The logits and the seconds of each program."""
    known = {OURS: ([1.0, -2.0], 0.5), onnx.OTHER: ([1.0, -2.0], 0.25)}

    class Fake:
        def __init__(self, logits, seconds):
            check = {"scores": logits, "norms": []}
            self.answers = {"check": check, "step": seconds, "peak": None}

        def ask(self, word):
            return self.answers[word]

    @contextmanager
    def started(entry, work):
        assert not work.training and work.side in (224, 227)
        yield Fake(*known[entry.name])

    monkeypatch.setattr(step, "started", started)
    monkeypatch.setattr(step, "PAUSE", 0)
    return known


def test_the_command(programs, tmp_path, capsys):
    file = tmp_path / "onnx.json"
    assert onnx.main(["--batches", "1", "32", "--repeats", "6", "--json", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in printed if line.startswith(("alexnet  ", "owt  "))]
    assert [row[:2] for row in rows] == [[a, n] for a in ("alexnet", "owt") for n in ("1", "32")]
    assert rows[0][2:] == ["500.0", "500.0-500.0", "250.0", "250.0-250.0", "2.00", "2.00-2.00"]
    assert all(len(line) == len(onnx.HEADER) for line in printed if "500.0-500.0" in line)
    report = json.loads(file.read_text())
    assert report["kind"] == "onnx" and report["about"]["onnxruntime"]
    assert {r["name"]: r["seconds"] for r in report["results"]}[f"owt, batch 32, {OURS}"] == (
        [0.5] * 6
    )
    full, slim, exported = report["bytes"]["alexnet"].values()
    assert slim < 0.6 * full and exported == pytest.approx(slim, rel=0.1)


def test_other_logits(programs, capsys):
    programs[onnx.OTHER] = [1.0, -2.001], 0.25
    assert onnx.main(["--arch", "owt", "--batches", "1", "--repeats", "1"]) == 1
    lines = [e for e in capsys.readouterr().err.splitlines() if not e.startswith("warning")]
    assert lines == [
        "not timed: onnxruntime: class scores differ from ours by 5.0e-04 of the largest",
        "error: onnxruntime computes something else: owt, batch 1",
    ]


def test_both_programs_compute_the_same(narrow):
    work = {"arch": "alexnet", "size": 2, "side": 227, "training": False}
    ours, again, other = (contestant(form, **work)[0]() for form in (OURS, OURS, onnx.OTHER))
    assert ours == again and len(ours["scores"]) == 2000
    assert step._difference(other, ours, rounded=False) is None


def test_the_network_of_the_file_takes_images(narrow):
    """The time of subtracting a mean is nobody's: all programs get the same float32 images."""
    model = NarrowAlexNet()
    infer = runtimes.forward_pass(
        "onnxruntime", "float32", runtimes.checkpoint("alexnet", model, model.default_image_size)
    )
    assert infer(np.zeros((3, 3, 227, 227), np.float32)).shape == (3, 1000)


def test_onnxruntime_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert onnx.main([]) == 2
    assert capsys.readouterr().err == (
        "error: this benchmark needs onnxruntime: onnxruntime is not installed: "
        "pip install onnxruntime\n"
    )
