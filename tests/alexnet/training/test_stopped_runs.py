"""Runs stopped by --max-steps, Ctrl-C or SIGKILL: continued, they end as if they had not been."""

import signal
import subprocess
import sys

import pytest

from alexnet.model import ARCHITECTURES, AlexNet
from alexnet.run.checkpoint import LAST, Checkpoint
from alexnet.training.options import COMMAND
from alexnet.training.trainer import Trainer
from tests.alexnet.runs import (
    OPTIONS,
    ROOT,
    STEPS_PER_EPOCH,
    assert_same_run,
    resume,
    run_signalled,
)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 9])
def test_stopped_by_max_steps_and_continued(start, undisturbed, tmp_path, capsys, step):
    folder = tmp_path / "run"
    assert start(folder, "--max-steps", str(step)) == 0
    printed = capsys.readouterr().out
    assert f"stopped after step {step}; continue with: " in printed
    assert printed.endswith(f"--resume {folder}\n")
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


@pytest.fixture
def signal_in_step(monkeypatch):
    """Sends this process Ctrl-C in the middle of a step."""

    def signal_in_step(number, times=1):
        def interrupted(trainer, *batch):
            if trainer.schedule.steps + 1 == number:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            return step(trainer, *batch)

        monkeypatch.setattr(Trainer, "step", interrupted)

    step = Trainer.step
    return signal_in_step


@pytest.mark.parametrize("step", [2, 5, 7])
def test_ctrl_c_finishes_the_step(start, undisturbed, tmp_path, capfd, signal_in_step, step):
    folder, before = tmp_path / "run", signal.getsignal(signal.SIGINT)
    signal_in_step(step)
    assert start(folder) == 130
    assert signal.getsignal(signal.SIGINT) is before
    printed = capfd.readouterr().err
    assert "stopping after this step, to save it" in printed
    assert printed.endswith(f"interrupted; continue with: {COMMAND} --resume {folder}\n")
    assert Checkpoint.load(folder / LAST).schedule["steps"] == step
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


def test_ctrl_c_twice_stops_at_once(start, undisturbed, tmp_path, error_of, signal_in_step):
    folder = tmp_path / "run"
    signal_in_step(STEPS_PER_EPOCH + 2, times=2)
    assert error_of(start, folder) == (130, "interrupted")
    assert Checkpoint.load(folder / LAST).training["epoch"] == 1
    signal_in_step(0)  # never
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize(
    "module, name, call",
    [
        ("alexnet.training.trainer", "Trainer.step", STEPS_PER_EPOCH + 3),
        # The first two are for run.json; each epoch has two for the metrics and six or four
        # for its checkpoint, two for the curves.
        ("alexnet.files", "os.fsync", 16),
        ("alexnet.files", "os.replace", 6),
    ],
)
def test_killed_and_continued(photos, narrow, undisturbed, tmp_path, module, name, call):
    folder = tmp_path / "run"
    result = run_signalled(photos, folder, (module, name, call), [int(signal.SIGKILL)])
    assert result.returncode == -signal.SIGKILL
    assert Checkpoint.load(folder / LAST).training["epoch"] == 1
    assert resume(folder) == 0
    assert_same_run(folder, undisturbed)
    assert [path.name for path in folder.iterdir() if "tmp" in path.name] == []


def test_ctrl_c_in_a_process_of_its_own(photos, tmp_path, monkeypatch):
    """As a user does it, with the full network; a thousand epochs cannot end before the signal."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "alexnet.train", *OPTIONS, "--epochs", "1000"]
    command += ["--data-root", photos, "--out", folder]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate()
    assert first.startswith("epoch    1/1000: ")
    assert process.returncode == 130
    assert printed.endswith(f"interrupted; continue with: {COMMAND} --resume {folder}\n")
    steps = Checkpoint.load(folder / LAST).schedule["steps"]
    assert steps >= STEPS_PER_EPOCH
    monkeypatch.setitem(ARCHITECTURES, "alexnet", AlexNet)
    assert resume(folder, "--max-steps", str(steps + 1)) == 0
    assert Checkpoint.load(folder / LAST).schedule["steps"] == steps + 1
    for path in folder.glob("*.safetensors"):
        path.unlink()
