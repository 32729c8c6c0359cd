"""What a trace records: calls of kernels, and the spans that contain them."""

from dataclasses import dataclass

from minigrad.observers import Kind
from minigrad.trace import limits
from minigrad.trace.work import Statistics, Work


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a kernel.

    Attributes:
        layer: that calls it, or whose gradient it computes; of an update the class of the
            optimizer; "" outside of all.
        phase: "forward", "backward", "update", or "" outside of all.
        work: operation, algorithm, arrays, FLOPs and bytes.
        began: seconds since the beginning of the trace.
        seconds: that it took.
        thread: the system's number of the thread.
        statistics: of the arrays that it has written, with `statistics=True`.
    """

    layer: str
    phase: str
    work: Work
    began: float
    seconds: float
    thread: int
    statistics: tuple[Statistics, ...]

    @property
    def gflops(self) -> float:
        """FLOPs a second, in 10^9."""
        return self.work.flops / self.seconds / 1e9

    @property
    def share_of_limit(self) -> float:
        """The least time for such a call on this machine (the roofline), divided by its time.

        The limits are measured when one is first needed, which takes some seconds.
        """
        return limits.limit_of(self.work) / self.seconds


@dataclass(frozen=True, slots=True)
class Span:
    """What contains calls: a module, an operation, a backward pass, or an optimizer's step.

    Attributes:
        kind: "module", "forward" or "backward" of an operation, "backward pass" or "update".
        name: of the layer, of the operation's class, "backward", or of the optimizer's class.
        layer: see `Call.layer`.
        began, seconds, thread: as for a call; the time includes that of tracing within it.
    """

    kind: Kind
    name: str
    layer: str
    began: float
    seconds: float
    thread: int
