"""What the commands share: options and their types, exit codes, and errors in one line."""

import argparse
import contextlib
import errno
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from alexnet.errors import (
    CheckpointError,
    DataError,
    Diverged,
    OutOfMemory,
    Terminated,
    UsageError,
)
from minigrad import BackendError

EXIT_CODES = """\
exit codes:
  0  finished, or stopped by an option       1  unexpected error
  2  wrong use of the command                3  data missing or unusable
  4  checkpoint unreadable or not fitting    5  diverged: the loss is not finite
  6  out of memory                           7  disk full, or a file cannot be written
  8  the backend is not available            9  python -m alexnet.doctor found a problem
  130  interrupted with Ctrl-C, 143  terminated; what was learned is saved
"""


class Parser(argparse.ArgumentParser):
    """The parser of every command: help ends with the exit codes, wrong use is a `UsageError`."""

    def __init__(self, **options: Any):
        form = {"epilog": EXIT_CODES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**{**form, "allow_abbrev": False, **options})

    def error(self, message: str):
        raise UsageError(f"{message} (see --help)")


class Option:
    """An option that several commands have, defined once.

    Args:
        flags: its names, such as "-j" and "--workers".
        keywords: of `argparse.ArgumentParser.add_argument`.
    """

    def __init__(self, *flags: str, **keywords: Any):
        self.flags = flags
        self.keywords = keywords

    def add_to(self, parser: argparse._ActionsContainer, **keywords: Any) -> None:
        """Add it to a parser or a group of one, with this command's own default or help."""
        parser.add_argument(*self.flags, **{**self.keywords, **keywords})


def number(kind: type, condition: Callable[[Any], bool], expected: str) -> Callable[[str], Any]:
    """An argparse type: a finite number that satisfies a condition."""

    def parse(text: str) -> int | float:
        try:
            value = kind(text)
            valid = math.isfinite(value) and condition(value)
        except (ValueError, OverflowError):  # no number; an int too large for a float
            valid = False
        if not valid:
            raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
        return value

    return parse


def duration(text: str) -> int:
    """An argparse type: "2h30m", "1d", "90s", in seconds."""
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    values = [int(value or 0) for value in parts.groups()] if parts else [0]
    seconds = sum(value * unit for value, unit in zip(values, (86400, 3600, 60, 1)))
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2h30m, 45m or 1d12h")
    return seconds


count = number(int, lambda n: n >= 1, "a whole number of at least 1")
count_or_zero = number(int, lambda n: n >= 0, "a whole number of at least 0")
positive = number(float, lambda x: x > 0, "a number above 0")
at_least_zero = number(float, lambda x: x >= 0, "a number of at least 0")
share = number(float, lambda x: 0 < x < 1, "a number between 0 and 1")
fraction = number(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
seed = number(int, lambda n: 0 <= n < 2**63, "a whole number from 0 to 2^63 - 1")

BACKEND = Option("--backend", choices=("cpu", "cuda"), help="default: cpu")
BATCH_SIZE = Option("-b", "--batch-size", type=count, metavar="N")
SEED = Option("--seed", type=seed, metavar="N")


def output_file(*suffixes: str) -> Callable[[str], Path]:
    """An argparse type: a file to write, with one of the suffixes, or any if none is given."""

    def parse(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(f"{text!r} does not end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} would lie in a folder that does not exist")
        return writable(path)

    return parse


picture = output_file(".png", ".svg")


def writable(path: Path) -> Path:
    """Check before computing anything that a file can be written afterwards; returns its path.

    Raises:
        OSError: it is a folder, or lies in a folder that cannot be written to.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, not a file", str(path))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, "nothing can be written to this folder", str(path.parent)
        )
    return path


def run_subcommand(
    prog: str, description: str, modules: dict[str, ModuleType], argv: list[str] | None
) -> int:
    """Run the command that `argv` names, one of several, and return its exit code.

    Args:
        modules: by the names of the commands; each has ``add_options(parser)`` and
            ``run(arguments)``, which returns the exit code, and a docstring that begins with a
            summary.
    """
    parser = Parser(prog=prog, description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in modules.items():
        summary = module.__doc__.splitlines()[0]
        subparser = commands.add_parser(name, help=summary, description=summary)
        module.add_options(subparser)
        subparser.set_defaults(run=module.run)

    def run() -> int:
        arguments = parser.parse_args(argv)
        return arguments.run(arguments)

    return exit_code(run)


def say(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


class _Say(logging.Handler):
    """Prints what is logged as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        say(prefix + one_line(record.getMessage()))


@contextlib.contextmanager
def log() -> Iterator[None]:
    """Print what the readers of data sets log, on stderr: which folder serves as what."""
    logger, handler = logging.getLogger("alexnet.data"), _Say()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def printable(text: str) -> str:
    """The text with escapes for what cannot be printed or would control the terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def one_line(name: str) -> str:
    """A file name with escapes for what cannot be printed in a line, line breaks included."""
    return printable(name.replace("\n", "\\n"))


def exit_code(run: Callable[[], int]) -> int:
    """Run a command and return its exit code; an expected error is one line and its own code."""
    try:
        code = run()
        sys.stdout.flush()  # or Python would notice only at its exit that this fails
        return code
    except UsageError as error:
        code, message = 2, error
    except DataError as error:
        code, message = 3, error
    except CheckpointError as error:
        code, message = 4, error
    except Diverged as error:
        code, message = 5, error
    except OutOfMemory as error:
        code, message = 6, error
    except MemoryError as error:
        code, message = 6, f"out of memory: {error}; try a smaller --batch-size"
    except BrokenPipeError:
        code, message = 7, "the output is closed: the program that read it has ended"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code, message = 7, f"disk full: {error}; free some space" if full else error
    except BackendError as error:
        code, message = 8, error
    except Terminated:
        code, message = 143, "terminated"
    except KeyboardInterrupt:
        code, message = 130, "interrupted"
    say("error: " + " ".join(str(message).split()))
    try:
        sys.stdout.flush()
    except OSError:  # Python would try once more as it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
