"""Every CUDA C source compiles for every architecture, and fits on it."""

import pytest

from minigrad.kernels import cuda as cuda_kernels
from minigrad.kernels.conv2d import cuda_implicit_gemm
from minigrad.kernels.shared import source as sources
from minigrad.kernels.shared.device import THREADS
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
    # bfloat16 is for tensor cores only.
    types = [dtype for dtype in source.types if architecture >= 80 or dtype in sources.FLOAT_TYPES]
    expressions = [name for dtype in types for name in source.expressions(dtype)]
    threads, blocks = source.constants.get("THREADS", THREADS), 1
    if path == TENSOR_CORES:  # as many share a multiprocessor as the launcher counts on
        blocks = cuda_implicit_gemm._BLOCKS_PER_MULTIPROCESSOR
    kernels = nvrtc.compile_source(source.text(), expressions, architecture, source.options)
    assert len(kernels) == len(expressions)
    for name, kernel in kernels.items():
        assert kernel.spilled == 0, f"{name} spills {kernel.spilled} bytes"
        assert kernel.registers * threads * blocks <= nvrtc.REGISTERS, name
        assert kernel.shared_memory <= 48 * 1024, name


def test_every_file_of_cuda_c_is_a_source():
    files = {str(path.relative_to(sources.FOLDER)) for path in sources.FOLDER.glob("*/*.cu")}
    assert files == set(SOURCES)


def test_tiles_fit_into_shared_memory():
    least = min(size for arch, size in nvrtc.ARCHITECTURES.items() if arch >= 80)
    assert max(map(cuda_implicit_gemm.product_memory, cuda_implicit_gemm.PRODUCT_TILES)) <= least
    tiles = cuda_implicit_gemm.GRADIENT_TILES.values()
    assert max(cuda_implicit_gemm.gradient_memory(tile) for tile in sum(tiles, ())) <= least


# Of the loop over the sum, for 64 products of a warp, on compute capability 9.0: as counted with
# NVRTC 13.5. A multiprocessor starts one instruction of each of its four schedulers a cycle, each
# of which has a warp of both blocks, and needs 413 cycles for the products of a block.
INSTRUCTIONS = {
    "implicit_gemm<float, 128, 16>": 298,
    "implicit_gemm<bfloat16, 128, 16>": 232,
    "weight_gradient<float, 128, 16>": 583,
    "weight_gradient<bfloat16, 128, 16>": 313,
}


@pytest.mark.parametrize("expression", INSTRUCTIONS)
def test_instructions_of_the_inner_loop(expression):
    """More of them are slower; another version of the compiler may need a few more or less."""
    source = SOURCES[TENSOR_CORES]
    found = nvrtc.instructions_of_loop(source.text(), expression, 90, source.options)
    assert found["HMMA"] == 64
    assert found["LDGSTS"] == 8, "a thread starts 8 copies of 16 bytes"
    # Fragments: 4 instructions for A and 4 for B, twice; of float, transposed, 64 of 4 bytes.
    transposed = expression.startswith("weight_gradient<float")
    assert found["LDSM"] == (0 if transposed else 16)
    assert found["LDL"] == found["STL"] == 0, "no registers in memory"
    total = sum(found.values())
    limit = 1.05 * INSTRUCTIONS[expression]
    assert total <= limit, f"{total} instructions instead of {INSTRUCTIONS[expression]}: {found}"
