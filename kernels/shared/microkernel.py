"""The inner loop of every convolution and matrix product on the CPU.

    C[i, j] (+)= sum over t < taps, k < depth of A_t[i, k] * B_t[k, j]      i < rows, j < lanes

A tile of C, rows x lanes numbers, stays in vector registers while the sum runs. One step of k loads
two or three vectors of B, broadcasts `rows` numbers of A, and does as many fused multiply-adds as
the tile has vectors:

                             B_t[k, :]
                       | vector 0 | vector 1 |
        A_t[0, k]      |   +=     |   +=     |
        A_t[1, k]      |   +=     |   +=     |      the tile: `rows` x 2 sums, in registers
           ...         |   ...    |   ...    |

That is enough independent work to keep the multiply-add units busy every cycle. Loops written in
Numba are not compiled to it, hence the LLVM instructions emitted here.

The operands are panels: row k of B_t is `lanes` adjacent numbers. There are `taps` pairs of
panels, each with its own start, so the sum may run over the positions of a filter window
without copying them together (a batch-reduce product).

A is packed in panels or gathered. Gathered rows each need an address register, so there are
fewer of them; to have work for as many accumulators, their tile can be three vectors wide.

Pairs. Where the operands are arrays of uint32, a "number" of them is a pair of bfloat16 that are
adjacent along k (`bfloat16.py`), and the sums in C are float32: all of the above holds, with depth
and starts counted in pairs, and each multiply-add takes the place of two. A pair has the size of a
float32, so that tiles and panels have the same shapes.
"""

import platform

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minigrad.kernels.shared.processor import compiled_for
from minigrad.kernels.shared.threads import jit
from minigrad.kernels.shared.vectors import INT32, constants, product_types

VECTOR_BYTES = 64 if compiled_for("avx512f") else 32 if compiled_for("avx") else 16
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


def panel_width(dtype) -> int:
    """Numbers in one row of a panel of A that is made of whole vectors: GATHERED_ROWS or more."""
    return max(GATHERED_ROWS, lanes_of(dtype, 1))


def make_tile_product(gathered, rows, vectors, vector_bytes=VECTOR_BYTES, whole_vectors=False):
    """The tile product of `rows` x `vectors`, with A packed in panels or gathered.

    Args:
        whole_vectors: whether panels of A are as wide as `panel_width` says, not as `rows`.
    """

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
            code = _TileProduct(
                context, builder, signature, arguments, rows, vectors, vector_bytes, whole_vectors
            )
            code.emit(gathered)
            return context.get_dummy_value()

        return signature, codegen

    return tile_product


class _TileProduct:
    """Emits the instructions of one tile product, in six basic blocks:

    tap         where the operands of tap t begin            <---+
    depth       sums += A_t[:, k] * B_t[k, :]           <---+    |
                next k  ------------------------------------+    |
    tap_end     next t  -----------------------------------------+
    finished
    add_c       sums += C, if `accumulate`
    store       C = sums
    """

    def __init__(
        self, context, builder, signature, arguments, rows, vectors, vector_bytes, whole_vectors
    ):
        self.builder, self.rows, self.vectors = builder, rows, vectors
        dtype = signature.args[0].dtype
        self.vector, self.factors, self.multiply_add = product_types(dtype, vector_bytes)
        self.width = self.vector.count
        # Numbers of a panel of A for one k.
        self.panel_width = max(rows, self.width) if whole_vectors else rows
        self.alignment = dtype.bitwidth // 8  # of a vector in memory: that of a number
        self.zero = ir.Constant(self.vector, None)
        values = [
            context.make_array(array)(context, builder, value).data
            if isinstance(array, types.Array)
            else value
            for array, value in zip(signature.args, arguments)
        ]
        self.a, self.a_start, self.a_taps, self.b, self.b_start, self.b_taps = values[:6]
        self.taps, self.depth, self.c, self.c_start, self.c_stride, self.accumulate = values[6:]
        self.tile = [(i, j) for i in range(rows) for j in range(vectors)]

    def emit(self, gathered):
        builder, entry = self.builder, self.builder.block
        tap, depth, tap_end, finished, add_c, store = (
            builder.append_basic_block(name)
            for name in ("tap", "depth", "tap_end", "finished", "add_c", "store")
        )
        builder.branch(tap)

        builder.position_at_end(tap)
        t, tap_sums = self._counter(entry), self._sums(self.tile, entry)
        a_rows = self._gathered_rows(t) if gathered else self._panel(t)
        b_row = self._at(self._at(self.b, self.b_start), self._load_at(self.b_taps, t))
        builder.branch(depth)

        builder.position_at_end(depth)
        k, sums = self._counter(tap), self._sums(self.tile, tap, tap_sums)
        new_sums = self._multiply_add(self._column(a_rows, k, gathered), b_row, k, sums)
        self._repeat(k, sums, new_sums, self.depth, depth, tap_end)

        builder.position_at_end(tap_end)
        addresses = self._addresses_of_tile()
        self._repeat(t, tap_sums, new_sums, self.taps, tap, finished)

        builder.position_at_end(finished)
        builder.cbranch(self.accumulate, add_c, store)

        builder.position_at_end(add_c)
        with_c = [
            builder.fadd(new, self._load_vector(address))
            for new, address in zip(new_sums, addresses)
        ]
        builder.branch(store)

        builder.position_at_end(store)
        self._store(addresses, {finished: new_sums, add_c: with_c})

    # -- loops --

    def _counter(self, before):
        """A number that is 0 where its loop is entered from the block `before`."""
        counter = self.builder.phi(_INT)
        counter.add_incoming(_const(0), before)
        return counter

    def _sums(self, tile, before, values=None):
        """The sums of a loop, which begin with `values` or with zeros."""
        sums = [self.builder.phi(self.vector) for _ in tile]
        for total, value in zip(sums, values or [self.zero] * len(tile)):
            total.add_incoming(value, before)
        return sums

    def _repeat(self, counter, sums, new_sums, count, loop, after):
        """Go back to `loop` with the next number and the new sums, `count` times in all."""
        block = self.builder.block
        following = self.builder.add(counter, _const(1))
        counter.add_incoming(following, block)
        for total, new in zip(sums, new_sums):
            total.add_incoming(new, block)
        self.builder.cbranch(self.builder.icmp_signed("<", following, count), loop, after)

    # -- operands --

    def _gathered_rows(self, t):
        """The address of each row of A_t."""
        origin = self._at(self.a, self.a_start)
        first = self.builder.mul(t, _const(self.rows))
        return [
            self._at(origin, self._load_at(self.a_taps, self.builder.add(first, _const(i))))
            for i in range(self.rows)
        ]

    def _panel(self, t):
        """The address of the panel A_t."""
        return self._at(self._at(self.a, self.a_start), self._load_at(self.a_taps, t))

    def _column(self, a_rows, k, gathered):
        """The addresses of A_t[:, k]."""
        if gathered:
            return [self._at(row, k) for row in a_rows]
        column = self._at(a_rows, self.builder.mul(k, _const(self.panel_width)))
        return [self._at(column, _const(i)) for i in range(self.rows)]

    def _multiply_add(self, a_column, b_row, k, sums):
        """sums + A_t[:, k] * B_t[k, :]."""
        b_k = self._at(b_row, self.builder.mul(k, _const(self.vectors * self.width)))
        b_vectors = [
            self._load_vector(self._vector_at(b_k, _const(j * self.width), self.factors))
            for j in range(self.vectors)
        ]
        new_sums = []
        for i in range(self.rows):
            a_value = self._broadcast(a_column[i])
            for j in range(self.vectors):
                total = sums[self.vectors * i + j]
                new_sums.append(self.multiply_add(self.builder, a_value, b_vectors[j], total))
        return new_sums

    def _addresses_of_tile(self):
        """Where each vector of the tile lies in C."""
        builder, origin = self.builder, self._at(self.c, self.c_start)
        return [
            self._vector_at(
                origin,
                builder.add(builder.mul(self.c_stride, _const(i)), _const(j * self.width)),
                self.vector,
            )
            for i, j in self.tile
        ]

    def _store(self, addresses, sums_by_block):
        """Store the sums of the block that the processor comes from."""
        results = []
        for position, address in enumerate(addresses):
            value = self.builder.phi(self.vector)
            for block, sums in sums_by_block.items():
                value.add_incoming(sums[position], block)
            results.append((value, address))
        for value, address in results:
            self.builder.store(value, address).align = self.alignment

    # -- memory --

    def _at(self, pointer, index):
        return self.builder.gep(pointer, [index])

    def _load_at(self, pointer, index):
        return self.builder.load(self._at(pointer, index))

    def _vector_at(self, pointer, index, vector):
        return self.builder.bitcast(self._at(pointer, index), vector.as_pointer())

    def _load_vector(self, pointer):
        value = self.builder.load(pointer)
        value.align = self.alignment
        return value

    def _broadcast(self, pointer):
        """A vector of copies of one number."""
        number = self.builder.load(pointer)
        nothing = ir.Constant(self.factors, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.Constant(INT32, 0))
        copies = constants(ir.VectorType(INT32, self.width), 0)
        return self.builder.shuffle_vector(first, nothing, copies)


def _const(value):
    return ir.Constant(_INT, value)


# A_t is a panel: for each k, ROWS adjacent numbers; a_taps[t] is where it starts.
tile_product = make_tile_product(gathered=False, rows=ROWS, vectors=2)
# GATHERED_ROWS rows of A_t lie anywhere, k along them; a_taps[t * GATHERED_ROWS + i] is where
# row i starts.
tile_product_gathered = make_tile_product(gathered=True, rows=GATHERED_ROWS, vectors=2)
tile_product_gathered_wide = make_tile_product(gathered=True, rows=GATHERED_ROWS, vectors=3)
# A_t is a panel of `panel_width` numbers for each k, of which GATHERED_ROWS are taken: what is
# made of whole vectors. Three vectors of B, or two.
tile_product_vectors_wide = make_tile_product(
    gathered=False, rows=GATHERED_ROWS, vectors=3, whole_vectors=True
)
tile_product_vectors = make_tile_product(
    gathered=False, rows=GATHERED_ROWS, vectors=2, whole_vectors=True
)
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


@jit
def vector_product(
    a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate, wide
):
    """The tile product of panels of whole vectors; B has three vectors if `wide`, else two."""
    if wide:
        tile_product_vectors_wide(
            a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate
        )
    else:
        tile_product_vectors(
            a, a_start, a_taps, b, b_start, b_taps, taps, depth, c, c_start, c_stride, accumulate
        )
