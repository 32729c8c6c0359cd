"""What the commands share: types of options, exit codes, and errors in one line."""

import argparse
import errno
import math
import sys
from collections.abc import Callable
from typing import Any

from alexnet.data import DataError
from alexnet.trainer import Diverged
from minigrad import BackendError
from minigrad.io import CheckpointError

EXIT_CODES = """\
exit codes:
  0  finished, or stopped by --max-steps     1  unexpected error
  2  wrong use of the command                3  data missing or unusable
  4  checkpoint unreadable or not fitting    5  diverged: the loss is not finite
  6  out of memory                           7  disk full, or a file cannot be written
  8  the backend is not available            9  python -m alexnet.doctor found a problem
  130  interrupted with Ctrl-C; what was learnt is saved
"""


class UsageError(Exception):
    """Options that do not make sense."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UsageError(f"{message} (see --help)")


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


count = number(int, lambda n: n >= 1, "a whole number of at least 1")
count_or_zero = number(int, lambda n: n >= 0, "a whole number of at least 0")
positive = number(float, lambda x: x > 0, "a number above 0")
at_least_zero = number(float, lambda x: x >= 0, "a number of at least 0")
fraction = number(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
seed = number(int, lambda n: 0 <= n < 2**63, "a whole number from 0 to 2^63 - 1")


def say(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


def exit_code(run: Callable[[], int]) -> int:
    """What `run` returns; what is expected to go wrong becomes one line and a code of its own."""
    try:
        return run()
    except UsageError as error:
        code, message = 2, error
    except DataError as error:
        code, message = 3, error
    except CheckpointError as error:
        code, message = 4, error
    except Diverged as error:
        code, message = 5, error
    except MemoryError as error:
        code, message = 6, f"out of memory: {error}; try a smaller --batch-size"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code, message = 7, f"disk full: {error}; free some space" if full else error
    except BackendError as error:
        code, message = 8, error
    except KeyboardInterrupt:
        code, message = 130, "interrupted"
    say("error: " + " ".join(str(message).split()))
    return code
