"""A program that keeps one core busy, as a user's own might while a training runs."""

import subprocess
import sys
from collections.abc import Callable

PROGRAM = "print(flush=True)\nwhile True: pass"


def beside(work: Callable[[], float]) -> float:
    """What `work` returns beside such a program, which runs before it begins."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        try:
            program.stdout.readline()
            return work()
        finally:
            program.kill()
