"""The kernels of every backend for NumPy arrays, so that one test serves them all.

`Kernels` takes images as users have them, (N, C, H, W); `for_numpy` as kernels do, channels last.
"""

import contextlib
import functools
import importlib
import inspect

import numpy as np

from minigrad import backend
from minigrad.kernels import reference
from tests import cuda_emulator

BACKENDS = ("reference", "cpu", "cuda")

GUARD = 64  # bytes


class Kernels:
    """The kernels of a backend for images (N, C, H, W), in any order of memory."""

    def __init__(self, name: str):
        self.name = name
        self.kernels = for_numpy(name)

    def __getattr__(self, family):
        kernels = getattr(self.kernels, family)
        is_of_images = isinstance(getattr(reference, family), reference.ChannelsLast)
        return ChannelsFirst(kernels) if is_of_images else kernels


class ChannelsFirst:
    """A family of kernels, or another module of them, for arrays (N, C, ...), not (N, ..., C).

    Arrays whose channels are last in memory are passed on as views, others as copies.
    """

    def __init__(self, family):
        self.family = family

    def __getattr__(self, name):
        function = getattr(self.family, name)
        parameters = inspect.signature(function).parameters

        def call(*arguments, **named):
            named.update(zip(parameters, arguments))
            contiguous = {}  # an array that is given twice is one array in the call, too
            for key in reference.IMAGES & named.keys():
                array = named[key]
                if id(array) not in contiguous:
                    contiguous[id(array)] = np.ascontiguousarray(np.moveaxis(array, 1, -1))
            outputs = {
                key: named[key]
                for key, parameter in parameters.items()
                if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
            }
            function(**{key: contiguous.get(id(value), value) for key, value in named.items()})
            for array in outputs.values():
                if id(array) in contiguous:
                    np.moveaxis(array, 1, -1)[...] = contiguous[id(array)]

        return call


def for_numpy(name: str):
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

        @functools.wraps(function)
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
    """An array on the device, between guards that must not change.

    Each array has guards of its own, so that a copy of one is not taken for another.
    """

    def __init__(self, host, backend, guard):
        self.host, self.backend, self.guard = host, backend, guard
        size = host.size * host.itemsize
        self.inside = slice(_guard_bytes, _guard_bytes + size)
        block = np.full(size + 2 * _guard_bytes, guard, np.uint8)
        block[self.inside] = host.reshape(-1).view(np.uint8)
        self.block = backend.asarray(block)
        self.array = self.block[self.inside].view(host.dtype).reshape(host.shape)

    def fetch(self):
        block = self.backend.asnumpy(self.block)
        guards = np.delete(block, self.inside)
        assert (guards == self.guard).all(), "a kernel wrote beside an array"
        result = block[self.inside].view(self.host.dtype).reshape(self.host.shape)
        if result.tobytes() != self.host.tobytes():
            self.host[...] = result
