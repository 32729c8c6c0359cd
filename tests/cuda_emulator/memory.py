"""Device memory and the pool that hands it out: a small model of CuPy's.

As there, a request is rounded up to 512 bytes; the smallest free piece that fits is cut to size;
freed pieces join free neighbors; and only when nothing fits does the pool get a new segment from
the device. A piece is handed out for one stream only, the one that was current when its segment
was made, and at once: another stream that used it must have been waited for. Unlike there, memory
that was used before is filled with NaN (all bits set) when it is handed out again, so that nothing
can count on what was left in it.

Without the pool, after `set_allocator(None)`, and under a sanitizer every allocation is made and
freed on its own, so that a sanitizer knows where an array ends.
"""

import bisect
import contextlib
import ctypes
import threading
from collections import deque

from . import settings
from .accesses import give_back, hand_out
from .streams import get_current_stream

UNIT = 512
POISON = 0xFF
DEVICE_BYTES = 141 << 30

_libc = ctypes.CDLL(None)
_libc.posix_memalign.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
_libc.free.argtypes = [ctypes.c_void_p]


class OutOfMemoryError(MemoryError):
    """As cupy.cuda.memory.OutOfMemoryError."""


class Piece:
    """A part of a segment, in use or free; its neighbors are the parts beside it."""

    def __init__(self, address, size):
        self.address = address
        self.size = size
        self.free = False
        self.before = None
        self.after = None
        self.stream = get_current_stream()._number
        self.accesses = {}  # see accesses.py; they outlast the arrays

    @property
    def is_whole_segment(self):
        return self.before is None and self.after is None


class MemoryPool:
    """cupy.get_default_memory_pool()."""

    _keeps_memory = not settings.sanitizer  # what is freed is used again

    def __init__(self):
        # Re-entrant: Python may collect garbage, and release memory, while the pool works.
        self._lock = threading.RLock()
        self._works = False
        self._released = deque()  # addresses
        self._free = []  # (stream, size, address, piece), sorted
        self._in_use = {}  # address: piece
        self._total = 0
        self._limit = 0

    def used_bytes(self):
        return sum(piece.size for piece in list(self._in_use.values()))

    def total_bytes(self):
        return self._total

    def free_bytes(self):
        return self._total - self.used_bytes()

    def n_free_blocks(self):
        return len(self._free)

    def set_limit(self, size=None, fraction=None):
        if (size is None) == (fraction is None):
            raise ValueError("give either size or fraction")
        self._limit = int(size if fraction is None else fraction * DEVICE_BYTES)

    def get_limit(self):
        return self._limit

    @contextlib.contextmanager
    def _working(self):
        """The block changes the pieces; what is released meanwhile is taken back at its end."""
        with self._lock:
            self._works = True
            try:
                yield
            finally:
                while self._released:
                    self._take_back(self._released.popleft())
                self._works = False

    def free_all_blocks(self, stream=None):
        """Gives segments that are wholly free back to the device."""
        with self._working():
            self._free_whole_segments()

    def _free_whole_segments(self):
        for entry in list(self._free):
            if entry[3].is_whole_segment:
                self._free.remove(entry)
                self._total -= entry[3].size
                _libc.free(entry[2])

    def malloc(self, size):
        """An allocator: see set_allocator."""
        return DeviceBlock(size, self)

    def allocate(self, size):
        """Returns the address of at least `size` bytes that hold nothing of use."""
        with self._working():
            if self._keeps_memory:
                rounded = -(-size // UNIT) * UNIT
                piece = self._take_free(rounded) or self._new_segment(rounded)
            else:
                piece = self._new_segment(size)
            self._in_use[piece.address] = piece
        hand_out(piece.accesses, piece.address, piece.address + piece.size)
        ctypes.memset(piece.address, POISON, size)
        return piece.address

    def release(self, address):
        """Take memory back, which `allocate` has given."""
        self._released.append(address)
        with self._lock:
            if not self._works:
                with self._working():
                    pass

    def _take_back(self, address):
        piece = self._in_use.pop(address)
        if not self._keeps_memory:
            self._total -= piece.size
            _libc.free(address)
            return
        piece.free = True
        give_back(piece.accesses, piece.stream)
        for neighbor in (piece.before, piece.after):
            if neighbor is not None and neighbor.free:
                self._free.remove(self._entry(neighbor))
                piece = self._join(*sorted((piece, neighbor), key=lambda p: p.address))
        bisect.insort(self._free, self._entry(piece))

    def accesses(self, address):
        """What was done with the allocation that begins there."""
        return self._in_use[address].accesses

    @staticmethod
    def _entry(piece):
        return piece.stream, piece.size, piece.address, piece

    def holds(self, address, size):
        """Do all these bytes belong to one allocation that is in use?"""
        return self.find(address, size) is not None

    def find(self, address, size):
        """The piece in use that has all these bytes; None if there is none."""
        for piece in list(self._in_use.values()):
            if piece.address <= address and address + size <= piece.address + piece.size:
                return piece
        return None

    def _take_free(self, size):
        stream = get_current_stream()._number
        i = bisect.bisect_left(self._free, (stream, size))
        if i == len(self._free) or self._free[i][0] != stream:
            return None
        piece = self._free.pop(i)[3]
        piece.free = False
        if piece.size > size:
            rest = Piece(piece.address + size, piece.size - size)
            rest.free = True
            rest.before, rest.after = piece, piece.after
            rest.accesses = dict(piece.accesses)
            if rest.after is not None:
                rest.after.before = rest
            piece.after = rest
            piece.size = size
            bisect.insort(self._free, self._entry(rest))
        return piece

    def _new_segment(self, size):
        limit = self._limit or DEVICE_BYTES
        if self._total + size > limit:
            self._free_whole_segments()
        if self._total + size > limit:
            message = (
                f"Out of memory allocating {size:,} bytes (allocated so far: {self._total:,} bytes"
            )
            if self._limit:
                message += f", limit set to: {self._limit:,} bytes"
            raise OutOfMemoryError(message + ").")
        address = ctypes.c_void_p()
        if _libc.posix_memalign(ctypes.byref(address), UNIT, size):
            raise OutOfMemoryError(f"this machine has no {size:,} bytes to emulate a device with")
        self._total += size
        return Piece(address.value, size)

    @staticmethod
    def _join(left, right):
        left.size += right.size
        left.accesses |= right.accesses
        left.after = right.after
        if left.after is not None:
            left.after.before = left
        left.free = True
        return left


class _Device(MemoryPool):
    """What is freed is given back at once."""

    _keeps_memory = False


class PinnedMemoryPool:
    """cupy.get_default_pinned_memory_pool()."""

    def n_free_blocks(self):
        return 0

    def free_all_blocks(self):
        pass


class DeviceBlock:
    """One allocation, given back when the last NumPy view of it is gone."""

    def __init__(self, size, pool):
        self._pool = pool
        self.address = pool.allocate(size)
        self.accesses = pool.accesses(self.address)
        self.__array_interface__ = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (self.address, False),
        }

    def __del__(self):
        # Not if allocate() failed.
        if hasattr(self, "address"):
            self._pool.release(self.address)


pool = MemoryPool()
pinned_pool = PinnedMemoryPool()
_device = _Device()
_allocator = pool.malloc


def set_allocator(allocator=None):
    """cupy.cuda.set_allocator: the function that arrays have their memory from.

    None: every array is an allocation of its own.
    """
    global _allocator
    _allocator = _device.malloc if allocator is None else allocator


def get_allocator():
    return _allocator


def alloc(size):
    return _allocator(size)


def holds(address, size):
    """Do all these bytes belong to one allocation that is in use?"""
    return accesses(address, size) is not None


def accesses(address, size):
    """What was done with the allocation that has all these bytes; None if there is none."""
    piece = pool.find(address, size) or _device.find(address, size)
    return None if piece is None else piece.accesses


def free_bytes():
    """What the device has left."""
    return DEVICE_BYTES - pool.total_bytes() - _device.total_bytes()


class PinnedMemory(bytearray):
    """cupy.cuda.alloc_pinned_memory(n): a buffer, rounded up as CuPy's is."""

    def __init__(self, size):
        super().__init__(-(-size // UNIT) * UNIT)

    @property
    def ptr(self):
        return ctypes.addressof((ctypes.c_char * len(self)).from_buffer(self))

    def size(self):
        return len(self)
