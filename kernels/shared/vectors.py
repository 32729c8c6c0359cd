"""Vector instructions that Numba has no way to ask for: multiply-adds, and bfloat16.

Functions for intrinsics: each emits LLVM instructions and returns the vector they compute. Vectors
are of any length that is a power of two; LLVM makes several instructions of one that is too
long for the CPU. `term` takes numbers, and loops of it are compiled to vectors.

Of a vector of pairs (`bfloat16.py`) each element is an integer of 32 bits.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minigrad.kernels.shared import bfloat16

INT16, INT32 = ir.IntType(16), ir.IntType(32)


def product_types(dtype, vector_bytes):
    """What products of factors of a Numba type need: vectors of sums and of factors, and
    how the product of two vectors is added to sums.
    """
    number = ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
    sums = ir.VectorType(number, vector_bytes * 8 // dtype.bitwidth)
    if dtype == types.uint32:
        return sums, ir.VectorType(INT32, sums.count), pair_multiply_add
    return sums, sums, multiply_add


def multiply_add(builder, a, b, total):
    """total + a * b, rounded once if the CPU can."""
    return _call(builder, f"fmuladd.{_name(total.type)}", total.type, a, b, total)


def add_up(builder, vector):
    """The sum of a vector's numbers, from the first to the last."""
    number = vector.type.element
    return _call(
        builder, f"vector.reduce.fadd.{_name(vector.type)}", number,
        ir.Constant(number, 0.0), vector,
    )  # fmt: skip


def _name(vector):
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def pair_multiply_add(builder, a, b, total):
    """total + a.second * b.second + a.first * b.first, for pairs `a` and `b` and a float32 total.

    The two sums are rounded one after the other, in this order; products of bfloat16 are exact in
    float32. The instruction also makes zeros of numbers below 2**-126, which its emulation
    leaves as they are.
    """
    vector, pairs = total.type, a.type
    if not _has_instructions():
        shift, upper = constants(pairs, 16), constants(pairs, 0xFFFF0000)
        first = [builder.bitcast(builder.shl(pair, shift), vector) for pair in (a, b)]
        second = [builder.bitcast(builder.and_(pair, upper), vector) for pair in (a, b)]
        return multiply_add(builder, *first, multiply_add(builder, *second, total))
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
    halves = [builder.zext(round_to_bits(builder, n), integers) for n in (first, second)]
    return builder.or_(halves[0], builder.shl(halves[1], constants(integers, 16)))


@intrinsic
def term(typing, factors, first, second):
    """What an array of factors has for two float32 numbers that are adjacent along a sum.

    Their pair, rounded, if it is an array of pairs. One of numbers has the first, of any type; the
    second is not even loaded.
    """
    if factors.dtype != types.uint32:
        return first(factors, first, second), lambda context, builder, kind, values: values[1]

    def codegen(context, builder, signature, arguments):
        return round_to_pairs(builder, *arguments[1:])

    return types.uint32(factors, types.float32, types.float32), codegen


def round_to_bits(builder, numbers):
    """The bits of float32 numbers rounded to bfloat16, integers of 16 bits.

    As `bfloat16.round_to_bfloat16` rounds.
    """
    integers = _of(INT32, numbers.type)
    if _has_instructions():  # LLVM makes vcvtneps2bf16 of this
        rounded = builder.fptrunc(numbers, _of(_BFloat(), numbers.type))
        return builder.bitcast(rounded, _of(INT16, numbers.type))

    def masked(bits, mask):
        return builder.and_(bits, constants(integers, mask))

    bits = builder.bitcast(numbers, integers)
    is_odd = masked(builder.lshr(bits, constants(integers, 16)), 1)
    nearest = builder.add(builder.add(bits, constants(integers, 0x7FFF)), is_odd)
    not_a_number = builder.or_(bits, constants(integers, 0x400000))
    nearest = builder.select(builder.fcmp_unordered("uno", numbers, numbers), not_a_number, nearest)
    no_exponent = builder.icmp_unsigned("==", masked(bits, 0x7F800000), constants(integers, 0))
    nearest = builder.select(no_exponent, masked(bits, 0x80000000), nearest)
    nearest = builder.lshr(nearest, constants(integers, 16))
    return builder.trunc(nearest, _of(INT16, numbers.type))


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
