"""One row times a matrix whose columns are adjacent in memory, on the CPU: dot products.

    c[n] = sum over t of x[t] * b[n, t]

This is a linear layer for one image. Each number of B is used once, so that reading B is what takes
the time: DOT_ROWS rows are read at once, by whole vectors, as fast as memory gives them. The
micro-kernel would broadcast number after number instead.

A term t is a number or, of arrays of uint32, a pair of bfloat16. What is left of a row behind
its last whole vectors is copied to where zeros follow. The order of a sum depends on its length
alone: VECTORS vectors of sums, which are added, and then their numbers from the first to the last.
"""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from minigrad.kernels.shared.microkernel import VECTOR_BYTES, spaced
from minigrad.kernels.shared.pairs import round_row
from minigrad.kernels.shared.threads import jit, parallel_jit
from minigrad.kernels.shared.vectors import add_up, product_types, term

DOT_ROWS, VECTORS = 4, 2
TASK_ROWS = 32


@intrinsic
def _dot_products(typing, b, b_start, starts, x, x_start, depth, c, accumulate):
    """c[i] (+)= sum over t < depth of b[b_start + starts[i] + t] * x[x_start + t].

    There are DOT_ROWS rows; depth is a positive multiple of the terms of VECTORS vectors.
    """
    signature = types.void(b, types.intp, starts, x, types.intp, types.intp, c, types.boolean)

    def codegen(context, builder, signature, arguments):
        sums, factors, multiply_add = product_types(signature.args[0].dtype, VECTOR_BYTES)
        b_data, starts_data, x_data, c_data = (
            context.make_array(signature.args[i])(context, builder, arguments[i]).data
            for i in (0, 2, 3, 6)
        )
        b_start, x_start, depth, accumulate = (arguments[i] for i in (1, 4, 5, 7))

        def at(pointer, index):
            return builder.gep(pointer, [index])

        def load(pointer, t, j):
            address = at(pointer, builder.add(t, _const(j * sums.count)))
            value = builder.load(builder.bitcast(address, factors.as_pointer()))
            value.align = signature.args[0].dtype.bitwidth // 8
            return value

        rows = [
            at(at(b_data, b_start), builder.load(at(starts_data, _const(i))))
            for i in range(DOT_ROWS)
        ]
        x_row = at(x_data, x_start)
        entry, loop, end = (
            builder.block,
            builder.append_basic_block("terms"),
            builder.append_basic_block("end"),
        )
        builder.branch(loop)

        builder.position_at_end(loop)
        t = builder.phi(_INT)
        t.add_incoming(_const(0), entry)
        totals = [builder.phi(sums) for _ in range(DOT_ROWS * VECTORS)]
        x_vectors = [load(x_row, t, j) for j in range(VECTORS)]
        following = builder.add(t, _const(VECTORS * sums.count))
        t.add_incoming(following, loop)
        for position, total in enumerate(totals):
            i, j = divmod(position, VECTORS)
            total.add_incoming(ir.Constant(sums, None), entry)
            new = multiply_add(builder, load(rows[i], t, j), x_vectors[j], total)
            total.add_incoming(new, loop)
        new_totals = [total.incomings[1][0] for total in totals]
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)

        builder.position_at_end(end)
        for i in range(DOT_ROWS):
            first, *others = new_totals[i * VECTORS : (i + 1) * VECTORS]
            for other in others:
                first = builder.fadd(first, other)
            target, total = at(c_data, _const(i)), add_up(builder, first)
            before = builder.select(
                accumulate, builder.load(target), ir.Constant(sums.element, 0.0)
            )
            builder.store(builder.fadd(before, total), target)
        return context.get_dummy_value()

    return signature, codegen


_INT = ir.IntType(64)


def _const(value):
    return ir.Constant(_INT, value)


@parallel_jit
def multiply_row(x, b, c, N, K, numbers):
    """c (N,) = x (K,) times the (N, terms) rows of B, whose terms are of 1 or 2 numbers."""
    terms = (K + numbers - 1) // numbers
    x_terms = np.zeros(_padded(terms, c), b.dtype)
    _copy_terms(x, K, numbers, x_terms)
    for task in prange((N + TASK_ROWS - 1) // TASK_ROWS):
        starts, ends = np.empty(DOT_ROWS, np.int64), spaced(DOT_ROWS, _step(c))
        rest, sums = np.zeros(DOT_ROWS * _step(c), b.dtype), np.zeros(DOT_ROWS, c.dtype)
        whole = terms // _step(c) * _step(c)
        for n0 in range(task * TASK_ROWS, min((task + 1) * TASK_ROWS, N), DOT_ROWS):
            for i in range(DOT_ROWS):
                starts[i] = min(n0 + i, N - 1) * terms
                for t in range(whole, terms):
                    rest[ends[i] + t - whole] = b[starts[i] + t]
            if whole > 0:
                _dot_products(b, 0, starts, x_terms, 0, whole, sums, False)
            if whole < terms:
                _dot_products(rest, 0, ends, x_terms, whole, _step(c), sums, whole > 0)
            for i in range(min(DOT_ROWS, N - n0)):
                c[n0 + i] = sums[i]


@parallel_jit
def multiply_row_rounded(x, b, c, N, K):
    """As `multiply_row`, of (N, K) rows of float32, each first rounded to pairs."""
    terms = (K + 1) // 2
    whole, padded = terms // _step(c) * _step(c), _padded(terms, c)
    x_terms = np.zeros(padded, np.uint32)
    _copy_terms(x, K, 2, x_terms)
    for task in prange((N + TASK_ROWS - 1) // TASK_ROWS):
        starts, sums = spaced(DOT_ROWS, padded), np.zeros(DOT_ROWS, c.dtype)
        pairs = np.zeros(DOT_ROWS * padded, np.uint32)
        for n0 in range(task * TASK_ROWS, min((task + 1) * TASK_ROWS, N), DOT_ROWS):
            for i in range(min(DOT_ROWS, N - n0)):
                round_row(b, n0 + i, K, pairs, starts[i])
            if whole > 0:
                _dot_products(pairs, 0, starts, x_terms, 0, whole, sums, False)
            if whole < terms:
                _dot_products(pairs, whole, starts, x_terms, whole, _step(c), sums, whole > 0)
            for i in range(min(DOT_ROWS, N - n0)):
                c[n0 + i] = sums[i]


@jit
def _step(c):
    """Terms of VECTORS vectors: a pair has the size of a float32."""
    return VECTORS * VECTOR_BYTES // c.itemsize


@jit
def _padded(terms, c):
    return (terms + _step(c) - 1) // _step(c) * _step(c)


@jit
def _copy_terms(x, K, numbers, terms):
    for t in range((K + numbers - 1) // numbers):
        k = t * numbers
        terms[t] = term(terms, x[k], x[k + 1] if k + 1 < K else x.dtype.type(0))
