"""The process of a part: ``python -m benchmarks.gpu_check.part MODULE:FUNCTION RESULTS OPTIONS``.

A part reports while it works: every result is a line of JSON in the file RESULTS as soon as it is
known, so that what comes later can go wrong in any way without taking it along.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

LOOK_EVERY = 1.0  # seconds, at a process that a part has started


@dataclass(frozen=True)
class Options:
    """What the command was asked for.

    Attributes:
        out: folder for files that are worth keeping.
        architectures: names of networks, see `alexnet.model.ARCHITECTURES`.
        batch: images in a step; steps are also timed with twice as many.
        image_size: of the networks, in pixels; None: each network's own.
        width: share of the channels, see `alexnet.model.AlexNet`.
        repeats: samples of each time.
        calls: in a sample.
        workers: threads that decode images.
        data_root: folder with images to train on; the demo set where it does not exist.
        small: as little as possible of everything, to try the command itself.
    """

    out: str
    architectures: tuple[str, ...]
    batch: int
    image_size: int | None
    width: float
    repeats: int
    calls: int
    workers: int
    data_root: str
    small: bool


class Report:
    """What a part has found so far."""

    def __init__(self, file: TextIO):
        self._file = file
        self._started = time.monotonic()
        self.failed = False

    def result(self, name: str, value: Any) -> None:
        """Something that is known; a later value of the same name takes its place."""
        self._write({"result": name, "value": value})

    def progress(self, text: str) -> None:
        """For the log: what is done, and how many seconds after the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", flush=True)

    def problem(self, text: str) -> None:
        """Something that is wrong, or missing, in one line; the part counts as failed."""
        self.failed = True
        print(f"problem: {text}", flush=True)
        self._write({"problem": text})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def wait(process: subprocess.Popen, look: Callable[[], None]) -> int:
    """The exit code of a process; `look` is called now and then, and when it has ended."""
    code = None
    while code is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(LOOK_EVERY)
        look()
    return code


def _end_with_parent() -> None:
    """End this process, and all that it has started, when the command that began it is gone."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(argv: list[str]) -> int:
    """Run a part; 1 where it found something wrong."""
    work, results, options = argv
    module, function = work.split(":")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(results, "a", encoding="utf-8") as file:
        report = Report(file)
        try:
            run = getattr(importlib.import_module(module), function)
            run(Options(**json.loads(options)), report)
        except Exception as error:
            traceback.print_exc()
            report.problem(" ".join(f"{type(error).__name__}: {error}".split()))
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
