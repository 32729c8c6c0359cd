"""Who reads and writes which memory, and whether a device does that in the order of the calls.

Two operations on one place in memory, of which one writes, must have an order. Those of one stream
have. Those of two streams have one only if the second waits for the first: `streams.py` tells.
"""

import numpy as np

from . import streams
from .settings import EmulatorError


class Operation:
    """Something that a stream does: a kernel, a copy, a message.

    Args:
        stream: None is the current one.
    """

    def __init__(self, name, stream=None):
        self._name = name
        self._stream = streams.get_current_stream() if stream is None else stream
        self._time = self._stream._begin(name)

    def reads(self, *arrays):
        self._use(arrays, writes=False)

    def writes(self, *arrays):
        self._use(arrays, writes=True)

    def _use(self, arrays, writes):
        for array in arrays:
            block = block_of(array)
            if block is not None and array.size:
                self.uses(block.accesses, *_bounds(array), writes)

    def uses(self, accesses, start, end, writes):
        """Enter an access to the bytes from `start` to `end`.

        Args:
            accesses: the earlier ones: (start, end, stream, whether it writes): when.
        """
        stream = self._stream
        number, covered = stream._number, []
        for key, time in accesses.items():
            first, last, other, wrote = key
            if last <= start or end <= first or not (writes or wrote or other == number):
                continue
            if (writes or wrote) and stream._clock.get(other, 0) < time:
                raise self._race(other, writes, wrote)
            if start <= first and last <= end and writes >= wrote:
                covered.append(key)
        for key in covered:
            del accesses[key]
        accesses[start, end, number, writes] = self._time

    def _race(self, other, writes, wrote):
        return EmulatorError(
            f"{self._name} on {self._stream._name()} {'writes' if writes else 'reads'} memory that "
            f"stream {other} {'writes' if wrote else 'reads'}: it does not wait for that"
        )


def hand_out(accesses, start, end):
    """Memory that the current stream had before is handed out again: for other streams, what that
    stream did with it until now may still go on."""
    stream = streams.get_current_stream()
    if accesses:  # by other streams
        operation = Operation("the next use of memory given back to the pool")
        operation.uses(accesses, start, end, writes=True)
    else:
        accesses[start, end, stream._number, True] = stream._clock.get(stream._number, 0)


def give_back(accesses, number):
    """Memory is given back: to the stream of this number, whose own accesses have an order."""
    for key in [key for key in accesses if key[2] == number]:
        del accesses[key]


def block_of(array):
    """The allocation that a NumPy array is a view of; None if it is not in device memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if hasattr(array, "accesses") else None


def _bounds(array):
    """The first byte of an array, and the one after its last."""
    start = end = array.__array_interface__["data"][0]
    if array.flags.c_contiguous:
        return start, start + array.nbytes
    for size, stride in zip(array.shape, array.strides):
        if stride < 0:
            start += (size - 1) * stride
        else:
            end += (size - 1) * stride
    return start, end + array.itemsize
