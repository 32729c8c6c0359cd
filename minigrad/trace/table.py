"""The table of a trace: what each layer and operation takes, and its share of all."""

import html
from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from minigrad.trace import limits
from minigrad.trace.work import Work

_HEADER = ("layer", "pass", "operation", "calls", "ms", "share", "median", "GFLOP/s", "limit")
_LEFT = 3  # columns of text
REST = "(outside of kernels)"
MOST_TIMES = 4096  # that a row keeps for its median


class Row:
    """An operation of a layer in one pass.

    Attributes:
        calls: how many.
        seconds: of all of them.
        works: the work of each call of a kernel; none of operations that call no kernel.
    """

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0
        self.works: Counter[Work] = Counter()
        self._times = array("d")
        self._every = 1

    def add(self, seconds: float, work: Work | None) -> None:
        """Count a call."""
        if self.calls % self._every == 0:
            self._times.append(seconds)
            if len(self._times) == MOST_TIMES:  # from now on half as many, evenly spaced as before
                del self._times[1::2]
                self._every *= 2
        self.calls += 1
        self.seconds += seconds
        if work is not None:
            self.works[work] += 1

    @property
    def median(self) -> float:
        """Seconds of the middle one of all calls, or, of many, of a part evenly spaced in time."""
        return float(np.median(self._times)) if self._times else 0.0


class Table:
    """What a trace has recorded, summed up. Its printed form is a table.

    The rest is what neither kernels nor operations without kernels take: conversions of the memory
    format, additions of gradients, and Python. All rows together are the outermost spans, and the
    calls outside of them.

    Attributes:
        rows: by layer, pass and operation.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Row] = {}

    @property
    def seconds(self) -> float:
        """Of all rows."""
        return sum(row.seconds for row in self.rows.values())

    def add_call(self, layer: str, phase: str, work: Work, seconds: float) -> None:
        """Count a call of a kernel."""
        self._row(layer, phase, work.operation).add(seconds, work)

    def add_operation(self, layer: str, phase: str, operation: str, seconds: float) -> None:
        """Count an operation that calls no kernel."""
        self._row(layer, phase, operation).add(seconds, None)

    def add_rest(self, phase: str, seconds: float) -> None:
        """Count what a span takes beside what is in it."""
        self._row("", phase, REST).add(seconds, None)

    def _row(self, *key: str) -> Row:
        return self.rows.setdefault(key, Row())  # type: ignore[arg-type]

    def __repr__(self) -> str:
        if not self.rows:
            return "nothing was recorded: no kernel was called"
        rows = [_HEADER, *self._cells(), self._total()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = []
        for row in rows:
            left = [cell.ljust(width) for cell, width in zip(row[:_LEFT], widths)]
            right = [cell.rjust(width) for cell, width in zip(row[_LEFT:], widths[_LEFT:])]
            lines.append("  ".join([*left, *right]).rstrip())
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "", *self._sentences()])

    def as_html(self, notes: Sequence[str] = ()) -> str:
        """The table for a notebook."""
        head = _html_row(_HEADER, "th")
        body = "".join(_html_row(row, "td") for row in [*self._cells(), self._total()])
        sentences = "<br>".join(map(html.escape, [*self._sentences(), *notes]))
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table><p>{sentences}</p>"

    def _ordered(self) -> list[tuple[tuple[str, str, str], Row]]:
        """By layer, in the order in which they were first called; the rest comes last."""
        names = [layer for layer, _, operation in self.rows if operation != REST]
        order = {layer: place for place, layer in enumerate(dict.fromkeys(names))}

        def place(item: tuple[tuple[str, str, str], Row]) -> int:
            layer, _, operation = item[0]
            return len(order) if operation == REST else order[layer]

        return sorted(self.rows.items(), key=place)

    def _cells(self) -> list[tuple[str, ...]]:
        total = self.seconds
        cells: list[tuple[str, ...]] = []
        for (layer, phase, operation), row in self._ordered():
            calls = "" if operation == REST else f"{row.calls:,}"
            median = "" if operation == REST else f"{1e3 * row.median:.2f}"
            times = calls, f"{1e3 * row.seconds:.1f}", _share(row.seconds, total), median
            text = layer or "-", phase or "-", operation
            cells.append((*text, *times, *_speed(row.works, row.seconds)))
        return cells

    def _total(self) -> tuple[str, ...]:
        works = self._works()
        in_kernels = sum(row.seconds for row in self.rows.values() if row.works)
        calls = sum(row.calls for (_, _, operation), row in self.rows.items() if operation != REST)
        times = (
            f"{calls:,}",
            f"{1e3 * self.seconds:.1f}",
            _share(self.seconds, self.seconds),
        )
        return ("sum", "", "", *times, "", *_speed(works, in_kernels))

    def _works(self) -> Counter[Work]:
        works: Counter[Work] = Counter()
        for row in self.rows.values():
            works += row.works
        return works

    def _sentences(self) -> list[str]:
        works = self._works()
        return [limits.in_words(set(works))] if works else []


def _speed(works: Counter[Work], seconds: float) -> tuple[str, str]:
    """GFLOP/s, and the share of the limit, of calls that took so long."""
    if not works or not seconds:
        return "", ""
    flops = sum(work.flops * calls for work, calls in works.items())
    least = sum(limits.limit_of(work) * calls for work, calls in works.items())
    return f"{flops / seconds / 1e9:,.1f}", f"{least / seconds:.0%}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _html_row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
