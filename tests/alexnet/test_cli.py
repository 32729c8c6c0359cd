"""What all commands share: streams, parsing, printed commands."""

import errno
import io
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet import __main__ as all_commands
from alexnet import cli, predict, train
from alexnet.errors import UsageError
from alexnet.run import progress
from alexnet.training.watch import on_stderr

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


PRINTED_WITHOUT_STREAMS = """
import sys
from pathlib import Path
from alexnet import cli

def run():
    with open(sys.argv[1], "w") as file:
        print("result")
        cli.say("log")
        file.write(f"kept, {sys.stdin.read()!r} read")
    return 5

sys.exit(cli.exit_code(run))
"""


def test_closed_streams(tmp_path):
    """A file that is opened later is not written to instead."""
    file = tmp_path / "file"
    command = shlex.join([sys.executable, "-c", PRINTED_WITHOUT_STREAMS, str(file)])
    assert subprocess.run(f"{command} <&- >&- 2>&-", shell=True).returncode == 5
    assert file.read_text() == "kept, '' read"


class Window:
    """A stream of a program with windows: it has no file, no encoding and no error handler."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_streams_of_programs_with_windows(monkeypatch):
    out, err = Window(), Window()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "stdin", None)

    def run():
        print(cli.printable("é \udcff"))
        raise UsageError("wrong")

    assert cli.exit_code(run) == 2
    assert (out.text, err.text) == ("é \\udcff\n", "error: wrong\n")
    assert sys.stdin is None


def test_a_stream_that_lacks_letters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.exit_code(lambda: print("für \udcff")) is None
    assert stream.buffer.getvalue() == rb"f\xfcr \udcff" + b"\n"
    assert stream.errors == "strict"


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch):
    class Full(Window):
        def write(self, text):
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(sys, "stderr", Full())
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)

    def run():
        cli.say("epoch 1")
        on_stderr("warning")
        with progress.lines("title", images=1) as report:
            report(1, 0.0, 0.0, 0.0)
        return 0

    assert cli.exit_code(run) == 0


def test_help_and_version_return(capsys):
    """To a program that calls a command, as every other end of it."""
    assert train.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m alexnet.train [options]\n")
    assert all_commands.main(["--version"]) == 0
    assert all_commands.main(["predict", "--help"]) == 0


@pytest.mark.parametrize(
    "folder", ["runs/a-1", "my runs/it's", 'say "hi"', "$HOME; ls", "*", "-out", "é"]
)
def test_printed_commands_can_be_copied(folder):
    printed = cli.command("python -m alexnet.train", "--resume", Path(folder))
    *words, last = shlex.split(printed)
    assert words == ["python", "-m", "alexnet.train", "--resume"]
    assert Path(last) == Path(folder) and not last.startswith("-")


def test_a_file_whose_name_begins_like_an_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.png").touch()
    assert predict.main(["run", "-x.png"]) == 2
    assert "; the file is given as ./-x.png (see --help)" in capsys.readouterr().err


def test_a_number_with_its_noun():
    assert [cli.counted(n, "epoch") for n in (0, 1, 1000)] == [
        "0 epochs",
        "1 epoch",
        "1,000 epochs",
    ]


def test_every_command_prints_warnings_of_readers_once(capsys):
    logger = logging.getLogger("alexnet.data")
    before = logger.level, list(logger.handlers)

    def read() -> int:
        logger.info("which folder serves as what")
        logger.warning("a name with\x1b[31m")
        return 0

    def read_and_log() -> int:
        with cli.log():
            return read()

    assert cli.exit_code(read) == 0
    assert capsys.readouterr().err == "warning: a name with\\x1b[31m\n"
    assert cli.exit_code(read_and_log) == 0
    assert capsys.readouterr().err.splitlines() == [
        "which folder serves as what",
        "warning: a name with\\x1b[31m",
    ]
    assert (logger.level, list(logger.handlers)) == before


@pytest.mark.parametrize("option", ["--data-root", "--train-root", "--out"])
def test_an_empty_path_is_not_the_current_folder(option, capsys):
    assert train.main([option, ""]) == 2
    assert f"argument {option}: an empty path" in capsys.readouterr().err
