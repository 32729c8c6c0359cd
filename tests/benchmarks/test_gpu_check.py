"""The check for machines with a GPU, in the emulator: that its own half works."""

import json
import sys

import pytest

from alexnet.model import ARCHITECTURES
from benchmarks import gpu_check, peer
from minigrad import backend
from tests.alexnet.narrow import NarrowAlexNet


def test_layers_and_steps(cuda, one_thread, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    monkeypatch.setattr(peer, "import_torch", lambda: None)
    options = ["--batch", "1", "--image-size", "67", "--repeats", "1", "--out", str(tmp_path)]
    assert gpu_check.main([*options, "--parts", "layers", "step"]) == 0
    report = json.loads((tmp_path / "gpu_check.json").read_text())
    assert report["device"] == "cuda (emulated device)"
    names = {timing["name"] for timing in report["layers"]}
    assert {"conv1 forward", "norm2 backward", "fc8 backward"} <= names
    assert {timing["contestant"] for timing in report["step"]} == {
        "minigrad float32",
        "minigrad tf32",
    }
    assert all(seconds > 0 for timing in report["step"] for seconds in timing["seconds"])
    assert "step of alexnet, batch 2" in capsys.readouterr().out


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_failed_part_is_the_exit_code(exit_code, cuda, tmp_path, monkeypatch):
    monkeypatch.setitem(gpu_check.PARTS, "tests", lambda options: {"exit_code": exit_code})
    assert gpu_check.main(["--parts", "tests", "--out", str(tmp_path)]) == exit_code


def test_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(backend, "_cuda", None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu_check.main([]) == 8
    assert "needs CuPy" in capsys.readouterr().err
