"""What is looked at before Numba is imported."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad import startup

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("text", ["0", "-3", "abc", "", "2.5"])
def test_thread_counts_that_are_none_are_ignored(monkeypatch, caplog, text):
    monkeypatch.setenv("NUMBA_NUM_THREADS", text)
    startup.ignore_impossible_thread_count()
    assert caplog.messages == [
        f"NUMBA_NUM_THREADS={text} is ignored: it is not a number of 1 or more"
    ]
    assert "NUMBA_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("text", ["1", " 2 ", None])
def test_thread_counts_are_taken(monkeypatch, caplog, text):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("NUMBA_NUM_THREADS", text)
    startup.ignore_impossible_thread_count()
    assert not caplog.messages
    assert os.environ.get("NUMBA_NUM_THREADS") == text


def test_a_clone_without_links_says_what_to_do(tmp_path):
    """On Windows git makes text files of links, unless it is told otherwise."""
    for module in ("__init__.py", "startup.py"):
        (tmp_path / "minigrad").mkdir(exist_ok=True)
        shutil.copy(ROOT / "minigrad" / module, tmp_path / "minigrad")
    (tmp_path / "minigrad" / "kernels").write_text("../kernels")
    command = [sys.executable, "-S", "-c", "import minigrad"]  # -S: this one only
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"ImportError: {tmp_path / 'minigrad' / 'kernels'} should be a link")
    assert "core.symlinks=true" in line and "mklink" in line
