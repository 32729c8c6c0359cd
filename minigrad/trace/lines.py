"""A line of text for every call, as it ends."""

from minigrad.trace.events import Call

HEADER = f"{'layer':<13} {'writes':<13}{'ms':>8}{'GFLOP/s':>8}{'limit':>6}  kernel"
WIDTH = 112


def line(call: Call) -> str:
    """Layer, the first array that is written, time, speed, kernel and algorithm; then statistics.

    Up to `WIDTH` columns, and a line for each array of which there are statistics.
    """
    work = call.work
    algorithm = f" {work.algorithm}: {work.reason}" if work.algorithm else ""
    text = (
        f"{call.layer or '-':<13} {work.written[0].size:<13} {1e3 * call.seconds:>7.2f}"
        f"{call.gflops:>8,.1f}{call.share_of_limit:>6.0%}  {work.operation}{algorithm}"
    )
    text = text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
    return "\n".join([text, *(f"{'':<13} {found}" for found in call.statistics)])
