"""Vector instructions that Numba has no way to ask for: multiply-adds, of bfloat16 too.

Functions for intrinsics: each emits LLVM instructions and returns the vector they compute. Vectors
are of any length that is a power of two; LLVM makes several instructions of one that is too
long for the CPU.

Of a vector of pairs (`bfloat16.py`) each element is an integer of 32 bits.
"""

from llvmlite import ir
from numba.core import cgutils

from minigrad.kernels.shared import bfloat16

INT32 = ir.IntType(32)


def multiply_add(builder, a, b, total):
    """total + a * b, rounded once if the CPU can."""
    vector = total.type
    bits = 32 if isinstance(vector.element, ir.FloatType) else 64
    return _call(builder, f"fmuladd.v{vector.count}f{bits}", vector, a, b, total)


def pair_multiply_add(builder, a, b, total):
    """total + a.second * b.second + a.first * b.first, for pairs `a` and `b` and a float32 total.

    The two sums are rounded one after the other, in this order; products of bfloat16 are exact in
    float32. The instruction also makes zeros of numbers below 2**-126, which its emulation
    leaves as they are.
    """
    vector, pairs = total.type, a.type
    if not _has_instructions():
        shift, upper = (constants(pairs, bits) for bits in (16, 0xFFFF0000))
        for half in (lambda pair: builder.and_(pair, upper), lambda pair: builder.shl(pair, shift)):
            total = multiply_add(
                builder, *(builder.bitcast(half(pair), vector) for pair in (a, b)), total
            )
        return total
    halves = ir.VectorType(_BFloat(), 2 * pairs.count)
    return _call(
        builder, f"x86.avx512bf16.dpbf16ps.{32 * pairs.count}", vector,
        total, builder.bitcast(a, halves), builder.bitcast(b, halves),
    )  # fmt: skip


def _has_instructions():
    return bfloat16.HAS_INSTRUCTION and not bfloat16.EMULATED


def constants(vector, value):
    """A vector of copies of a constant."""
    return ir.Constant(vector, [value] * vector.count)


def _call(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm." + name)
    return builder.call(function, arguments)


class _BFloat(ir.Type):
    """LLVM's type bfloat, which llvmlite does not have."""

    def _to_string(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, _BFloat)

    def __hash__(self):
        return hash(_BFloat)
