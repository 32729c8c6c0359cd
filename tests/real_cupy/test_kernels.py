"""CuPy compiles the sources and takes their arguments; the backend says what is missing."""

import contextlib
import ctypes
import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minigrad.kernels.shared import source as sources
from minigrad.kernels.shared.device import Device, device
from tests import cuda_emulator
from tests.kernels.test_cuda_sources import SOURCES
from tests.real_cupy import cupy, device_arrays
from tests.test_architecture import ROOT

raw, _scalar = cupy._core.raw, cupy._core._scalar
compiler, function = cupy.cuda.compiler, cupy.cuda.function


@contextlib.contextmanager
def reaching_the_device():
    """All was accepted until CuPy asked for a GPU."""
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="cudaErrorInsufficientDriver"):
        yield


@pytest.mark.parametrize("value", [0, 1, 3, 100])
@pytest.mark.parametrize("dtype", "bool int32 uint32 int64 uint64 float32 float64".split())
def test_scalars_are_handed_to_kernels_as_they_are(dtype, value):
    expected = np.array(value, dtype)
    argument = _scalar.CScalar(expected[()])
    assert argument.dtype == dtype
    assert ctypes.string_at(argument.ptr, expected.nbytes) == expected.tobytes()


def test_none_is_a_null_pointer():
    null = _scalar.CScalar(sources._argument(None, np.float32))
    assert null.dtype.itemsize == 8
    assert ctypes.string_at(null.ptr, 8) == bytes(8)


def test_arguments_of_a_launch_are_accepted(monkeypatch):
    kernel = function.Function.__new__(function.Function)  # of no module

    class Module:
        def __init__(self, **options):
            cupy.RawModule(**options)

        def get_function(self, name):
            # The current stream would be the first thing to need a device.
            return lambda *arguments, **options: kernel(
                *arguments, stream=SimpleNamespace(ptr=0), **options
            )

    connected = SimpleNamespace(RawModule=Module, ndarray=cupy.ndarray)
    monkeypatch.setattr(device, "cupy", connected, raising=False)
    monkeypatch.setattr(sources.Source, "all", [])
    source = sources.Source("relu/cuda.cu", "relu")
    _, on_device, host = device_arrays()
    scalars = [1, 2.0, None, True, np.uint64(3), np.float64(0.5), np.int64(-1)]
    with reaching_the_device():
        source.launch("relu", host.dtype, 1, on_device, *scalars)
    with reaching_the_device():
        source.launch("relu", host.dtype, (2, 3, 4), on_device, *scalars, threads=(8, 8))
    with pytest.raises(TypeError, match="expected an array of the GPU"):
        source.launch("relu", host.dtype, 1, SimpleNamespace(flags=on_device.flags))


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("tf32", [False, True])
def test_arguments_of_a_matrix_product_are_accepted(accumulate, tf32):
    device = Device()
    device.tf32 = tf32
    device.cupy = SimpleNamespace(
        cuda=SimpleNamespace(
            cublas=cupy.cuda.cublas, device=SimpleNamespace(get_cublas_handle=lambda: 0)
        )
    )
    _, a, _ = device_arrays()
    with reaching_the_device():
        device.matmul(a, a.swapaxes(1, 2), output=a[:, :, :3], accumulate=accumulate)


class LoadedModule(function.Module):
    """What would be sent to the device."""

    def load(self, cubin):
        self.cubin = cubin


class CompiledModule:
    """`cupy.RawModule`, but that the driver is not asked for the kernels."""

    def __init__(self, **options):
        module = cupy.RawModule(**options)
        log = io.StringIO()
        # What RawModule.get_function does after it has asked which device is the current one.
        self.compiled = raw._get_raw_module.__wrapped__(
            *(module.code, module.file_path, module.options, module.backend),
            *(False, module.enable_cooperative_groups, False, module.name_expressions, log),
        )
        assert log.getvalue().strip("\0\n") == ""  # no warning

    def get_function(self, name):
        mangled = self.compiled.mapping[name]
        assert mangled.encode() in self.compiled.cubin
        return lambda *arguments, **options: None


@pytest.fixture(params=["80", "90"])
def architecture(request, monkeypatch):
    """Lets CuPy compile for a GPU that is not there, and keeps it from its cache on disk."""
    in_memory = SimpleNamespace(load=lambda name: None, save=lambda name, payload, source: None)
    monkeypatch.setattr(compiler, "_kernel_cache_backend", in_memory)
    monkeypatch.setattr(compiler, "function", SimpleNamespace(Module=LoadedModule))
    monkeypatch.setattr(compiler, "_get_arch", lambda: request.param)
    options_of = compiler._get_arch_for_options_for_nvrtc.__wrapped__
    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", options_of)
    return request.param


@pytest.mark.parametrize("path", SOURCES)
def test_source_compiles_as_cupy_compiles_it(path, architecture, monkeypatch):
    compiled = []

    class Module(CompiledModule):
        def get_function(self, name):
            compiled.append(name)
            return super().get_function(name)

    connected = SimpleNamespace(RawModule=Module, ndarray=cupy.ndarray)
    monkeypatch.setattr(device, "cupy", connected, raising=False)
    monkeypatch.setattr(sources.Source, "all", [])
    source = SOURCES[path]
    # A new one, of which nothing is compiled yet.
    fresh = sources.Source(path, *source.kernels, types=source.types, constants=source.constants)
    for dtype in source.types:
        fresh.compile(dtype)
    expected = [name for dtype in source.types for name in source.expressions(dtype)]
    assert sorted(compiled) == sorted(expected)


def test_backend_says_in_one_line_that_there_is_no_driver():
    script = (
        "from minigrad import backend\n"
        "try:\n    backend.get('cuda')\n"
        "except backend.BackendError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    expected = "backend 'cuda' found no NVIDIA driver: install one, or use --backend cpu\n"
    assert (result.stdout, result.stderr) == (expected, "")


def test_the_emulator_gives_way_to_cupy():
    with cuda_emulator.installed() as module:
        assert sys.modules["cupy"] is module is not cupy
    assert sys.modules["cupy"] is cupy and sys.modules["cupy.cuda"] is cupy.cuda
