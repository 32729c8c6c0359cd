"""Puts the stand-in for the module cupy together."""

import sys
import types

import numpy as np

from . import array, device_api, functions, launch, memory, signatures

DTYPES = """
    bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 intp dtype
    finfo iinfo result_type promote_types can_cast issubdtype integer floating
""".split()
FUNCTIONS = """
    zeros ones full arange empty_like zeros_like ones_like full_like array asarray ascontiguousarray
    asnumpy copyto argsort pad array_equal may_share_memory shares_memory
""".split()


class StandIn(types.ModuleType):
    """A module whose missing names say that they are missing from the stand-in."""

    def __getattr__(self, name):
        raise AttributeError(f"module 'cupy' of the emulator has no attribute {name!r}")


def make() -> types.ModuleType:
    module = StandIn("cupy")
    for name in DTYPES:
        setattr(module, name, getattr(np, name))
    for name in (*FUNCTIONS, *functions.UFUNCS, *signatures.FUNCTIONS):
        setattr(module, name, getattr(functions, name))
    module.ndarray = array.ndarray
    module.empty = array.empty
    module.newaxis = None
    module.inf = np.inf
    module.nan = np.nan
    module.pi = np.pi
    module.__version__ = "14.0.0+emulated"
    module.RawModule = launch.RawModule
    module.get_default_memory_pool = lambda: memory.pool
    module.get_default_pinned_memory_pool = lambda: memory.pinned_pool
    module.get_array_module = _array_module
    module.cuda = device_api.cuda
    return module


def _array_module(*arrays):
    on_device = any(isinstance(a, array.ndarray) for a in arrays)
    return sys.modules["cupy"] if on_device else np
