"""The GPU as the kernels see it: its size, its memory and its matrix products.

`minigrad.cuda` connects it to CuPy when the backend "cuda" is first asked for; CuPy is not
imported here.
"""

import numpy as np

from minigrad.kernels.shared import bfloat16

THREADS = 256  # of a block, where a kernel does not say otherwise
# Of kernels that loop until all work is done: enough to keep a multiprocessor busy.
_BLOCKS_PER_MULTIPROCESSOR = 16
# cuBLAS and CUDA names of the types of a product.
_DATA_TYPE = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
_DATA_TYPE |= dict.fromkeys(bfloat16.TYPES, 14)
_COMPUTE_FLOAT32, _COMPUTE_TF32, _COMPUTE_FLOAT64 = 68, 77, 70
_DEFAULT_ALGORITHM = -1


class Device:
    """The GPU in use.

    Attributes:
        tf32: whether float32 products may round their factors to TF32 (10 bits of mantissa), which
            tensor cores multiply about eight times faster.
    """

    tf32 = False

    def connect(self, cupy) -> None:
        """Use this module, CuPy or one that behaves like it."""
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
        return max(
            1, min(-(-count // per_block), _BLOCKS_PER_MULTIPROCESSOR * self.multiprocessors)
        )

    def matmul(self, a, b, *, output, accumulate: bool = False) -> None:
        """output = a @ b with cuBLAS, or output += a @ b.

        Args:
            a, b: (B, M, K) and (B, K, N), views in which either of the last two dimensions is
                adjacent in memory.
            output: (B, M, N), the last dimension adjacent; of the type of the factors, or, of those
                in bfloat16, float32. Sums are float32 then, too.
        """
        cublas = self.cupy.cuda.cublas
        (batch, M, K), N = a.shape, b.shape[2]
        if b.shape[:2] != (batch, K) or output.shape != (batch, M, N):
            raise ValueError(f"matmul: a {a.shape} @ b {b.shape} does not fit {output.shape}")
        if K == 0 or output.size == 0:
            if not accumulate:
                output[...] = 0
            return
        factor_type, output_type = _DATA_TYPE[a.dtype], _DATA_TYPE[output.dtype]
        compute_type, scalar = _COMPUTE_FLOAT32, np.float32
        if a.dtype == np.float64:
            compute_type, scalar = _COMPUTE_FLOAT64, np.float64
        elif a.dtype == np.float32 and self.tf32:
            compute_type = _COMPUTE_TF32
        one, beta = np.ones(1, scalar), np.full(1, accumulate, scalar)
        # cuBLAS counts columns first: what it takes for the output is its transpose, b.T @ a.T.
        self.cupy.cuda.cublas.gemmStridedBatchedEx(
            self.cupy.cuda.device.get_cublas_handle(),
            *(_operation(b, cublas), _operation(a, cublas)),
            *(N, M, K),
            one.ctypes.data,
            *(b.data.ptr, factor_type, _leading_dimension(b), _batch_stride(b)),
            *(a.data.ptr, factor_type, _leading_dimension(a), _batch_stride(a)),
            beta.ctypes.data,
            *(output.data.ptr, output_type, _leading_dimension(output), _batch_stride(output)),
            *(batch, compute_type, _DEFAULT_ALGORITHM),
        )


def _rows_adjacent(matrices) -> bool:
    """Whether the elements of a row are neighbors, or else those of a column."""
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
