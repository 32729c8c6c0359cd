"""What all commands share, where only a process of its own can show it."""

import os
import subprocess
import sys

import pytest

from alexnet import cli

SCRIPT = """
import sys
from alexnet import cli
sys.exit(cli.exit_code(lambda: print("output") or {code}))
"""


def run(stdout, code=0):
    # Output that is kept until the end, as in a pipe.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(code=code)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_output_that_nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    done = run(writer)
    os.close(writer)
    assert done.returncode == 7
    assert done.stderr == "error: the output is closed: the program that read it has ended\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_output_to_a_full_disk():
    with open("/dev/full", "w") as full:
        done = run(full)
    assert done.returncode == 7
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: disk full")


def test_output_that_is_read():
    done = run(subprocess.PIPE, code=3)
    assert (done.returncode, done.stdout, done.stderr) == (3, "output\n", "")


def test_a_number_with_its_noun():
    assert [cli.counted(n, "epoch") for n in (0, 1, 1000)] == [
        "0 epochs",
        "1 epoch",
        "1,000 epochs",
    ]
