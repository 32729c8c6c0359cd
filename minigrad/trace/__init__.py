"""Every kernel call of a block or of a process: which layer, which algorithm, how long, how fast.

work.py         what a call is about: operation, algorithm, arrays, bytes and FLOPs
measuring.py    stand-ins for the kernels of the backends, which measure calls
layers.py       the names of layers
recording.py    `Trace`: calls, and the spans that contain them
limits.py       what the machine does at most
table.py        what each layer takes
file.py         Chrome's trace event format
lines.py        a line of text for a call
environment.py  MINIGRAD_TRACE
"""

from minigrad.trace.events import Call, Span
from minigrad.trace.layers import name_layers
from minigrad.trace.recording import Trace

__all__ = ["Call", "Span", "Trace", "name_layers", "trace"]


def trace(statistics: bool = False) -> Trace:
    """Record every kernel call within a block: ``with minigrad.trace() as t: ...; print(t)``.

    It records all threads, also within blocks of other traces. Each call is timed by itself: on a
    GPU the device is waited for before and after, so that nothing overlaps and the whole takes
    longer. Results are the same bits.

    Args:
        statistics: note minimum, mean, maximum, NaN and infinities of the arrays that each call
            writes; that takes time, which belongs to no call.
    """
    return Trace(statistics)
