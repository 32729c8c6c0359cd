"""The matrix product of cuBLAS, on column-major matrices given by address."""

import numpy as np
import pytest

from . import cublas as module
from .cublas import CUBLASError, round_to_tf32

TYPES = {np.float32: (0, module.CUBLAS_COMPUTE_32F), np.float64: (1, module.CUBLAS_COMPUTE_64F)}


def column_major(cupy, matrices, padding=0):
    """[batch, rows, columns] on the device, columns adjacent; and the leading dimension."""
    batch, rows, columns = matrices.shape
    stored = np.full((batch, columns, rows + padding), np.nan, matrices.dtype)
    stored[:, :, :rows] = matrices.swapaxes(1, 2)
    return cupy.asarray(stored), rows + padding


def product(cupy, a, b, c, transa, transb, alpha=1.0, beta=0.0, padding=0, **changes):
    """C = alpha op(a) op(b) + beta c, for a stored as op says."""
    cublas = cupy.cuda.cublas
    dtype = a.dtype
    data_type, compute_type = TYPES[dtype.type]
    batch, m, n = c.shape
    k = a.shape[2]
    device_a, lda = column_major(cupy, a.swapaxes(1, 2) if transa else a, padding)
    device_b, ldb = column_major(cupy, b.swapaxes(1, 2) if transb else b, padding)
    device_c, ldc = column_major(cupy, c, padding)
    scalars = np.array([alpha, beta], dtype)
    given = dict(
        handle=cupy.cuda.device.get_cublas_handle(), transa=transa, transb=transb, m=m, n=n, k=k,
        alpha=scalars[:1].ctypes.data, A=device_a.data.ptr, Atype=data_type, lda=lda,
        strideA=device_a[0].size, B=device_b.data.ptr, Btype=data_type, ldb=ldb,
        strideB=device_b[0].size, beta=scalars[1:].ctypes.data, C=device_c.data.ptr,
        Ctype=data_type, ldc=ldc, strideC=device_c[0].size, batchCount=batch,
        computeType=compute_type, algo=cublas.CUBLAS_GEMM_DEFAULT,
    )  # fmt: skip
    cublas.gemmStridedBatchedEx(*(given | changes).values())
    return device_c.get()[:, :, :m].swapaxes(1, 2)


@pytest.fixture
def matrices(rng):
    def make(dtype=np.float32, batch=3, m=5, n=4, k=6):
        shapes = (batch, m, k), (batch, k, n), (batch, m, n)
        return [rng.standard_normal(shape).astype(dtype) for shape in shapes]

    return make


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("transa", [0, 1])
@pytest.mark.parametrize("transb", [0, 1])
@pytest.mark.parametrize("padding", [0, 3])
def test_transposes(cupy, matrices, dtype, transa, transb, padding):
    a, b, c = matrices(dtype)
    result = product(cupy, a, b, c, transa, transb, alpha=2, beta=-0.5, padding=padding)
    np.testing.assert_allclose(result, 2 * (a @ b) - 0.5 * c, rtol=1e-5, atol=1e-5)


def test_beta_zero_does_not_read_c(cupy, matrices):
    a, b, c = matrices()
    result = product(cupy, a, b, np.full_like(c, np.nan), 0, 0)
    np.testing.assert_allclose(result, a @ b, rtol=1e-5, atol=1e-5)


def test_one_matrix_for_the_whole_batch(cupy, matrices):
    a, b, c = matrices()
    result = product(cupy, a, b, c, 0, 0, strideA=0)
    np.testing.assert_allclose(result, a[0] @ b, rtol=1e-5, atol=1e-5)


def test_tf32_rounds_the_factors(cupy, matrices):
    a, b, c = matrices()
    result = product(cupy, a, b, c, 0, 1, computeType=module.CUBLAS_COMPUTE_32F_FAST_TF32)
    expected = round_to_tf32(a).astype(np.float64) @ round_to_tf32(b)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(result - a @ b).max() > 1e-5


def test_rounding_to_tf32():
    ulp = np.float32(2.0**-10)
    half = np.float32(2.0**-11)
    values = np.array([1, 1 + half, 1 + half * 0.99, -1 - half, np.inf, 0], np.float32)
    expected = np.array([1, 1 + ulp, 1, -1 - ulp, np.inf, 0], np.float32)
    np.testing.assert_array_equal(round_to_tf32(values), expected)
    assert np.isnan(round_to_tf32(np.float32([np.nan]))).all()


WRONG = {
    "leading dimension of A": dict(lda=4),
    "leading dimension of C": dict(ldc=4),
    "A beyond its allocation": dict(strideA=300),
    "B is no address": dict(B=8),
    "overlapping results": dict(strideC=1),
    "types": dict(Btype=1),
    "compute type": dict(computeType=64),
    "algorithm": dict(algo=99),
    "handle": dict(handle=0),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls(cupy, matrices, case):
    with pytest.raises(CUBLASError):
        product(cupy, *matrices(), 0, 0, **WRONG[case])


def test_settings_of_the_handle(cupy):
    cublas, handle = cupy.cuda.cublas, cupy.cuda.device.get_cublas_handle()
    cublas.setStream(handle, 7)
    assert cublas.getStream(handle) == 7
    cublas.setStream(handle, 0)
    assert cublas.getPointerMode(handle) == cublas.CUBLAS_POINTER_MODE_HOST
