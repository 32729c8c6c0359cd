"""What each kernel of a step takes on the GPU, as CUPTI tells it.

PyTorch's profiler listens to all kernels of the process, whoever launches them, so that the step of
this engine and that of PyTorch are looked at by the same means.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

GPU_EVENTS = ("kernel", "gpu_memcpy", "gpu_memset")  # categories of PyTorch's trace
# The profiler may lose what comes first (pytorch/pytorch#192021): several steps are made, and the
# last one counts; where too much was lost, more of them.
STEPS = (3, 12)


class LostEvents(Exception):
    """The profiler has not seen the whole step."""


def of_step(
    torch: ModuleType, step: Callable[[], None], synchronize: Callable[[], None]
) -> dict[str, Any]:
    """Profile one step.

    Returns:
        `kernels`: name, calls and seconds of each, the order that of their first call;
        `order`: the names again, in the order of the calls, each with its seconds;
        `busy`: seconds in which the GPU did something; `span`: from the first kernel to the last.

    Raises:
        LostEvents: no two steps in a row are the same.
    """
    step()
    for count in STEPS:
        synchronize()
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            for _ in range(count):
                step()
            synchronize()
        try:
            return summed(last_step(_events(profile), count))
        except LostEvents:
            if count == STEPS[-1]:
                raise


def _events(profile: Any) -> list[dict[str, Any]]:
    """Of everything that was seen, in the form that PyTorch writes for Chrome."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        return json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]


def last_step(events: list[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """What the GPU did in the last of some steps; events as in a Chrome trace, in microseconds.

    After the length of a step all kernels come again. Where some of the first step are lost, that
    length is more than the step's share of all events.
    """
    events = [event for event in events if event.get("cat") in GPU_EVENTS]
    events.sort(key=lambda event: event["ts"])
    names = [event["name"] for event in events]
    for length in range(max(1, -(-len(names) // steps)), len(names) // 2 + 1):
        if names[length:] == names[:-length]:
            return events[-length:]
    raise LostEvents(f"the profiler saw {len(events)} kernels in {steps} steps, and no two alike")


def summed(events: list[dict[str, Any]]) -> dict[str, Any]:
    """See `of_step`."""
    kernels: dict[str, dict[str, Any]] = {}
    order = []
    busy = end = 0.0
    for event in events:
        name, begin, seconds = short_name(event["name"]), event["ts"], 1e-6 * event["dur"]
        row = kernels.setdefault(name, {"name": name, "calls": 0, "seconds": 0.0})
        row["calls"] += 1
        row["seconds"] += seconds
        order.append([name, round(seconds, 9)])
        # Kernels of two streams may overlap.
        busy += 1e-6 * max(0.0, begin + event["dur"] - max(end, begin))
        end = max(end, begin + event["dur"])
    span = 1e-6 * (end - events[0]["ts"])
    return {"kernels": list(kernels.values()), "order": order, "busy": busy, "span": span}


def short_name(name: str) -> str:
    """A kernel's name without its result and parameters, whose types fill pages."""
    name = name.removeprefix("void ")
    depth = 0
    for place, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        # Parameters follow the name at once: "Memcpy HtoD (Pageable -> Device)" has none.
        if letter == "(" and depth == 0 and name[:place][-1:].strip(" :"):
            name = name[:place]
            break
    return name if len(name) <= 100 else name[:97] + "..."
