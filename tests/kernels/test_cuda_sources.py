"""Every CUDA C source compiles for every architecture, and fits on it."""

import pytest

from minigrad.kernels import cuda as cuda_kernels
from minigrad.kernels.conv2d import cuda_implicit_gemm
from minigrad.kernels.shared import source as sources
from minigrad.kernels.shared.device import device
from tests.kernels import nvrtc

SOURCES = cuda_kernels.sources()
TENSOR_CORES = "conv2d/cuda_implicit_gemm.cu"  # with TF32: from compute capability 8.0 on


@pytest.mark.parametrize(
    "path, architecture",
    [
        (path, architecture)
        for path in SOURCES
        for architecture in nvrtc.ARCHITECTURES
        if path != TENSOR_CORES or architecture >= 80
    ],
)
def test_source_compiles_without_warnings_and_spills(path, architecture):
    source = SOURCES[path]
    expressions = [name for dtype in source.types for name in source.expressions(dtype)]
    kernels = nvrtc.compile_source(source.text(), expressions, architecture, source.options)
    assert len(kernels) == len(expressions)
    for name, kernel in kernels.items():
        assert kernel.spilled == 0, f"{name} spills {kernel.spilled} bytes"
        assert kernel.registers * 256 <= nvrtc.REGISTERS, name
        assert kernel.shared_memory <= 48 * 1024, name


def test_every_file_of_cuda_c_is_a_source():
    files = {str(path.relative_to(sources.FOLDER)) for path in sources.FOLDER.glob("*/*.cu")}
    assert files == set(SOURCES)


def test_tiles_fit_into_shared_memory():
    least = min(size for arch, size in nvrtc.ARCHITECTURES.items() if arch >= 80)
    assert max(map(cuda_implicit_gemm.product_memory, cuda_implicit_gemm.PRODUCT_TILES)) <= least
    assert max(map(cuda_implicit_gemm.gradient_memory, cuda_implicit_gemm.GRADIENT_TILES)) <= least


@pytest.mark.parametrize("architecture", [80, 90, 100, 120])
@pytest.mark.parametrize("vector", [1, 4])
def test_blocks_of_the_weight_gradient_share_a_multiprocessor(architecture, vector, monkeypatch):
    """As many as the launcher counts on get their registers."""
    monkeypatch.setattr(device, "compute_capability", architecture, raising=False)
    blocks = cuda_implicit_gemm.blocks_per_multiprocessor(vector)
    source, expressions = SOURCES[TENSOR_CORES], [f"weight_gradient<128, {vector}>"]
    (kernel,) = nvrtc.compile_source(
        source.text(), expressions, architecture, source.options
    ).values()
    assert kernel.registers * 256 * blocks <= nvrtc.REGISTERS
