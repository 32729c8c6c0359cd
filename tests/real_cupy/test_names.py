"""What the stand-in offers is in CuPy, and takes the same arguments; so do the project's calls."""

import inspect
import types

import numpy as np
import pytest

from minigrad.kernels.shared import bfloat16
from minigrad.kernels.shared import device as device_module
from tests.cuda_emulator import array, device_api, launch, memory, nccl, streams
from tests.real_cupy import STAND_IN, calls, cupy, real_nccl
from tests.real_cupy.signatures import disagreements, signature_of
from tests.test_architecture import SOURCES, name_of

MODULES = {
    "cupy": (STAND_IN, cupy),
    "cupy.cuda": (STAND_IN.cuda, cupy.cuda),
    "cupy.cuda.runtime": (STAND_IN.cuda.runtime, cupy.cuda.runtime),
    "cupy.cuda.memory": (STAND_IN.cuda.memory, cupy.cuda.memory),
    "cupy.cuda.device": (STAND_IN.cuda.device, cupy.cuda.device),
    "cupy.cuda.cublas": (STAND_IN.cuda.cublas, cupy.cuda.cublas),
    "cupy.cuda.nccl": (nccl.module, real_nccl),
}
# With an instance where attributes are set when one is made.
CLASSES = {
    "ndarray": (array.ndarray, None, cupy.ndarray),
    "flags": (array.Flags, array.empty(1).flags, cupy._core.flags.Flags),
    "array.data": (array.MemoryPointer, array.MemoryPointer(0), cupy.cuda.MemoryPointer),
    "RawModule": (launch.RawModule, None, cupy.RawModule),
    "RawKernel": (launch.Function, None, cupy.RawKernel),
    "Stream": (streams.Stream, streams.Stream(), cupy.cuda.Stream.null),
    "Event": (streams.Event, streams.Event(), cupy.cuda.Event),
    "Device": (device_api.Device, device_api.Device(), cupy.cuda.Device),
    "NCCL": (nccl.NcclCommunicator, None, real_nccl.NcclCommunicator),
    "memory pool": (memory.MemoryPool, memory.pool, cupy.cuda.MemoryPool),
    "pinned memory pool": (memory.PinnedMemoryPool, memory.pinned_pool, cupy.cuda.PinnedMemoryPool),
    "pinned memory": (memory.PinnedMemory, memory.PinnedMemory(1), cupy.cuda.PinnedMemoryPointer),
}
# Of the emulator itself.
OWN_NAMES = {("memory pool", name) for name in ("accesses", "allocate", "find", "holds", "release")}
OF_EVERY_CLASS = {*vars(type("", (), {})), "__slots__", "__init__", "__static_attributes__"}
OF_EVERY_CLASS |= {"__firstlineno__", "__repr__", "__str__"}


def public(names):
    return [name for name in names if not name.startswith("_")]


def names_of_class(cls, instance):
    names = [name for name in vars(cls) if name[:1] != "_" or name[:2] == name[-2:] == "__"]
    names += public(getattr(instance, "__dict__", ()))
    return [name for name in names if name not in OF_EVERY_CLASS]


NAMES = [(module, name) for module, (ours, _) in MODULES.items() for name in public(vars(ours))]
MEMBERS = [
    (cls, name)
    for cls, (ours, instance, _) in CLASSES.items()
    for name in names_of_class(ours, instance)
    if (cls, name) not in OWN_NAMES
]


def member(cls, instance, name):
    """Of the class, where a property is not asked for its value, or else of the instance."""
    if cls is None:
        cls = instance if isinstance(instance, type) else type(instance)
    if any(name in vars(base) for base in cls.__mro__ if base is not object):
        return getattr(cls, name)
    return vars(instance)[name]


def require_the_same_parameters(ours, theirs):
    expected = signature_of(theirs)
    assert expected is not None, "CuPy does not say what it takes"
    assert disagreements(signature_of(ours), expected) == []


@pytest.mark.parametrize("module, name", NAMES)
def test_name_is_in_cupy(module, name):
    ours, theirs = (getattr(owner, name) for owner in MODULES[module])
    if isinstance(ours, types.ModuleType):
        assert inspect.ismodule(theirs)
    elif name == "__version__":
        assert ours.split(".")[0] == theirs.split(".")[0]
    elif inspect.isclass(ours) and issubclass(ours, Exception):
        builtin = [base for base in ours.__mro__ if base.__module__ == "builtins"]
        assert issubclass(theirs, builtin[0])
    elif callable(ours) and ours is not theirs:  # many types are NumPy's own in both
        if name != "ndarray":  # which the stand-in makes in its own way
            require_the_same_parameters(ours, theirs)
    else:
        assert theirs is ours or theirs == ours


@pytest.mark.parametrize("cls, name", MEMBERS)
def test_member_of_class_is_in_cupy(cls, name):
    ours, instance, theirs = CLASSES[cls]
    mine, other = member(ours, instance, name), member(None, theirs, name)
    assert callable(mine) == callable(other)
    if callable(mine) and (name == "__call__" or not name.startswith("__")):
        require_the_same_parameters(mine, other)


def test_attributes_of_the_device():
    names = {f"cudaDevAttr{name}" for name in device_api.Device.attributes}
    assert names <= set(vars(cupy.cuda.runtime))


def test_attribute_of_kernels_that_is_set():
    assert hasattr(cupy.RawKernel, "max_dynamic_shared_size_bytes")


def test_numbers_that_the_kernels_hand_to_cublas():
    cublas, runtime = cupy.cuda.cublas, cupy.cuda.runtime
    assert device_module._DATA_TYPE == {
        np.dtype("f4"): runtime.CUDA_R_32F,
        np.dtype("f8"): runtime.CUDA_R_64F,
        bfloat16.DTYPE: runtime.CUDA_R_16BF,
    }
    assert device_module._COMPUTE_FLOAT32 == cublas.CUBLAS_COMPUTE_32F
    assert device_module._COMPUTE_TF32 == cublas.CUBLAS_COMPUTE_32F_FAST_TF32
    assert device_module._COMPUTE_FLOAT64 == cublas.CUBLAS_COMPUTE_64F
    assert device_module._DEFAULT_ALGORITHM == cublas.CUBLAS_GEMM_DEFAULT


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_calls_of_the_project_fit_cupy(path):
    for place, found, call in calls.calls(path, cupy, real_nccl):
        assert not isinstance(found, calls.Missing), place
        signature = signature_of(found) if call is not None and callable(found) else None
        if signature is not None:
            assert calls.misfit(call, signature) is None, place
