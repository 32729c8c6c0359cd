"""Rounding to bfloat16 in compiled loops: the bits of `round_to_bfloat16`."""

import numba
import numpy as np
import pytest
from numba.extending import intrinsic

from minigrad.kernels.shared import bfloat16, vectors


@intrinsic
def round_vectors(typing, first, second, pairs):
    """pairs[:16] of first[:16] and second[:16]."""

    def codegen(context, builder, signature, arguments):
        pointers = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args, arguments)
        ]
        numbers, integers = (
            vectors.ir.VectorType(element, 16)
            for element in (vectors.ir.FloatType(), vectors.INT32)
        )
        values = []
        for pointer in pointers[:2]:
            value = builder.load(builder.bitcast(pointer, numbers.as_pointer()))
            value.align = 4
            values.append(value)
        result = vectors.round_to_pairs(builder, *values)
        builder.store(result, builder.bitcast(pointers[2], integers.as_pointer())).align = 4
        return context.get_dummy_value()

    return numba.types.void(first, second, pairs), codegen


def round_in_loop(first, second, pairs):
    for i in range(pairs.size):
        pairs[i] = vectors.rounded_pair(first[i], second[i])


def round_by_vectors(first, second, pairs):
    for i in range(0, pairs.size, 16):
        round_vectors(first[i : i + 16], second[i : i + 16], pairs[i : i + 16])


def numbers_of_every_kind(rng):
    """Random bits; halfway between two bfloat16 numbers, and beside it; denormal; the ends."""
    upper = rng.integers(0, 2**16, 4096).astype(np.uint32) << 16
    ends = [0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF, 0x7F800001, 0x7FC00000, 0x007FFFFF, 0x00800000, 0]
    parts = [
        rng.integers(0, 2**32, 4096),
        *(upper | lower for lower in (0x7FFF, 0x8000, 0x8001, 0xFFFF, 0)),
        rng.integers(0, 1 << 23, 512),
        *(np.array([end, end | 1 << 31]) for end in ends),
    ]
    return np.concatenate(parts).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("emulated", [True, False])
@pytest.mark.parametrize("function", [round_in_loop, round_by_vectors])
def test_rounds_as_numpy(function, emulated, monkeypatch, rng):
    if not (emulated or bfloat16.HAS_INSTRUCTION):
        pytest.skip("this CPU has no instruction that rounds to bfloat16")
    monkeypatch.setattr(bfloat16, "EMULATED", emulated)
    first = numbers_of_every_kind(rng)
    second = rng.permutation(first)
    pairs = np.zeros(first.size, np.uint32)
    numba.njit(function)(first, second, pairs)  # `jit` would take what was compiled last time
    for half, numbers in ((pairs & 0xFFFF, first), (pairs >> 16, second)):
        result = bfloat16.from_bits(half.astype(np.uint16))
        expected = bfloat16.round_to_bfloat16(numbers)
        np.testing.assert_array_equal(result, expected)
        assert np.array_equal(np.signbit(result), np.signbit(numbers))
