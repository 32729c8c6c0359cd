"""A memory pool for arrays on the CPU: memory is used again as soon as its last array is gone.

The first touch of fresh memory costs ten times more than its use (the operating system maps
and clears every page), and every training step needs the same sizes again.
"""

import contextlib
import math

import numpy as np


class MemoryPool:
    """Makes arrays in blocks of memory that were freed by earlier arrays.

    A block is free again when the last view of its array is gone. Where only smaller ones are free,
    the new one takes the place of one that it can stand in for.
    """

    SMALLEST = 1 << 18  # bytes; below this malloc does the same job

    def __init__(self) -> None:
        self._free: dict[int, list[np.ndarray]] = {}

    def empty(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """An uninitialized C-contiguous array, aligned to a cache line."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < self.SMALLEST:
            return np.empty(shape, dtype)
        block = self._take(size)
        owner = _BlockOwner(block, self._free.setdefault(block.size, []))
        return np.asarray(owner)[:size].view(dtype).reshape(shape)

    def _take(self, size: int) -> np.ndarray:
        """A free block, or a new one."""
        free = [s for s, blocks in list(self._free.items()) if blocks]
        # A block up to twice as large will do: the last batch of an epoch is a smaller one.
        fitting = [s for s in free if size <= s <= 2 * size]
        # The new block will serve the arrays of this one, too.
        replaced = [s for s in free if size <= 2 * s < 2 * size]
        with contextlib.suppress(IndexError, KeyError):  # another thread has just taken it
            if fitting:
                return self._free[min(fitting)].pop()
            if replaced:
                self._free[max(replaced)].pop()
        return _aligned_bytes(size)

    def release(self) -> None:
        """Return all free blocks to the operating system."""
        self._free.clear()


class _BlockOwner:
    """The base of the array in a block, so that it lives as long as any view of the array."""

    def __init__(self, block: np.ndarray, free_blocks: list[np.ndarray]):
        self.__array_interface__ = block.__array_interface__
        self._block = block
        self._free_blocks = free_blocks

    def __del__(self) -> None:
        self._free_blocks.append(self._block)


def _aligned_bytes(size: int, alignment: int = 64) -> np.ndarray:
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


pool = MemoryPool()
