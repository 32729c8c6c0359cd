"""bfloat16: the upper 16 bits of a float32. The exponents are the same, with fewer digits.

A number has 8 significant bits, so that rounding changes it by at most 2**-8 of itself
(`UNIT_ROUNDOFF`). The product of two is exact in float32, which sums are made in.

NumPy has no such type. On the CPU such numbers exist inside kernels only, as their bits, uint16,
and two that are adjacent along a sum are a pair, uint32, with the first in the lower half: the
instruction vdpbf16ps multiplies pairs and adds both products to a float32. On a GPU images are
stored so, in arrays of the type that the package ml_dtypes adds to NumPy's and CuPy's (`DTYPE`).
"""

import os

import numpy as np
from numba import prange

try:
    from ml_dtypes import bfloat16
except ImportError:  # comes with CuPy, see setup.py
    TYPES = ()
else:
    DTYPE = np.dtype(bfloat16)
    TYPES = (DTYPE,)

from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.processor import compiled_for
from minigrad.kernels.shared.threads import parallel_jit

UNIT_ROUNDOFF = 2.0**-8
_PIECE_NUMBERS = 1 << 14  # of a task

# The processor multiplies pairs in one instruction.
HAS_INSTRUCTION = compiled_for("avx512bf16")
# Two fused multiply-adds take its place: for tests, the speed is that of float32.
EMULATED = os.environ.get("MINIGRAD_BF16_EMULATE", "0") not in ("", "0")
SUPPORTED = HAS_INSTRUCTION or EMULATED


def arithmetic(dtype):
    """The type in which numbers of a type are computed with: float32 for bfloat16, or itself."""
    return np.dtype(np.float32) if dtype in TYPES else dtype


def widened(array):
    """An array of bfloat16 in float32, without loss; any other array itself."""
    return array.astype(np.float32) if array.dtype in TYPES else array


def to_bits(array):
    """float32 rounded to the nearest bfloat16, of two that are as near to the even one: uint16.

    NaN stays NaN, and what is beyond the largest number becomes infinite.

    Raises:
        TypeError: the array is not float32.
    """
    if array.dtype != np.float32:
        raise TypeError(f"only float32 arrays are rounded to bfloat16, got {array.dtype}")
    bits = np.ascontiguousarray(array).view(np.uint32)
    # More than half of the last place carries into it, and half of it does if it is odd.
    nearest = (bits + (0x7FFF + (bits >> 16 & 1))) >> 16
    not_a_number = bits >> 16 | 0x40  # a NaN stays one, whichever of its bits are set
    return np.where(np.isnan(array), not_a_number, nearest).astype(np.uint16).reshape(array.shape)


def from_bits(bits):
    """The float32 numbers of bfloat16 bits, without loss."""
    # Operations make scalars of arrays without dimensions.
    return (np.atleast_1d(bits).astype(np.uint32) << 16).view(np.float32).reshape(bits.shape)


def round_to_bfloat16(array):
    """float32 rounded as the factors of products are: the numbers are bfloat16's.

    As `to_bits` rounds, but denormal numbers, those below 2**-126, become zero and keep their sign:
    the instruction that rounds does that (vcvtneps2bf16).

    Raises:
        TypeError: the array is not float32.
    """
    rounded = from_bits(to_bits(array))
    is_denormal = np.abs(array) < np.finfo(np.float32).smallest_normal
    return np.where(is_denormal, np.copysign(np.float32(0), array), rounded)


def rounded_copy(array):
    """`round_to_bfloat16` of a C-contiguous array, by all threads, at the speed of memory."""
    output = pool.empty(array.shape, array.dtype)
    _round(flat(array).view(np.uint32), flat(output).view(np.uint32))
    return output


@parallel_jit
def _round(bits, output):
    for piece in prange(-(-bits.size // _PIECE_NUMBERS)):
        start = piece * _PIECE_NUMBERS
        source, target = (
            bits[start : start + _PIECE_NUMBERS],
            output[start : start + _PIECE_NUMBERS],
        )
        for i in range(source.size):
            x = source[i]
            odd = (x >> np.uint32(16)) & np.uint32(1)
            y = x + np.uint32(0x7FFF) + odd
            if (x & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
                y = x | np.uint32(0x400000)  # NaN
            if (x & np.uint32(0x7F800000)) == np.uint32(0):
                y = x & np.uint32(0x80000000)  # denormal or zero
            target[i] = y & np.uint32(0xFFFF0000)
