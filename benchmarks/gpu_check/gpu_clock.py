"""The time of work that the GPU does faster than the host can ask for it.

A kernel of ten microseconds, asked for by Python, takes thirty: what is measured is Python. So the
GPU is first given something to do for some milliseconds; meanwhile all calls get into its queue,
which it then works off without a gap, between two events that it notes the time of itself. The work
may be anybody's, CuPy's or PyTorch's: both use the stream called the null stream.
"""

from collections.abc import Callable

from minigrad import backend

BYTES = 1 << 28  # of the arrays that are copied to keep the GPU busy
SMALL_BYTES = 1 << 12
FIRST_COPIES, LAST_COPIES = 32, 512  # so many at a time; a GPU's queue has room for about 1,000
ATTEMPTS = 3  # with as many copies: another program may have held up the host


class GpuClock:
    """Times calls by the clock of the GPU.

    Attributes:
        host_was_ahead: of the GPU in all calls so far; where it was not, even behind the most
            copies, a time may be that of the host.
    """

    def __init__(self, small: bool = False):
        self._xp = backend.get("cuda").xp
        size = SMALL_BYTES if small else BYTES
        self._source, self._target = (self._xp.zeros(size, "uint8") for _ in range(2))
        self.host_was_ahead = True

    def timer(self, make_calls: Callable[[], list[Callable[[], object]]]) -> Callable[[], float]:
        """A function that returns the seconds of one call, the mean of some; it remembers how long
        the GPU must be kept busy before these calls.

        Args:
            make_calls: makes calls that have not been made yet; what it does is not timed.
        """
        copies = FIRST_COPIES

        def seconds() -> float:
            nonlocal copies
            while True:
                for _ in range(ATTEMPTS):
                    time, ahead = self._attempt(make_calls(), copies)
                    if ahead:
                        return time
                if copies == LAST_COPIES:
                    self.host_was_ahead = False
                    return time
                copies *= 2

        return seconds

    def _attempt(self, calls: list[Callable[[], object]], copies: int) -> tuple[float, bool]:
        """The time, and whether all calls were in the queue before the GPU came to them."""
        xp = self._xp
        begin, end = xp.cuda.Event(), xp.cuda.Event()
        xp.cuda.Device().synchronize()
        for _ in range(copies):
            self._target[...] = self._source
        begin.record()
        for call in calls:
            call()
        end.record()
        ahead = not begin.done
        end.synchronize()
        return 1e-3 * xp.cuda.get_elapsed_time(begin, end) / len(calls), ahead

    def copy_gbytes(self) -> float:
        """Bytes read plus bytes written a second by a copy, 10^9: what the memory can do."""
        copies = [lambda: self._target.__setitem__(..., self._source)] * 20
        return 2e-9 * self._source.nbytes / self.timer(lambda: copies)()
