"""An experiment that is killed anywhere, and continued, ends as if it had not been."""

import subprocess
import sys

import pytest

from alexnet.training.trainer import Trainer
from tests.alexnet.experiments.test_runner import results
from tests.alexnet.experiments.tiny import NAME
from tests.alexnet.runs import ROOT

KILLED = """\
import os, signal, sys
import numba
from alexnet.experiments import __main__ as command
from alexnet.model import ARCHITECTURES
from alexnet.visualize import figures
from tests.alexnet.experiments.tiny import NAME, TINY
from tests.alexnet.narrow import NarrowAlexNet
import {module} as module

numba.set_num_threads(1)
ARCHITECTURES["alexnet"] = NarrowAlexNet
figures.training_curves = lambda *arguments: None
command.EXPERIMENTS = {{NAME: TINY}}
calls = 0

def killed(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

original = {place}
{place} = killed
sys.exit(command.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "module, place, call",
    [
        ("alexnet.training.trainer", "module.Trainer.step", 17),  # of 10 in each of two runs
        ("alexnet.experiments.runner", "module.row_of", 2),
        ("alexnet.experiments.record", "module._cells", 3),  # the second time with two rows
        ("alexnet.experiments.runner", "module.remove_checkpoints", 2),
    ],
    ids=["in a step", "before measuring", "while writing the row", "before removing checkpoints"],
)
def test_a_killed_experiment_is_continued(
    run_tiny, complete, photos, tmp_path, monkeypatch, module, place, call
):
    folder = tmp_path / "out"
    script = KILLED.format(module=module, place=place, call=call)
    options = [NAME, "--data-root", photos, "--out", folder, "--seeds", "1"]
    finished = subprocess.run(
        [sys.executable, "-c", script, *options], cwd=ROOT, capture_output=True, check=False
    )
    assert finished.returncode == -9, finished.stderr
    if not place.endswith("step"):  # both runs are trained
        monkeypatch.setattr(Trainer, "step", lambda *arguments: pytest.fail("a step is made"))
    assert run_tiny(folder, "--seeds", "1") == 0
    expected = {key: row for key, row in results(complete).items() if key[1] == 0}
    assert results(folder) == expected
    assert not list(folder.rglob("*.safetensors"))
