"""cupy.cuda.Stream and Event. Everything runs at once, in the order of the calls; the clocks tell
what a device might have run in another order.

Each stream counts its operations, and its clock says how many of those of each stream are over
whenever its next one begins: its own, those that an event which it waited for stood for, and those
that the host had waited for before it gave the order. `accesses.py` compares what two operations do
to one place in memory.
"""

import threading
import time
import weakref

import numpy as np

from .settings import EmulatorError

_by_address = weakref.WeakValueDictionary()
_blocking = weakref.WeakSet()  # those that the null stream waits for, and that wait for it
_numbers = iter(range(1 << 62))


class _Thread(threading.local):
    """What each thread of the host has: CUDA's current stream, and what it has waited for."""

    def __init__(self):
        self.streams = []  # entered by `with`, innermost last
        self.clock = {}
        self.open_groups = 0  # of NCCL calls


thread = _Thread()


def join(clock, other):
    """Everything that is over by the other clock is over by this one."""
    for number, count in tuple(other.items()):
        if clock.get(number, 0) < count:
            clock[number] = count


_late = []  # copies to the host that nobody has waited for: stream, operation, array, what it gets


def copy_late(stream, array, values):
    """A copy to the host that arrives when the host waits for it; until then the array is spoiled.

    The last operation of the stream is the copy.
    """
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    _late.append((stream._number, stream._clock[stream._number], array, values))


def _waited(clock):
    """The host has waited for what is over by this clock."""
    join(thread.clock, clock)
    for late in tuple(_late):
        number, count, array, values = late
        if thread.clock.get(number, 0) >= count:
            array[...] = values
            _late.remove(late)


def require_closed_group(name):
    """Raises an error within a group of NCCL calls, which run when it ends."""
    if thread.open_groups:
        raise EmulatorError(f"{name} within a group of NCCL calls: nccl.groupEnd() is missing")


class Event:
    """It takes as long as it may: it is not done before somebody has waited for it."""

    _waits = 0  # for the whole device

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self._has_timing = not disable_timing
        self._time = None
        self._waits_before = -1
        self._clock = {}

    def record(self, stream=None):
        stream = get_current_stream() if stream is None else stream
        stream._begin("Event.record")
        self._time = time.perf_counter()
        self._waits_before = Event._waits
        self._clock = dict(stream._clock)

    def synchronize(self):
        self._waits_before = -1
        _waited(self._clock)

    @property
    def done(self):
        return Event._waits > self._waits_before


class Stream:
    null = None  # below

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self._number = next(_numbers)
        self._clock = {}
        self.ptr = 0 if null else 0x5000 + 16 * self._number
        _by_address[self.ptr] = self
        if not (null or non_blocking):
            _blocking.add(self)

    def _begin(self, name):
        """Begin an operation of this name; returns its number among those of the stream."""
        require_closed_group(name)
        join(self._clock, thread.clock)
        if _blocking:
            if self is Stream.null:
                for stream in tuple(_blocking):
                    join(self._clock, stream._clock)
            elif self in _blocking:
                join(self._clock, Stream.null._clock)
        self._clock[self._number] = self._clock.get(self._number, 0) + 1
        return self._clock[self._number]

    def _name(self):
        return "the null stream" if self is Stream.null else f"stream {self._number}"

    def __enter__(self):
        thread.streams.append(self)
        return self

    def __exit__(self, *exception):
        thread.streams.pop()

    def use(self):
        thread.streams[-1:] = [self]
        return self

    def synchronize(self):
        require_closed_group("Stream.synchronize")
        _waited(self._clock)

    def wait_event(self, event):
        join(self._clock, event._clock)  # an event never recorded holds nobody up

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    @property
    def done(self):
        return True


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return thread.streams[-1] if thread.streams else Stream.null


def at(address):
    """The stream with this `ptr`; None if there is none."""
    return _by_address.get(address)


def synchronize_all():
    """The host waits for all streams."""
    require_closed_group("Device.synchronize")
    Event._waits += 1
    for stream in tuple(_by_address.values()):
        _waited(stream._clock)
