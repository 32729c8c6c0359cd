"""A part of the check in a process of its own: started, listened to, limited, and ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from benchmarks.gpu_check.part import Options

# How the process of a part ended, or where it is.
RUNNING, PASSED, FAILED, TIMED_OUT, STOPPED, NOT_BEGUN = (
    "running", "passed", "failed", "timed out", "stopped", "not begun",
)  # fmt: skip
LOOK_EVERY = 0.2  # seconds
TELL_EVERY = 1.0  # seconds, at most: whoever is told writes files, and waits for the disk
GRACE = 3.0  # seconds from SIGTERM to SIGKILL
LINES_KEPT = 40  # of the end of the output
LOG_BYTES = 1 << 20  # of a part; with all of them the log stays below 16 MB


@dataclass
class Entry:
    """What the report says of a part.

    Attributes:
        status: see above.
        reason: why it is not `PASSED`, in a line.
        results: by name, as the part has reported them.
        problems: lines, likewise.
        output_end: the last lines that it printed.
        limit, seconds: that it might take, and took.
    """

    status: str
    reason: str = ""
    limit: float = 0.0
    seconds: float = 0.0
    exit_code: int | None = None
    results: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    output_end: list[str] = field(default_factory=list)


class _Output(threading.Thread):
    """Copies what a process prints to the log, up to a limit, and keeps the last lines."""

    def __init__(self, stream: BinaryIO, log: BinaryIO):
        super().__init__(daemon=True)
        self._stream, self._log = stream, log
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)

    def run(self) -> None:
        room = LOG_BYTES
        with self._stream:
            for line in self._stream:
                # A line without an end may be as long as it likes.
                self.lines.append(line[-1000:].decode("utf-8", "replace").rstrip())
                if room > 0:
                    self._log.write(line[:room])
                    self._log.flush()
                    room -= len(line)
        if room <= 0:
            self._log.write(b"\n[the rest is left out but for its end]\n")
            self._log.write("\n".join(self.lines).encode() + b"\n")


def run(
    work: str,
    options: Options,
    limit: float,
    log: BinaryIO,
    on_change: Callable[[Entry], None],
) -> Entry:
    """Run a part and return what is known of it in the end.

    Args:
        work: what `part` is to run, MODULE:FUNCTION.
        limit: seconds after which it is ended.
        log: gets what it prints.
        on_change: is told when there is something new.

    What it has started ends with it, and with this process, however that ends.
    """
    entry = Entry(RUNNING, limit=limit)
    on_change(entry)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.touch()
        command = [sys.executable, "-m", "benchmarks.gpu_check.part", work, str(results)]
        process = subprocess.Popen(
            [*command, json.dumps(asdict(options))],
            stdin=subprocess.PIPE,  # ends when this process does
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            process_group=0,
        )
        output = _Output(process.stdout, log)
        output.start()
        with open(results, encoding="utf-8") as file:
            try:
                changed, told = False, started
                while not _ended(process) and time.monotonic() < started + limit:
                    changed |= _take_in(file, entry)
                    if changed and time.monotonic() > told + TELL_EVERY:
                        changed, told = False, time.monotonic()
                        entry.seconds = told - started
                        on_change(entry)
                in_time = process.returncode is not None
            finally:
                _end(process)
                output.join(timeout=GRACE)
                _take_in(file, entry)
                entry.seconds = time.monotonic() - started
                entry.exit_code = process.returncode
                entry.output_end = list(output.lines)
    entry.status, entry.reason = _how_it_ended(entry, in_time)
    on_change(entry)
    return entry


def _ended(process: subprocess.Popen) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LOOK_EVERY)
    return process.returncode is not None


def _take_in(file: TextIO, entry: Entry) -> bool:
    """Add what a part has reported since the last time; whether that was anything."""
    anything = False
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith("\n"):  # it is being written, or was when its writer was ended
            file.seek(place)
            return anything
        anything = True
        report = json.loads(line)
        if "problem" in report:
            entry.problems.append(report["problem"])
        else:
            entry.results[report["result"]] = report["value"]


def _end(process: subprocess.Popen) -> None:
    """End a process and all that it has started, which are a group."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    _signal(process, signal.SIGKILL)
    # One that waits for a device that does not answer may outlive even that.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with contextlib.suppress(OSError):
        process.stdin.close()


def _signal(process: subprocess.Popen, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _how_it_ended(entry: Entry, in_time: bool) -> tuple[str, str]:
    """Status and reason."""
    if entry.exit_code is None:
        return TIMED_OUT, f"not done within its limit of {entry.limit:.0f} s, and cannot be killed"
    if not in_time:
        return TIMED_OUT, f"not done within its limit of {entry.limit:.0f} s"
    if entry.exit_code == 0:
        return PASSED, ""
    reasons = list(entry.problems[:1])
    if len(entry.problems) > 1:
        reasons.append(f"{len(entry.problems) - 1} more")
    if entry.exit_code < 0:
        name = signal.Signals(-entry.exit_code).name
        by = " (the system does that when memory runs out)" if name == "SIGKILL" else ""
        reasons.append(f"killed by {name}{by}")
    return FAILED, "; ".join(reasons) or f"ended with exit code {entry.exit_code}"
