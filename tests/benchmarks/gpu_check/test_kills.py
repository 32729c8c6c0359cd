"""A check that is killed leaves complete files, and no process."""

import subprocess
import sys


def test_twenty_kills():
    command = [sys.executable, "-m", "tests.stress.kill_gpu_check", "20", "--seed", "1"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "complete files each time" in result.stdout
