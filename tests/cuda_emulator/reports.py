"""The reports of the sanitizers, with the lines of the CUDA sources in them."""

import ctypes
import os
import re
import subprocess
from pathlib import Path

from . import settings

# A place in a library that the sanitizer could not name: it knows only what was loaded before its
# first report.
UNNAMED_PLACE = re.compile(r"(?:<null> |in \S+ )?\((?:\S*/)?(kernels_\w+\.so)\+0x([0-9a-f]+)\)")

SEPARATOR = "=" * 18 + "\n"  # between the reports of ThreadSanitizer
LONGEST = 6000  # characters: one defect can cause a report for every thread


def take() -> str | None:
    """The report that the sanitizer of this process has written since the last call, if any."""
    path = Path(f"{settings.sanitizer_log}.{os.getpid()}")
    if not path.exists():
        return None
    # Makes the sanitizer leave this file, so that the next report begins a new one.
    ctypes.CDLL(None).__sanitizer_set_report_path(settings.sanitizer_log.encode())
    report = relevant(path.read_text())
    path.unlink()
    if len(report) > LONGEST:
        report = f"{report[:LONGEST]}\n... and {len(report) - LONGEST:,} characters more"
    return UNNAMED_PLACE.sub(_named_place, report)


def relevant(text: str) -> str:
    """Leaves out races in which no kernel is involved, as between threads of OpenMP and Python,
    whose synchronization ThreadSanitizer does not see."""
    reports = text.split(SEPARATOR)
    return SEPARATOR.join(
        report
        for report in reports
        if "ERROR: AddressSanitizer" in report
        or ("WARNING: ThreadSanitizer" in report and "kernels_" in report)
    )


def _named_place(match):
    # One byte back: a stack holds the addresses to return to, each after its call.
    address = hex(int(match[2], 16) - 1)
    library = settings.cache_folder / match[1]
    command = ["addr2line", "-e", str(library), "-C", "-f", "-i", "-p", address]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError:  # comes with g++, as a rule
        return match[0]
    return result.stdout.strip() or match[0]
