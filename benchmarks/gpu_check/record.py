"""The files of a check: gpu_check.json with everything, summary.md to be read, output.log."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from alexnet import files
from alexnet.errors import UsageError
from benchmarks.gpu_check.runner import NOT_BEGUN, PASSED, RUNNING, STOPPED, TIMED_OUT, Entry

JSON, SUMMARY, LOG = "gpu_check.json", "summary.md", "output.log"
OUTPUT_LINES = 12  # of a part that did not pass, in the summary


class Record:
    """What is known so far, on the disk after every change.

    Args:
        folder: is made; must not hold another check.
        about: date, device, versions, command.
        parts: by name, what turns a part's results into lines of Markdown.

    Raises:
        UsageError: the folder holds the results of another check.
        OSError: it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        about: dict[str, Any],
        parts: dict[str, Callable[[dict[str, Any]], list[str]]],
    ):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / JSON).exists():
            raise UsageError(f"{folder} holds the results of another check: choose another --out")
        self.folder = folder
        self._about = about
        self._summaries = parts
        self.entries = {name: Entry(NOT_BEGUN, "its turn has not come") for name in parts}
        self._write()

    def log(self) -> BinaryIO:
        """A file for what the parts print."""
        return open(self.folder / LOG, "ab")

    def update(self, name: str, entry: Entry) -> None:
        """Something new is known of a part."""
        self.entries[name] = entry
        self._write()

    def stop(self, reason: str) -> None:
        """The part that is running will not go on."""
        for name, entry in self.entries.items():
            if entry.status == RUNNING:
                self.entries[name] = replace(entry, status=STOPPED, reason=reason)
        self._write()  # also of a part whose end is known but whose files were being written

    @property
    def passed(self) -> bool:
        return all(entry.status == PASSED for entry in self.entries.values())

    def _write(self) -> None:
        entries = {name: asdict(entry) for name, entry in self.entries.items()}
        report = {"about": self._about, "parts": entries}
        files.write(self.folder / JSON, (json.dumps(report, indent=1) + "\n").encode())
        files.write(self.folder / SUMMARY, ("\n".join(self._summary()) + "\n").encode())

    def _summary(self) -> list[str]:
        lines = ["# A check on a GPU", ""]
        lines += [f"- {name}: {value}" for name, value in self._about.items()]
        lines += ["", "| part | how it ended | seconds | limit |", "|---|---|---:|---:|"]
        for name, entry in self.entries.items():
            how = entry.status + (f": {_cell(entry.reason)}" if entry.reason else "")
            lines.append(f"| {name} | {how} | {entry.seconds:.0f} | {entry.limit:.0f} |")
        for name, entry in self.entries.items():
            if entry.status != NOT_BEGUN:
                lines += ["", f"## {name}", "", *self._section(name, entry)]
        return lines

    def _section(self, name: str, entry: Entry) -> list[str]:
        lines = self._results(name, entry)
        if entry.problems:
            lines += ["", *(f"- problem: {problem}" for problem in entry.problems)]
        if entry.status not in (PASSED, RUNNING) and entry.output_end:
            end = entry.output_end[-OUTPUT_LINES:]
            lines += ["", "The end of its output:", "", *("    " + line[:160] for line in end)]
        return lines

    def _results(self, name: str, entry: Entry) -> list[str]:
        if not entry.results:
            return ["(nothing before the limit)" if entry.status == TIMED_OUT else "(no results)"]
        try:
            return self._summaries[name](entry.results)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            # A part that was ended halfway is no reason to lose the others.
            if entry.status == PASSED:
                return [f"(its results are in {JSON}: {type(error).__name__}: {error})"]
            return [f"(too little for a summary; what there is is in {JSON})"]


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|")[:300]


def today() -> str:
    return time.strftime("%Y-%m-%d")


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; all columns but the first hold numbers."""
    if not rows:
        return []
    rule = "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|"
    return ["", *("| " + " | ".join(map(str, row)) + " |" for row in [header]), rule] + [
        "| " + " | ".join(_cell(str(cell)) for cell in row) + " |" for row in rows
    ]
