"""What the commands share: options and their types, exit codes, and errors in one line."""

import argparse
import contextlib
import errno
import logging
import math
import os
import re
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from alexnet import errors, interrupts
from alexnet.errors import UsageError
from minigrad import distributed
from minigrad.distributed import launchers

EXIT_CODES = """\
exit codes:
  0  finished, or stopped by an option       1  unexpected error
  2  wrong use of the command                3  data missing or unusable
  4  checkpoint unreadable or not fitting    5  diverged: the loss is not finite
  6  out of memory                           7  disk full, or a file cannot be written
  8  the backend is not available            9  python -m alexnet.doctor found a problem
  129  the terminal was closed, 130  interrupted with Ctrl-C, 138  SIGUSR1, 143  terminated;
       what was learned is saved
"""

# For which an error of another process of a team than rank 0 waits for the same error of rank 0.
SECONDS_FOR_LEADER = 2


class Parser(argparse.ArgumentParser):
    """The parser of every command.

    Help ends with the exit codes, wrong use is a `UsageError`, options and other arguments may be
    given in any order, and no option has a second, shorter name that the next one would take away.
    """

    def __init__(self, **options: Any):
        form = {"epilog": EXIT_CODES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**{**form, "allow_abbrev": False, **options})

    def parse_args(
        self, args: list[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Like argparse's parse_intermixed_args, which loses ``--``."""
        given = sys.argv[1:] if args is None else list(args)
        others = self._get_positional_actions()
        if self._subparsers is not None or not others or {"-h", "--help"} & set(given):
            return super().parse_args(given, namespace)
        end = given.index("--") if "--" in given else len(given)
        with _changed(others, nargs=argparse.SUPPRESS, default=argparse.SUPPRESS):
            namespace, words = self.parse_known_args(given[:end], namespace)
        if unknown := [word for word in words if word.startswith("-") and word != "-"]:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        with _changed(self._get_optional_actions(), required=False):  # they were all seen above
            return super().parse_args(["--", *words, *given[end + 1 :]], namespace)

    def error(self, message: str):
        files = [word for word in message.split() if word.startswith("-") and os.path.exists(word)]
        advice = f"; the file is given as ./{files[0]}" if files else ""
        raise UsageError(f"{message}{advice} (see --help)")


@contextlib.contextmanager
def _changed(actions: list[argparse.Action], **attributes: Any) -> Iterator[None]:
    """Within this block some arguments of a parser have other attributes."""
    before = [{name: getattr(action, name) for name in attributes} for action in actions]
    for action in actions:
        vars(action).update(attributes)
    try:
        yield
    finally:
        for action, values in zip(actions, before):
            vars(action).update(values)


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


def path(text: str) -> Path:
    """An argparse type: a path. A shell leaves the ~ in --out=~/run as it is.

    An empty one, as of a variable that is not set, would be the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty path; the current folder is .")
    return Path(os.path.expanduser(text))


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
        OSError: it is a folder, or lies in a folder that is missing or cannot be written to.
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
        given = sys.argv[1:] if argv is None else argv
        if given and given[0] in modules:
            arguments = commands.choices[given[0]].parse_args(given[1:])
        else:
            arguments = parser.parse_args(given)
        return arguments.run(arguments)

    return exit_code(run)


def command(name: str, *arguments: str | Path) -> str:
    """A command to be copied into a shell: what has spaces or quotes is quoted.

    Args:
        name: as it is typed, such as "python -m alexnet.train".
    """
    words = [
        f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)
        for word in arguments
    ]
    return f"{name} {shlex.join(words)}"


def say(text: str) -> None:
    """Print a line on stderr; where nobody can read it any more, the work goes on."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


class _Say(logging.Handler):
    """Prints what is logged as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        say(prefix + one_line(record.getMessage()))


@contextlib.contextmanager
def log(level: int = logging.INFO) -> Iterator[None]:
    """Print what the readers of data sets log, on stderr: which folder serves as what.

    Args:
        level: the least that is printed; every command prints warnings.
    """
    logger, handler = logging.getLogger("alexnet.data"), _Say()
    before, others = logger.level, [other for other in logger.handlers if isinstance(other, _Say)]
    for other in others:  # it would print all a second time
        logger.removeHandler(other)
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        for other in others:
            logger.addHandler(other)


def printable(text: str) -> str:
    """The text with escapes for what cannot be printed or would control the terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 epoch", "1,000 epochs"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def one_line(name: str) -> str:
    """A file name with escapes for what cannot be printed in a line, line breaks included."""
    return printable(name.replace("\n", "\\n"))


@contextlib.contextmanager
def _standard_streams() -> Iterator[None]:
    """Within this block every stream exists, and a name that cannot be encoded is escaped.

    Where the caller has closed one (``>&-``, pythonw), the null device takes its place: the next
    file to be opened would get its number, and what is printed there would go into that file.
    """
    with contextlib.ExitStack() as stack:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            stream = getattr(sys, name)
            if stream is None or getattr(stream, "closed", False):
                null = stack.enter_context(open(os.devnull, mode, encoding="utf-8"))
                setattr(sys, name, null)
                stack.callback(setattr, sys, name, stream)
            elif getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
                if mode == "w":
                    stream.reconfigure(errors="backslashreplace")
                    stack.callback(_reconfigure, stream, "strict")
        yield


def _reconfigure(stream: Any, errors: str) -> None:
    with contextlib.suppress(OSError):  # it writes what is left, where that can be written
        stream.reconfigure(errors=errors)


def exit_code(run: Callable[[], int], *, in_a_team: bool = False) -> int:
    """Run a command and return its exit code; an expected error is one line and its own code.

    What only one process of a team comes to ends all of them, with this code.

    Args:
        in_a_team: whether the command can be started by mpiexec, to work in several processes.
    """
    with _standard_streams(), log(logging.WARNING):
        try:
            code, message, by_all = _outcome(run, in_a_team)
        except Exception:
            _let_the_leader_speak()
            _abort_others(1, traceback.format_exc())
            raise
        team = distributed.current()
        if code and not by_all:
            _let_the_leader_speak()
        if message and (team.leads or not by_all):
            rank = f"rank {team.rank}: " if team.size > 1 and not by_all else ""
            say(f"error: {rank}{' '.join(str(message).split())}")
        try:
            sys.stdout.flush()
        except OSError:  # Python would try once more as it exits
            with contextlib.suppress(OSError):  # a stream that is no file
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code and not by_all:
            _abort_others(code)
        if code and code > 128 and team.size == 1 and _started_with_others():
            # The others wait for this process in MPI's initialization: mpiexec ends them where one
            # was killed, not where one has ended.
            interrupts.end_by(code - 128)
        return code


def _started_with_others() -> bool:
    with contextlib.suppress(distributed.DistributedError):
        return launchers.launched() is not None
    return False


def _let_the_leader_speak() -> None:
    """Give rank 0 the time to end this process, too.

    What goes wrong in one process often goes wrong in all of them, and is to be said once.
    """
    if not distributed.current().leads:
        time.sleep(SECONDS_FOR_LEADER)


def require_one_process(what: str) -> None:
    """Raise UsageError in one of several: each would do the same, and write the same files.

    Args:
        what: is to be done, in a word or two.
    """
    launch = launchers.launched()
    if launch and launch.size > 1:
        raise UsageError(
            f"{launch.name} has started {launch.size} processes of {what} that works in one; "
            "only python -m alexnet.train works in several"
        )


def _abort_others(code: int, text: str = "") -> None:
    """End the other processes of a team: they would wait for this one for ever."""
    team = distributed.current()
    if team.size > 1:
        if text:
            say(f"rank {team.rank}: {text}")
        team.abort(code)


def _outcome(run: Callable[[], int], in_a_team: bool) -> tuple[int, Any, bool]:
    """The exit code of a command, what to say of an error, and whether all processes know it."""
    try:
        if not in_a_team:
            require_one_process("a command")
        with interrupts.raised():
            try:
                code = run()
            except SystemExit as end:  # after --help and --version
                code = end.code or 0
            sys.stdout.flush()  # or Python would notice only at its exit that this fails
        return code, None, True
    except KeyboardInterrupt as error:
        number = interrupts.signal_number(error)
        return 128 + number, interrupts.word(number), False
    except Exception as error:
        expected = errors.exit_code(error)
        if expected is None:
            raise
        return *expected, distributed.is_by_all_processes(error)
