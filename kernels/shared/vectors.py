"""Vector instructions that Numba has no way to ask for: multiply-adds, and bfloat16.

Functions for intrinsics: each emits LLVM instructions and returns the vector they compute. Vectors
are of any length that is a power of two; LLVM makes several instructions of one that is too
long for the CPU. `rounded_pair` takes numbers, and loops of it are compiled to vectors.

Of a vector of pairs (`bfloat16.py`) each element is an integer of 32 bits.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minigrad.kernels.shared import bfloat16

INT16, INT32 = ir.IntType(16), ir.IntType(32)


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
        shift, upper = constants(pairs, 16), constants(pairs, 0xFFFF0000)
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


def round_to_pairs(builder, first, second):
    """Pairs of numbers of two float32 vectors (or of two numbers), rounded to bfloat16.

    As `bfloat16.round_to_bfloat16` rounds.
    """
    integers = _of(INT32, first.type)
    halves = [_bfloat16_bits(builder, numbers, integers) for numbers in (first, second)]
    return builder.or_(halves[0], builder.shl(halves[1], constants(integers, 16)))


@intrinsic
def rounded_pair(typing, first, second):
    """The pair (uint32) of two float32 numbers, each rounded to bfloat16."""

    def codegen(context, builder, signature, arguments):
        return round_to_pairs(builder, *arguments)

    return types.uint32(types.float32, types.float32), codegen


def _bfloat16_bits(builder, numbers, integers):
    """The bits of numbers rounded to bfloat16, in the lower halves of integers of 32 bits."""
    if _has_instructions():  # LLVM makes vcvtneps2bf16 of this
        rounded = builder.fptrunc(numbers, _of(_BFloat(), numbers.type))
        return builder.zext(builder.bitcast(rounded, _of(INT16, numbers.type)), integers)

    def masked(bits, mask):
        return builder.and_(bits, constants(integers, mask))

    bits = builder.bitcast(numbers, integers)
    is_odd = masked(builder.lshr(bits, constants(integers, 16)), 1)
    nearest = builder.add(builder.add(bits, constants(integers, 0x7FFF)), is_odd)
    not_a_number = builder.or_(bits, constants(integers, 0x400000))
    nearest = builder.select(builder.fcmp_unordered("uno", numbers, numbers), not_a_number, nearest)
    no_exponent = builder.icmp_unsigned("==", masked(bits, 0x7F800000), constants(integers, 0))
    nearest = builder.select(no_exponent, masked(bits, 0x80000000), nearest)
    return builder.lshr(nearest, constants(integers, 16))


def _has_instructions():
    return bfloat16.HAS_INSTRUCTION and not bfloat16.EMULATED


def _of(element, like):
    """The type that has such elements where the type `like` has its own."""
    return ir.VectorType(element, like.count) if isinstance(like, ir.VectorType) else element


def constants(kind, value):
    """A constant, or a vector of copies of it."""
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


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
