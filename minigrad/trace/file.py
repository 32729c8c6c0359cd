"""A trace as a file in Chrome's trace event format, for ui.perfetto.dev and chrome://tracing.

The format is a JSON object with a list of events. A complete event ("ph": "X") has a name, a
category, its begin and duration in microseconds, and the numbers of its process and thread; of
events of a thread, those that lie within another one are drawn below it.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from minigrad.trace.events import Call, Span


def save(
    path: str | os.PathLike,
    calls: Sequence[Call],
    spans: Sequence[Span],
    threads: Mapping[int, str],
    omitted: int,
) -> None:
    """Write the file: under a temporary name beside `path` first, so that it appears complete.

    Args:
        threads: their names by their numbers.
        omitted: calls and spans that were not kept.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as output:
            output.write('{"displayTimeUnit": "ms",\n')
            output.write(f'"otherData": {json.dumps(_other_data(omitted))},\n"traceEvents": [\n')
            for number, event in enumerate(_events(calls, spans, threads)):
                output.write((",\n" if number else "") + json.dumps(event, allow_nan=False))
            output.write("\n]}\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _events(
    calls: Sequence[Call], spans: Sequence[Span], threads: Mapping[int, str]
) -> Iterator[dict[str, Any]]:
    """The names of process and threads, spans, calls."""
    process = {"ph": "M", "pid": os.getpid()}
    yield {**process, "name": "process_name", "args": {"name": "minigrad"}}
    for number, name in threads.items():
        yield {**process, "name": "thread_name", "tid": number, "args": {"name": name}}
    for span in spans:
        yield _complete(span, span.name, span.kind, {"layer": span.layer})
    for call in calls:
        yield _complete(call, call.work.operation, "kernel", _about(call))


def _complete(
    event: Call | Span, name: str, category: str, about: dict[str, Any]
) -> dict[str, Any]:
    times = {"ts": round(1e6 * event.began, 3), "dur": round(1e6 * event.seconds, 3)}
    place = {"pid": os.getpid(), "tid": event.thread}
    return {"name": name, "cat": category, "ph": "X", **times, **place, "args": about}


def _about(call: Call) -> dict[str, Any]:
    work = call.work
    about: dict[str, Any] = {"layer": call.layer, "pass": call.phase}
    if work.algorithm:
        about |= {"algorithm": work.algorithm, "reason": work.reason}
    about |= {array.name: str(array) for array in work.arrays}
    about |= {"device": work.device, "precision": work.precision}
    about |= {"FLOPs": work.flops, "bytes": work.bytes}
    about |= {"GFLOP/s": round(call.gflops, 1), "of limit": round(call.share_of_limit, 3)}
    return about | {f"{found.name}:": str(found).partition(": ")[2] for found in call.statistics}


def _other_data(omitted: int) -> dict[str, str]:
    if not omitted:
        return {}
    return {"omitted": f"{omitted:,} calls and spans after the last event of this file"}
