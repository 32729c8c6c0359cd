"""Locks of folders; what is written is tested with checkpoints (run/test_checkpoint_files.py)."""

import errno
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from alexnet import files

ROOT = Path(__file__).parents[2]

HOLDER = """
import sys, time
from pathlib import Path
from alexnet import files
with files.locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    path.write_text("left by a process that was killed")
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        try:
            with pytest.raises(BlockingIOError) as raised:
                with files.locked(path):
                    pass
        finally:
            holder.kill()
    assert raised.value.filename == str(path)
    with files.locked(path):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_where_nothing_can_be_locked_work_is_possible(tmp_path, monkeypatch, number):
    def without_locks(descriptor, blocking):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(filelock, "lock_descriptor", without_locks)
    with files.locked(tmp_path / "lock"), files.locked(tmp_path / "lock"):
        pass


def test_other_errors_of_locks_are_raised(tmp_path, monkeypatch):
    def failing(descriptor, blocking):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(filelock, "lock_descriptor", failing)
    with pytest.raises(OSError, match="input/output"):
        with files.locked(tmp_path / "lock"):
            pass
