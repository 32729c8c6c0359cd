"""Under a sanitizer the right kernels pass and the wrong ones do not."""

import subprocess
import sys

import pytest

from . import sanitize
from .loading import FOLDER

ROOT = FOLDER.parents[1]


def run(sanitizer, *arguments):
    command = [sys.executable, "-m", "tests.cuda_emulator.sanitize", sanitizer, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("sanitizer", sanitize.RUNTIMES)
def test_finds_defects_and_nothing_else(sanitizer):
    files = [str(FOLDER / name) for name in ("test_kernels.py", "under_sanitizers.py")]
    result = run(sanitizer, *files, "-p", "no:cacheprovider")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_a_report_outside_of_a_launch_fails_the_run(tmp_path):
    test = tmp_path / "test_outside.py"
    test.write_text(
        "import ctypes\n"
        "from tests import cuda_emulator\n"
        "def test_outside():\n"
        "    with cuda_emulator.installed() as cupy:\n"
        "        x = cupy.zeros(8, 'uint8')\n"
        "        ctypes.memset(x.data.ptr + 8, 0, 1)\n"
    )
    options = ("-p", "no:cacheprovider", f"--rootdir={tmp_path}")
    result = run("address", str(test), *options)
    assert "1 passed" in result.stdout
    assert result.returncode != 0
    assert "heap-buffer-overflow" in result.stderr
