"""Signals: while a command is started, while it runs, in threads, and where they are ignored."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alexnet import cli, interrupts
from alexnet.errors import Terminated
from alexnet.training import signals

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["alexnet", "alexnet.train", "alexnet.visualize"])
def test_ctrl_c_while_a_command_is_imported(module, tmp_path):
    """It comes in the middle of the longest import."""
    (tmp_path / "numba.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        # A script that runs tests in the background has made all that it starts ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    "command, arguments, starts",
    [
        ("python -m alexnet.train --epochs 3", "-m --epochs 3", True),
        ("python -X importtime -m alexnet", "-m", True),
        ("python -malexnet.data check x", "-m check x", True),
        ("/usr/bin/python /usr/bin/alexnet predict x", "/usr/bin/alexnet predict x", True),
        ("python -m alexnets.train", "-m", False),
        ("python -m pytest tests/alexnet", "/usr/lib/pytest/__main__.py tests/alexnet", False),
        ("python alexnet.py", "alexnet.py", False),
        ("python tools/alexnet.train.py alexnet", "tools/alexnet.train.py alexnet", False),
        ("python", "", False),
    ],
)
def test_programs_that_import_the_package_keep_their_handler(
    command, arguments, starts, monkeypatch
):
    """What Python tells while it imports; `arguments` is sys.argv."""
    monkeypatch.setattr(sys, "orig_argv", command.split())
    monkeypatch.setattr(sys, "argv", arguments.split() or [""])
    assert interrupts._starts_a_command() == starts


@pytest.mark.parametrize(
    "name, code, word",
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated"), ("SIGHUP", 129, "terminated")],
)
def test_a_signal_ends_any_command_with_its_code(name, code, word, tmp_path, capsys):
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]
    cleaned = []

    def run():
        try:
            os.kill(os.getpid(), getattr(signal, name))
            signal.pause()
        finally:
            cleaned.append(True)

    assert cli.exit_code(run) == code
    assert cleaned and capsys.readouterr().err == f"error: {word}\n"
    assert [signal.getsignal(number) for number in interrupts.SIGNALS] == before


def test_what_is_ignored_stays_ignored():
    """As nohup has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(Terminated) as ended, interrupts.raised():
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert ended.value.args == (signal.SIGTERM,)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_in_a_thread():
    """A window or a server has the signals; the command is not interrupted by them."""
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]
    seen = []

    def run():
        with signals.after_step(None):
            seen.append([signal.getsignal(number) for number in interrupts.SIGNALS])
        return 4

    thread = threading.Thread(target=lambda: seen.append(cli.exit_code(run)))
    thread.start()
    thread.join()
    assert seen == [before, 4]
