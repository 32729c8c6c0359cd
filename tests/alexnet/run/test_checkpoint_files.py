"""The checkpoints of a run folder: what stays, and what a damaged one leads to."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alexnet.errors import UsageError
from alexnet.run import checkpoint_files
from alexnet.run import folder as run_folder
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, CheckpointError
from tests.stress.disk_faults import checkpoint

ROOT = Path(__file__).parents[3]


def save(folder, *steps, keep=1, best=()):
    for step in steps:
        checkpoint_files.save(checkpoint(step), folder, keep, is_best=step in best)


def names(folder):
    return sorted(path.name.removesuffix(".safetensors") for path in folder.iterdir())


def newest_step(folder):
    found, warning = checkpoint_files.newest(folder)
    return found.schedule["steps"], warning


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_bounded_history(tmp_path, keep):
    save(tmp_path, 1, 2, 3, 4, 5, 6, keep=keep, best=(1, 2))
    steps = [f"step-{step:08}" for step in range(6 - keep, 7)]
    assert names(tmp_path) == ["best", "last", *steps]
    assert (tmp_path / LAST).samefile(tmp_path / "step-00000006.safetensors")
    assert Checkpoint.load(tmp_path / BEST).schedule["steps"] == 2


def test_later_steps_of_another_continuation_are_removed(tmp_path):
    save(tmp_path, 4, 6, 8, keep=2, best=(4,))
    save(tmp_path, 5, keep=2)
    assert names(tmp_path) == ["best", "last", "step-00000004", "step-00000005"]


def test_a_run_that_is_killed_in_its_last_save_is_not_complete(tmp_path, monkeypatch):
    """Or it would never be continued, and keep what was to be removed."""
    save(tmp_path, 1, 2, 3)
    unlink = Path.unlink

    def killed(path, missing_ok=False):
        if path.name == "step-00000002.safetensors":
            raise InterruptedError
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(Path, "unlink", killed)
        save(tmp_path, 4)
    assert newest_step(tmp_path) == (3, None)
    save(tmp_path, 4)
    assert newest_step(tmp_path) == (4, None)
    assert names(tmp_path) == ["last", "step-00000003", "step-00000004"]


def test_damage_leads_to_the_one_before_and_then_to_the_best(tmp_path):
    save(tmp_path, 1, 2, 3, best=(1,))
    assert newest_step(tmp_path) == (3, None)
    for damaged, step, name in ((LAST, 2, "step-00000002"), ("step-00000002", 1, "best")):
        path = (tmp_path / damaged).with_suffix(".safetensors")
        path.write_bytes(path.read_bytes()[:-1])
        found, warning = newest_step(tmp_path)
        assert found == step
        assert str(tmp_path / LAST) in warning
        assert warning.endswith(f"; continuing from {name}.safetensors")
    (tmp_path / BEST).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"last.safetensors .*\(nor are the other 2\)"):
        checkpoint_files.newest(tmp_path)


def test_any_flipped_byte_and_any_length_leads_to_the_one_before(tmp_path):
    save(tmp_path, 1, 2)
    path = tmp_path / LAST
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        assert newest_step(tmp_path)[0] == 1, position
        path.write_bytes(whole[:position])
        assert newest_step(tmp_path)[0] == 1, position
    path.write_bytes(whole)
    assert newest_step(tmp_path) == (2, None)


def test_one_run_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "SECONDS_OF_DYING", 0)
    (tmp_path / ".unfinished-abc").mkdir()
    (tmp_path / ".unfinished-abc" / ".tmp123").write_bytes(b"litter")
    with run_folder.locked(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]
        with pytest.raises(UsageError, match="is in use by another run"):
            with run_folder.locked(tmp_path):
                pass
    with run_folder.locked(tmp_path):
        pass


def test_a_run_that_is_just_ending_is_waited_for(tmp_path):
    """mpiexec may return before the processes that it has killed are gone."""
    held = run_folder.locked(tmp_path)
    held.__enter__()
    threading.Timer(0.2, held.__exit__, (None, None, None)).start()
    with run_folder.locked(tmp_path):
        pass


def test_failing_calls_and_power_cuts():
    """All of them: python -m tests.stress.disk_faults"""
    command = [sys.executable, "-m", "tests.stress.disk_faults", "--every", "29"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "power cuts after each of" in result.stdout


def test_kills_at_random_moments():
    """More of them: python -m tests.stress.kill_training 1000"""
    command = [sys.executable, "-m", "tests.stress.kill_training", "20"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "no unreadable checkpoint" in result.stdout
