"""``python -m benchmarks.onnx``, with made-up programs and with narrow networks."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from alexnet.model import ARCHITECTURES
from benchmarks import onnx, onnx_contestant
from benchmarks.contestant import OURS
from tests.alexnet.narrow import NarrowAlexNet, NarrowOWT


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    monkeypatch.setitem(ARCHITECTURES, "owt", NarrowOWT)


@pytest.fixture
def programs(monkeypatch, narrow):
    """The logits and the seconds of each program, by the suffix of the file that it reads."""
    known = {".safetensors": ([1.0, -2.0], 0.5), ".onnx": ([1.0, -2.0], 0.25)}

    class Fake:
        def __init__(self, logits, seconds):
            self.answers = {"check": logits, "step": seconds}

        def ask(self, word):
            return self.answers[word]

    @contextmanager
    def answering(command):
        *_, module, path, _ = command
        assert module == "benchmarks.onnx_contestant" and Path(path).exists()
        yield Fake(*known[Path(path).suffix])

    monkeypatch.setattr(onnx, "answering", answering)
    monkeypatch.setattr(onnx, "PAUSE", 0)
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
    programs[".onnx"] = [1.0, -2.001], 0.25
    assert onnx.main(["--arch", "owt", "--batches", "1", "--repeats", "1"]) == 1
    (error,) = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error")]
    assert error == "error: logits of onnxruntime differ from ours by 5.0e-04 of the largest"


def test_both_programs_compute_the_same(narrow, tmp_path):
    files = onnx.write("alexnet", tmp_path)
    ours = onnx_contestant.forward_pass(files.checkpoint, 2)()
    others = onnx_contestant.forward_pass(files.onnx, 2)()
    assert ours.shape == others.shape == (2, 1000)
    assert np.abs(ours - others).max() < 1e-5 * np.abs(ours).max()
    again = onnx_contestant.forward_pass(files.checkpoint, 2)()
    np.testing.assert_array_equal(ours, again)


def test_onnxruntime_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert onnx.main([]) == 2
    assert capsys.readouterr().err == (
        "error: this benchmark needs onnxruntime, which is not installed: "
        "pip install onnx onnxruntime\n"
    )
