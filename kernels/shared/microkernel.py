"""The inner loop of every convolution and matrix product on the CPU.

    C[i, j] (+)= sum over t < taps, k < depth of A_t[i, k] * B_t[k, j]      i < rows, j < lanes

A tile of C, rows x lanes numbers, stays in vector registers while the sum runs: one step of
k loads two or three vectors of B, broadcasts `rows` numbers of A, and does as many fused
multiply-adds as the tile has vectors. That is enough independent work to keep the multiply-add
units busy every cycle, which loops written in Numba are not: hence the LLVM instructions emitted
here.

The operands are panels: row k of B_t is `lanes` adjacent numbers. There are `taps` pairs of
panels, each with its own start, so the sum may run over the positions of a filter window
without copying them together (a batch-reduce product).

A is packed in panels or gathered. Gathered rows each need an address register, so there are
fewer of them; to have work for as many accumulators, their tile can be three vectors wide.
"""

import platform

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minigrad.kernels.shared.threads import jit

_features = llvm.get_host_cpu_features()
VECTOR_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx") else 16
# At most three quarters of the vector registers hold the tile.
_registers = 32 if VECTOR_BYTES == 64 or platform.machine() in ("aarch64", "arm64") else 16
ROWS, GATHERED_ROWS = (12, 8) if _registers == 32 else (6, 4)

_INT = ir.IntType(64)


def lanes_of(dtype, vectors=2) -> int:
    """Numbers in one row of a panel of B."""
    return int(vectors * VECTOR_BYTES) // dtype.itemsize


def widest_lanes(dtype, columns) -> int:
    """Lanes of three vectors, unless two leave fewer of them empty behind the last column."""
    return min(
        (lanes_of(dtype, vectors) for vectors in (3, 2)),
        key=lambda lanes: -(-columns // lanes) * lanes,
    )


def make_tile_product(gathered, rows, vectors, vector_bytes=VECTOR_BYTES):
    """The tile product of `rows` x `vectors`, with A packed in panels or gathered."""

    @intrinsic
    def tile_product(
        typing,
        a,
        a_start,
        a_taps,
        b,
        b_start,
        b_taps,
        taps,
        depth,
        c,
        c_start,
        c_stride,
        accumulate,
    ):
        signature = types.void(
            a, types.intp, a_taps, b, types.intp, b_taps, types.intp, types.intp,
            c, types.intp, types.intp, types.boolean,
        )  # fmt: skip

        def codegen(context, builder, signature, arguments):
            dtype = signature.args[0].dtype
            bits = dtype.bitwidth
            number = ir.FloatType() if bits == 32 else ir.DoubleType()
            width = vector_bytes * 8 // bits
            vector = ir.VectorType(number, width)
            zero = ir.Constant(vector, None)
            splat_mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            multiply_add = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fmuladd.v{width}f{bits}",
            )

            def data(position):
                array = context.make_array(signature.args[position])
                return array(context, builder, arguments[position]).data

            a_data, a_taps, b_data, b_taps, c_data = map(data, (0, 2, 3, 5, 8))
            a_start, b_start, taps, depth, c_start, c_stride, accumulate = (
                arguments[i] for i in (1, 4, 6, 7, 9, 10, 11)
            )

            def const(value):
                return ir.Constant(_INT, value)

            def at(pointer, index):
                return builder.gep(pointer, [index])

            def vector_at(pointer, index):
                return builder.bitcast(at(pointer, index), vector.as_pointer())

            def load_vector(pointer):
                value = builder.load(pointer)
                value.align = bits // 8
                return value

            def broadcast(pointer):
                value = builder.insert_element(
                    ir.Constant(vector, ir.Undefined),
                    builder.load(pointer),
                    ir.Constant(ir.IntType(32), 0),
                )
                return builder.shuffle_vector(value, zero, splat_mask)

            tile = [(i, j) for i in range(rows) for j in range(vectors)]
            entry = builder.block
            tap_loop, depth_loop, tap_end, finished, add_c, store = (
                builder.append_basic_block(name)
                for name in ("tap", "depth", "tap_end", "finished", "add_c", "store")
            )
            builder.branch(tap_loop)

            builder.position_at_end(tap_loop)
            t = builder.phi(_INT)
            t.add_incoming(const(0), entry)
            tap_sums = [builder.phi(vector) for _ in tile]
            for total in tap_sums:
                total.add_incoming(zero, entry)
            a_origin = at(a_data, a_start)
            if gathered:
                first = builder.mul(t, const(rows))
                a_rows = [
                    at(a_origin, builder.load(at(a_taps, builder.add(first, const(i)))))
                    for i in range(rows)
                ]
            else:
                a_panel = at(a_origin, builder.load(at(a_taps, t)))
            b_row = at(at(b_data, b_start), builder.load(at(b_taps, t)))
            builder.branch(depth_loop)

            builder.position_at_end(depth_loop)
            k = builder.phi(_INT)
            k.add_incoming(const(0), tap_loop)
            sums = [builder.phi(vector) for _ in tile]
            for running, total in zip(sums, tap_sums):
                running.add_incoming(total, tap_loop)
            if gathered:
                a_k = [at(row, k) for row in a_rows]
            else:
                column = at(a_panel, builder.mul(k, const(rows)))
                a_k = [at(column, const(i)) for i in range(rows)]
            b_k = at(b_row, builder.mul(k, const(vectors * width)))
            b_vectors = [load_vector(vector_at(b_k, const(j * width))) for j in range(vectors)]
            new_sums = []
            for i in range(rows):
                a_value = broadcast(a_k[i])
                for j in range(vectors):
                    new_sums.append(
                        builder.call(multiply_add, [a_value, b_vectors[j], sums[vectors * i + j]])
                    )
            next_k = builder.add(k, const(1))
            k.add_incoming(next_k, depth_loop)
            for running, new in zip(sums, new_sums):
                running.add_incoming(new, depth_loop)
            builder.cbranch(builder.icmp_signed("<", next_k, depth), depth_loop, tap_end)

            builder.position_at_end(tap_end)
            next_t = builder.add(t, const(1))
            t.add_incoming(next_t, tap_end)
            for total, new in zip(tap_sums, new_sums):
                total.add_incoming(new, tap_end)
            c_tile = at(c_data, c_start)
            addresses = [
                vector_at(c_tile, builder.add(builder.mul(c_stride, const(i)), const(j * width)))
                for i, j in tile
            ]
            builder.cbranch(builder.icmp_signed("<", next_t, taps), tap_loop, finished)

            builder.position_at_end(finished)
            builder.cbranch(accumulate, add_c, store)

            builder.position_at_end(add_c)
            with_c = [
                builder.fadd(new, load_vector(address)) for new, address in zip(new_sums, addresses)
            ]
            builder.branch(store)

            results = []
            builder.position_at_end(store)
            for new, added, address in zip(new_sums, with_c, addresses):
                value = builder.phi(vector)
                value.add_incoming(new, finished)
                value.add_incoming(added, add_c)
                results.append((value, address))
            for value, address in results:
                builder.store(value, address).align = bits // 8
            return context.get_dummy_value()

        return signature, codegen

    return tile_product


# A_t is a panel: for each k, ROWS adjacent numbers; a_taps[t] is where it starts.
tile_product = make_tile_product(gathered=False, rows=ROWS, vectors=2)
# GATHERED_ROWS rows of A_t lie anywhere, k along them; a_taps[t * GATHERED_ROWS + i] is where
# row i starts.
tile_product_gathered = make_tile_product(gathered=True, rows=GATHERED_ROWS, vectors=2)
tile_product_gathered_wide = make_tile_product(gathered=True, rows=GATHERED_ROWS, vectors=3)
# For few columns: a vector, or half of one.
tile_product_gathered_narrow = make_tile_product(gathered=True, rows=GATHERED_ROWS, vectors=1)
tile_product_gathered_half = make_tile_product(
    gathered=True, rows=GATHERED_ROWS, vectors=1, vector_bytes=VECTOR_BYTES // 2
)


@jit
def spaced(count, stride):
    """0, stride, 2 * stride, ...: where the panels or rows of an operand begin."""
    starts = np.empty(count, np.int64)
    for i in range(count):
        starts[i] = i * stride
    return starts


@jit
def gathered_product(
    a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate, wide
):
    """The tile product of gathered rows with panels of three vectors if `wide`, else of two."""
    if wide:
        tile_product_gathered_wide(
            a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate
        )
    else:
        tile_product_gathered(
            a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate
        )
