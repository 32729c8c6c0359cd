"""cupy.cuda.cublas, as far as the project uses it: one batched matrix product, strictly checked.

Matrices are column-major, as cuBLAS has them, and are given by raw addresses: the stand-in checks
that everything they reach belongs to one allocation.
"""

import ctypes
import types

import numpy as np
from ml_dtypes import bfloat16

from . import memory
from .accesses import Operation

HANDLE = 0xB1A5

CUBLAS_OP_N = 0
CUBLAS_OP_T = 1
CUDA_R_32F = 0
CUDA_R_64F = 1
CUDA_R_16BF = 14
CUBLAS_COMPUTE_32F = 68
CUBLAS_COMPUTE_64F = 70
CUBLAS_COMPUTE_32F_FAST_TF32 = 77
CUBLAS_GEMM_DEFAULT = -1
CUBLAS_POINTER_MODE_HOST = 0
CUBLAS_POINTER_MODE_DEVICE = 1

DTYPES = {
    CUDA_R_32F: np.dtype(np.float32),
    CUDA_R_64F: np.dtype(np.float64),
    CUDA_R_16BF: np.dtype(bfloat16),
}
COMPUTE_DTYPES = {
    CUBLAS_COMPUTE_32F: np.dtype(np.float32),
    CUBLAS_COMPUTE_32F_FAST_TF32: np.dtype(np.float32),
    CUBLAS_COMPUTE_64F: np.dtype(np.float64),
}


class CUBLASError(RuntimeError):
    """As cupy_backends.cuda.libs.cublas.CUBLASError."""


def gemmStridedBatchedEx(
    handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB,
    beta, C, Ctype, ldc, strideC, batchCount, computeType, algo,
):  # fmt: skip
    """C[i] = alpha op(A[i]) op(B[i]) + beta C[i], with op(A) of m x k and op(B) of k x n.

    Strides count elements. alpha and beta are addresses of host scalars of the compute type.
    """
    _require_handle(handle)
    if computeType not in COMPUTE_DTYPES:
        raise CUBLASError(f"CUBLAS_STATUS_NOT_SUPPORTED: computeType {computeType}")
    dtype = COMPUTE_DTYPES[computeType]
    given = [DTYPES.get(type) for type in (Atype, Btype, Ctype)]
    in_bfloat16 = computeType == CUBLAS_COMPUTE_32F and given[:2] == [DTYPES[CUDA_R_16BF]] * 2
    if not (given == [dtype] * 3 or (in_bfloat16 and given[2] in (dtype, given[0]))):
        raise CUBLASError("CUBLAS_STATUS_NOT_SUPPORTED: types of A, B, C and computeType")
    if algo != CUBLAS_GEMM_DEFAULT:
        raise CUBLASError(f"CUBLAS_STATUS_NOT_SUPPORTED: algo {algo}")
    if _pointer_mode != CUBLAS_POINTER_MODE_HOST:
        raise CUBLASError("alpha and beta on the device are not emulated")
    if min(m, n, k, batchCount) < 0:
        raise CUBLASError("CUBLAS_STATUS_INVALID_VALUE: negative size")
    if m == 0 or n == 0 or batchCount == 0:
        return
    scale, scale_c = _host_scalar(alpha, dtype), _host_scalar(beta, dtype)
    operation = Operation("gemmStridedBatchedEx")
    a = _matrices(operation, "A", A, given[0], *_stored(transa, m, k), lda, strideA, batchCount)
    b = _matrices(operation, "B", B, given[1], *_stored(transb, k, n), ldb, strideB, batchCount)
    c = _matrices(operation, "C", C, given[2], m, n, ldc, strideC, batchCount)
    # One after the other, or side by side in the columns of one larger matrix.
    behind = strideC >= ldc * (n - 1) + m
    beside = strideC >= m and strideC * (batchCount - 1) + m <= ldc
    if batchCount > 1 and not (behind or beside):
        raise CUBLASError("the results of the batch overlap: strideC is too small")
    a = a.swapaxes(1, 2) if transa == CUBLAS_OP_T else a
    b = b.swapaxes(1, 2) if transb == CUBLAS_OP_T else b
    if computeType == CUBLAS_COMPUTE_32F_FAST_TF32:
        a, b = round_to_tf32(a), round_to_tf32(b)
    product = scale * np.matmul(a.astype(dtype), b.astype(dtype))
    # beta = 0 means that C is not read: it may hold NaN.
    c[...] = product if scale_c == 0 else product + scale_c * c.astype(dtype)


def round_to_tf32(values):
    """float32 with 10 bits of mantissa: to nearest, ties away from zero, as cvt.rna.tf32 does."""
    values = np.ascontiguousarray(values, np.float32)
    rounded = (values.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(values), rounded.view(np.float32), values)


def _stored(transposition, rows, columns):
    """Rows and columns as they lie in memory."""
    if transposition == CUBLAS_OP_N:
        return rows, columns
    if transposition == CUBLAS_OP_T:
        return columns, rows
    raise CUBLASError(f"CUBLAS_STATUS_INVALID_VALUE: operation {transposition}")


def _matrices(operation, name, address, dtype, rows, columns, leading, stride, batch):
    """A NumPy view of [batch, rows, columns] on column-major matrices."""
    if leading < max(1, rows):
        raise CUBLASError(
            f"CUBLAS_STATUS_INVALID_VALUE: ld of {name} is {leading}, less than its {rows} rows"
        )
    if rows == 0 or columns == 0:
        return np.zeros((batch, rows, columns), dtype)
    address = int(address)
    if address % dtype.itemsize:
        raise CUBLASError(f"{name} is not aligned to {dtype.itemsize} bytes")
    last = leading * (columns - 1) + rows - 1 + stride * (batch - 1)
    size = (last + 1) * dtype.itemsize
    if stride < 0 or not memory.holds(address, size):
        raise CUBLASError(
            f"{name} reaches outside of its allocation: {rows} x {columns}, ld {leading}, "
            f"{batch} times with stride {stride}"
        )
    operation.uses(memory.accesses(address, size), address, address + size, writes=name == "C")
    elements = np.frombuffer((ctypes.c_char * size).from_address(address), dtype)
    return np.lib.stride_tricks.as_strided(
        elements,
        shape=(batch, rows, columns),
        strides=(stride * dtype.itemsize, dtype.itemsize, leading * dtype.itemsize),
    )


def _host_scalar(address, dtype):
    return np.frombuffer((ctypes.c_char * dtype.itemsize).from_address(int(address)), dtype)[0]


def _require_handle(handle):
    if handle != HANDLE:
        raise CUBLASError("CUBLAS_STATUS_NOT_INITIALIZED")


_stream = 0
_pointer_mode = CUBLAS_POINTER_MODE_HOST


def setStream(handle, stream):
    global _stream
    _require_handle(handle)
    _stream = int(stream)


def getStream(handle):
    _require_handle(handle)
    return _stream


def setPointerMode(handle, mode):
    global _pointer_mode
    _require_handle(handle)
    _pointer_mode = mode


def getPointerMode(handle):
    _require_handle(handle)
    return _pointer_mode


def setMathMode(handle, mode):
    _require_handle(handle)


PUBLIC = """
    CUBLAS_OP_N CUBLAS_OP_T CUBLAS_COMPUTE_32F CUBLAS_COMPUTE_32F_FAST_TF32 CUBLAS_COMPUTE_64F
    CUBLAS_GEMM_DEFAULT CUBLAS_POINTER_MODE_HOST CUBLAS_POINTER_MODE_DEVICE CUBLASError
    gemmStridedBatchedEx setStream getStream setPointerMode getPointerMode setMathMode
""".split()
module = types.ModuleType("cupy.cuda.cublas")
for _name in PUBLIC:
    setattr(module, _name, globals()[_name])
