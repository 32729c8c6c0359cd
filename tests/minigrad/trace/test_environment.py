"""MINIGRAD_TRACE: programs that are traced without a change."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad.trace import environment

ROOT = Path(__file__).parents[3]

SMALL_LIMITS = """
from minigrad.trace import limits
limits.GEMM_SIZE, limits.COPY_BYTES = 64, 1 << 16
"""
PROGRAM = f"""
import minigrad as mg
from minigrad import functional as F, nn
{SMALL_LIMITS}
layer = nn.Sequential(nn.ReLU())
layer(mg.tensor([-1.0, 1.0, float("nan")]))
print("result")
"""


def run(folder, value, program=PROGRAM, **others):
    variables = os.environ | {"PYTHONPATH": str(ROOT), "MINIGRAD_TRACE": value}
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, **others
    )


def test_lines_table_and_file(tmp_path):
    result = run(tmp_path, "1")
    assert (result.returncode, result.stdout) == (0, "result\n")
    lines = result.stderr.splitlines()
    assert lines[0] == "layer         writes             ms GFLOP/s limit  kernel"
    assert re.fullmatch(r"0             3 +[\d.]+ +[\d.]+ +\d+%  relu\.forward", lines[1])
    assert lines[2] == "" and lines[3].split() == (
        "layer pass operation calls ms share median GFLOP/s limit".split()
    )
    assert lines[-2].startswith("Limits: ")
    assert lines[-1] == "trace: minigrad-trace.json (ui.perfetto.dev and chrome://tracing open it)"
    content = json.loads((tmp_path / "minigrad-trace.json").read_text())
    names = [event["name"] for event in content["traceEvents"] if event["ph"] == "X"]
    assert sorted(names) == ["0", "ReLU", "Sequential", "relu.forward"]


def test_statistics(tmp_path):
    lines = run(tmp_path, "2").stderr.splitlines()
    assert lines[2] == f"{'':<13} output: min 0, mean 0.5, max 1, 1 NaN, 0 infinite"


@pytest.mark.parametrize("value", ["", "0", " "])
def test_no_trace(tmp_path, value):
    result = run(tmp_path, value)
    assert (result.stdout, result.stderr) == ("result\n", "") and not os.listdir(tmp_path)


@pytest.mark.parametrize("value", ["yes", "3", "-1"])
def test_any_other_value_is_ignored_with_a_line(value, monkeypatch, caplog):
    monkeypatch.setenv("MINIGRAD_TRACE", value)
    monkeypatch.setattr(environment, "Trace", lambda **options: pytest.fail("traces"))
    environment.begin()
    assert caplog.messages == [
        f"MINIGRAD_TRACE={value} is ignored: it is 1 for lines, 2 for statistics, too"
    ]


def test_a_program_that_calls_no_kernel_leaves_nothing(tmp_path):
    result = run(tmp_path, "1", "import minigrad")
    assert result.stderr == "" and not os.listdir(tmp_path)


def test_files_that_are_there_stay(tmp_path):
    (tmp_path / "minigrad-trace.json").write_text("first")
    (tmp_path / "minigrad-trace-2.json").write_text("second")
    assert "trace: minigrad-trace-3.json (" in run(tmp_path, "1").stderr
    assert (tmp_path / "minigrad-trace.json").read_text() == "first"
    assert json.loads((tmp_path / "minigrad-trace-3.json").read_text())


def test_a_file_that_cannot_be_written_costs_the_file_and_a_line(tmp_path):
    full = PROGRAM + (
        "import errno\n"
        "from minigrad.trace import file\n"
        "def replace(*paths): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "file.os.replace = replace\n"
    )
    result = run(tmp_path, "1", full)
    assert (result.returncode, result.stdout) == (0, "result\n")
    assert result.stderr.splitlines()[-1] == (
        "the trace is not saved: [Errno 28] No space left on device"
    )
    assert not os.listdir(tmp_path)


def test_a_program_that_fails_leaves_its_trace(tmp_path):
    result = run(tmp_path, "1", PROGRAM + "raise SystemExit(3)")
    assert result.returncode == 3 and (tmp_path / "minigrad-trace.json").exists()
    result = run(tmp_path, "1", PROGRAM + "1 / 0")
    assert result.returncode == 1 and (tmp_path / "minigrad-trace-2.json").exists()
    assert result.stderr.index("ZeroDivisionError") < result.stderr.index("Limits: ")


def test_an_interrupted_program_leaves_its_trace(tmp_path):
    endless = PROGRAM + "print(flush=True)\nwhile True: layer(mg.tensor([1.0]))"
    variables = os.environ | {"PYTHONPATH": str(ROOT), "MINIGRAD_TRACE": "1"}
    with open(tmp_path / "errors", "w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", endless],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with process:
            process.stdout.readline()
            process.stdout.readline()
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        errors.seek(0)
        printed = errors.read()
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in printed and "Limits: " in printed
    assert json.loads((tmp_path / "minigrad-trace.json").read_text())


def test_standard_error_that_is_closed(tmp_path):
    for close in ("import sys; sys.stderr.close()", "import sys; sys.stderr = None"):
        result = run(tmp_path, "1", close + PROGRAM)
        assert (result.returncode, result.stdout) == (0, "result\n")
    assert sorted(os.listdir(tmp_path)) == ["minigrad-trace-2.json", "minigrad-trace.json"]


def test_a_forked_child_says_nothing(tmp_path):
    forking = PROGRAM + (
        "import os\nchild = os.fork()\nlayer(mg.tensor([1.0]))\nif child: os.waitpid(child, 0)\n"
    )
    result = run(tmp_path, "1", forking)
    assert result.stderr.count("Limits: ") == 1
    assert os.listdir(tmp_path) == ["minigrad-trace.json"]
    lines = [line for line in result.stderr.splitlines() if "relu.forward" in line]
    assert len(lines) == 3, "two calls and a row of the table"
