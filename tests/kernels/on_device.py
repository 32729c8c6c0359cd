"""The kernels of every backend for NumPy arrays, so that one test serves them all."""

import contextlib
import importlib

import numpy as np

from minigrad import backend
from tests import cuda_emulator

BACKENDS = ("reference", "cpu", "cuda")

GUARD = 64  # bytes


def Kernels(name: str):
    """The kernels of a backend; those of "cuda" copy the arrays to the device and back."""
    return (
        _DeviceKernels() if name == "cuda" else importlib.import_module(f"minigrad.kernels.{name}")
    )


_guard_bytes = 0 if cuda_emulator.settings.sanitizer else GUARD
"""None for a sanitizer, which sees where an allocation ends, reads beyond it too."""


@contextlib.contextmanager
def memory_pool_off(cupy):
    """Every array made in a `with` block is an allocation of its own, without guards."""
    global _guard_bytes
    allocator, guard_bytes = cupy.cuda.get_allocator(), _guard_bytes
    cupy.cuda.set_allocator(None)
    _guard_bytes = 0
    try:
        yield
    finally:
        cupy.cuda.set_allocator(allocator)
        _guard_bytes = guard_bytes


class _DeviceKernels:
    def __init__(self):
        self.backend = backend.get("cuda")

    def __getattr__(self, family):
        return _DeviceFamily(self.backend, getattr(self.backend.kernels, family))


class _DeviceFamily:
    def __init__(self, backend, module):
        self.backend, self.module = backend, module

    def __getattr__(self, name):
        function = getattr(self.module, name)
        if not callable(function):
            return function

        def call(*arguments, **outputs):
            copies = {}

            def moved(value):
                if not isinstance(value, np.ndarray):
                    return value
                # An array that is given twice is one array on the device, too.
                if id(value) not in copies:
                    copies[id(value)] = Copy(value, self.backend, guard=100 + len(copies))
                return copies[id(value)].array

            function(
                *[moved(value) for value in arguments],
                **{name: moved(value) for name, value in outputs.items()},
            )
            for copy in copies.values():
                copy.fetch()

        return call


class Copy:
    """An array on the device, in the same order of memory, between guards that must not change.

    Each array has guards of its own, so that a copy of one is not taken for another.
    """

    def __init__(self, host, backend, guard):
        self.host, self.backend, self.guard = host, backend, guard
        # The dimensions in the order of memory, those of largest stride first.
        order = sorted(range(host.ndim), key=lambda axis: -abs(host.strides[axis]))
        self.ordered = host.transpose(order)
        size = host.size * host.itemsize
        self.inside = slice(_guard_bytes, _guard_bytes + size)
        block = np.full(size + 2 * _guard_bytes, guard, np.uint8)
        block[self.inside] = np.ascontiguousarray(self.ordered).reshape(-1).view(np.uint8)
        self.block = backend.asarray(block)
        inner = self.block[self.inside].view(host.dtype).reshape(self.ordered.shape)
        self.array = inner.transpose(np.argsort(order).tolist())

    def fetch(self):
        block = self.backend.asnumpy(self.block)
        guards = np.delete(block, self.inside)
        assert (guards == self.guard).all(), "a kernel wrote beside an array"
        result = block[self.inside].view(self.host.dtype).reshape(self.ordered.shape)
        if not np.array_equal(result, self.ordered, equal_nan=result.dtype.kind == "f"):
            self.ordered[...] = result
