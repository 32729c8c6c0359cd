"""The GPU as the kernels see it: sources, launches, matrix products and memory.

`minigrad.backend` connects it to CuPy when the backend "cuda" is first asked for; CuPy is not
imported here.
"""

import importlib
import re
from pathlib import Path

import numpy as np

from kernels._layout import Layout

FOLDER = Path(__file__).parent
REAL = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
THREADS = 256  # of a block, where a kernel does not say otherwise
# Blocks per multiprocessor of kernels that loop over what is left: enough to keep it busy.
_WAVES = 16
# cuBLAS and CUDA names of the types of a product.
_DATA_TYPE = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
_COMPUTE_FLOAT32, _COMPUTE_TF32, _COMPUTE_FLOAT64 = 68, 77, 70
_DEFAULT_ALGORITHM = -1
_SHARED_WITHOUT_ASKING = 48 * 1024  # bytes


class Device:
    """The one GPU in use.

    Attributes:
        tf32: whether float32 products may round their factors to TF32 (10 bits of mantissa), which
            tensor cores multiply about eight times faster.
    """

    tf32 = False

    def connect(self, cupy) -> None:
        """Use this module; it must behave as CuPy does."""
        self.cupy = cupy
        device = cupy.cuda.Device()
        self.multiprocessors = device.attributes["MultiProcessorCount"]
        self.shared_memory = device.attributes["MaxSharedMemoryPerBlockOptin"]  # bytes
        self.compute_capability = int(device.compute_capability)  # 90 for 9.0
        self.has_tensor_cores = self.compute_capability >= 80  # with TF32

    def empty(self, shape, dtype):
        """An uninitialized C-contiguous array; CuPy's pool reuses what earlier ones released."""
        return self.cupy.empty(shape, dtype)

    def blocks(self, count: int, per_block: int = THREADS) -> int:
        """Blocks of a kernel that loops until all of `count` elements are done."""
        return max(1, min(-(-count // per_block), _WAVES * self.multiprocessors))

    def matmul(self, a, b, *, output, accumulate: bool = False) -> None:
        """output = a @ b with cuBLAS, or output += a @ b.

        Args:
            a, b: (B, M, K) and (B, K, N), views in which either of the last two dimensions is
                adjacent in memory.
            output: (B, M, N), the last dimension adjacent.
        """
        cublas = self.cupy.cuda.cublas
        batch, M, N = output.shape
        K = a.shape[2]
        data_type = _DATA_TYPE[output.dtype]
        compute_type = _COMPUTE_FLOAT64
        if output.dtype == np.float32:
            compute_type = _COMPUTE_TF32 if self.tf32 else _COMPUTE_FLOAT32
        one, beta = np.ones(1, output.dtype), np.full(1, accumulate, output.dtype)
        # cuBLAS counts columns first: what it takes for the output is its transpose, b.T @ a.T.
        self.cupy.cuda.cublas.gemmStridedBatchedEx(
            self.cupy.cuda.device.get_cublas_handle(),
            *(_operation(b, cublas), _operation(a, cublas)),
            *(N, M, K),
            one.ctypes.data,
            *(b.data.ptr, data_type, _leading_dimension(b), _batch_stride(b)),
            *(a.data.ptr, data_type, _leading_dimension(a), _batch_stride(a)),
            beta.ctypes.data,
            *(output.data.ptr, data_type, _leading_dimension(output), _batch_stride(output)),
            *(batch, compute_type, _DEFAULT_ALGORITHM),
        )


def _rows_adjacent(matrices) -> bool:
    """Whether the elements of a row are neighbours, or else those of a column."""
    return matrices.shape[2] == 1 or matrices.strides[2] == matrices.itemsize


def _operation(matrices, cublas) -> int:
    return cublas.CUBLAS_OP_N if _rows_adjacent(matrices) else cublas.CUBLAS_OP_T


def _leading_dimension(matrices) -> int:
    """Elements from one row (or column) to the next."""
    _, rows, columns = matrices.shape
    if _rows_adjacent(matrices):
        return matrices.strides[1] // matrices.itemsize if rows > 1 else columns
    return matrices.strides[2] // matrices.itemsize


def _batch_stride(matrices) -> int:
    return matrices.strides[0] // matrices.itemsize if matrices.shape[0] > 1 else 0


device = Device()


def _turn(source, target):
    target[...] = source.swapaxes(1, 2)


class _ArrayModule:
    """CuPy, looked up when it is used: it is connected after the kernels are imported."""

    def __getattr__(self, name):
        return getattr(device.cupy, name)


layout = Layout(_ArrayModule(), device.empty, _turn)


class _Compiled:
    """A kernel, and the bytes of dynamic shared memory that the driver grants its launches."""

    def __init__(self, function):
        self.function = function
        self.granted = _SHARED_WITHOUT_ASKING


class Source:
    """A file of CUDA C, compiled for a float type when that type is first used.

    Args:
        path: of the file, relative to this folder.
        kernels: names of its templates over the float type; a name with arguments in angle
            brackets is complete.
    """

    all: list["Source"] = []

    def __init__(self, path: str, *kernels: str, types=tuple(REAL)):
        self.path = path
        self.kernels = kernels
        self.types = tuple(map(np.dtype, types))
        self._compiled: dict[tuple, _Compiled] = {}
        Source.all.append(self)

    def launch(self, kernel, dtype, blocks, *arguments, threads=THREADS, shared_memory=0) -> None:
        """Start a kernel on the current stream.

        Args:
            dtype: the float type of the template.
            blocks, threads: numbers, or tuples of up to three.
            arguments: C-contiguous arrays; an int becomes the kernel's ``int``, a float its float
                type, None a null pointer; NumPy scalars stay.
            shared_memory: bytes of dynamic shared memory.

        Raises:
            OverflowError: an int has more than 32 bits.
            ValueError: an array is not C-contiguous, which CuPy would not notice.
        """
        real = dtype.type
        compiled = self._compiled.get((kernel, dtype))
        if compiled is None:
            self.compile(dtype)
            compiled = self._compiled[kernel, dtype]
        if shared_memory > compiled.granted:
            compiled.function.max_dynamic_shared_size_bytes = shared_memory
            compiled.granted = shared_memory
        compiled.function(
            blocks if isinstance(blocks, tuple) else (blocks,),
            threads if isinstance(threads, tuple) else (threads,),
            tuple([_argument(value, real) for value in arguments]),
            shared_mem=shared_memory,
        )

    def text(self) -> str:
        """The source with its own headers in it, since CuPy's cache does not know of headers."""
        return _with_headers(FOLDER / self.path)

    def expressions(self, dtype) -> list[str]:
        """The template instances for a float type."""
        return [name if "<" in name else f"{name}<{REAL[dtype]}>" for name in self.kernels]

    def compile(self, dtype) -> None:
        """Make all kernels for a float type ready to be launched."""
        expressions = self.expressions(dtype)
        module = device.cupy.RawModule(
            code=self.text(), options=OPTIONS, name_expressions=expressions
        )
        for name, expression in zip(self.kernels, expressions):
            self._compiled[name, dtype] = _Compiled(module.get_function(expression))


OPTIONS = ("-std=c++17",)


def all_sources() -> dict[str, Source]:
    """The sources of all kernel families by path, their launchers imported."""
    for path in sorted(FOLDER.glob("*/cuda.py")):
        importlib.import_module(f"kernels.{path.parent.name}.cuda")
    return {source.path: source for source in Source.all}


def _argument(value, real):
    if isinstance(value, float):
        return real(value)
    if isinstance(value, int):
        return np.int32(value)
    if value is None:
        return np.uint64(0)
    if not isinstance(value, np.generic) and not value.flags.c_contiguous:
        raise ValueError(f"kernel argument of shape {value.shape} is not C-contiguous")
    return value


_INCLUDE = re.compile(r'#include "([^"]+)"')


def _with_headers(path: Path) -> str:
    """The text of a file, each `#include "..."` replaced by the file (once), with line marks."""
    lines = [f'#line 1 "kernels/{path.relative_to(FOLDER)}"']
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        include = _INCLUDE.match(line)
        if include:
            lines.append(_with_headers(FOLDER / include[1]))
            lines.append(f'#line {number + 1} "kernels/{path.relative_to(FOLDER)}"')
        else:
            lines.append(line)
    return "\n".join(lines)
