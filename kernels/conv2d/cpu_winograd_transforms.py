"""The transforms of Winograd's convolution, as machine code for each algorithm.

A transform multiplies a small grid of vectors from both sides with a matrix that is known
beforehand: T = matrix @ grid @ matrix^T. Each vector holds adjacent channels. Written out
completely, column by column and then row by row, that is a few hundred additions and
multiplications with constants and neither loops nor zeros:

    evaluate         values = B^T pixels B       S x S pixels of one tile -> P x P points
    evaluate_columns, evaluate_line              the same in two steps, for the weight gradient,
                                                 which goes through the points row by row
    evaluate_filter  values = G filter G^T       R x R taps of many filters -> P x P points
    interpolate      outputs = A^T products A    P x P products -> M x M pixels of the output

They are functions of their own, called by address, so that the kernels around them are compiled
once for all algorithms. Their arguments are addresses and distances in bytes; channels are a
multiple of a vector.

For products in bfloat16 everything is computed in float32, and values are rounded when they are
stored. Those that are summed over channels are pairs as they lie; for the others, a transform does
its work for two sources and stores the pairs.
"""

import types as python_types
from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from minigrad.kernels.shared.cache import kernel_cache
from minigrad.kernels.shared.microkernel import VECTOR_BYTES
from minigrad.kernels.shared.vectors import multiply_add, round_to_bits, round_to_pairs

_INT = ir.IntType(64)


@cache
def evaluate(algorithm, dtype, bfloat16=False):
    """Address of f(pixels, row_stride, column_stride, channels, values, point_stride)."""

    def emit(code, arguments):
        pixels, row_stride, column_stride, channels, values, point_stride = arguments

        def body(c):
            load = _grid_of(code, code.add(pixels, c), row_stride, column_stride)

            def store(i, j, value):
                target = code.add(values, code.multiply(point_stride, i * products + j))
                if bfloat16:
                    code.store_rounded(value, code.add(target, code.half(c)))
                else:
                    code.store(value, code.add(target, c))

            _transform(code, matrix, load, store)

        code.for_each_vector(channels, body)

    matrix, products = algorithm.matrices[0], algorithm.products
    return _compile(_evaluate, algorithm, dtype, bfloat16, emit)


@cache
def evaluate_filter(algorithm, dtype, bfloat16=False):
    """The same for R x R taps of filters, whose output channels lie side by side.

    bfloat16: what makes the second halves of the pairs follows behind so many channels.
    """

    def emit(code, arguments):
        taps, row_stride, column_stride, channels, values, point_stride = arguments
        second = code.add(taps, code.multiply(channels, code.itemsize))

        def body(c):
            first_values = {}

            def store(i, j, value):
                target = code.add(values, code.multiply(point_stride, i * products + j))
                target = code.add(target, c)
                if not bfloat16:
                    code.store(value, target)
                elif (i, j) in first_values:
                    code.store_pairs(first_values[i, j], value, target)
                else:
                    first_values[i, j] = value

            for start in (taps, second) if bfloat16 else (taps,):
                load = _grid_of(code, code.add(start, c), row_stride, column_stride)
                _transform(code, matrix, load, store)

        code.for_each_vector(channels, body)

    matrix, products = algorithm.matrices[1], algorithm.products
    return _compile(_evaluate_filter, algorithm, dtype, bfloat16, emit)


def _grid_of(code, start, row_stride, column_stride):
    """load(k, j) of the vectors of a grid in memory."""

    def load(k, j):
        row = code.add(start, code.multiply(row_stride, k))
        return code.load(code.add(row, code.multiply(column_stride, j)))

    return load


@cache
def evaluate_columns(algorithm, dtype):
    """Address of f(pixels, row_stride, column_stride, channels, lines, line_stride).

    B^T pixels: one line of S vectors for each row of points, where those of the channels follow
    one another.
    """
    return _columns_transform(_evaluate_columns, algorithm, algorithm.matrices[0], dtype)


@cache
def evaluate_filter_columns(algorithm, dtype):
    """The same for taps of filters: G filter."""
    return _columns_transform(_evaluate_filter_columns, algorithm, algorithm.matrices[1], dtype)


def _columns_transform(template, algorithm, matrix, dtype):
    size = len(matrix[0])

    def emit(code, arguments):
        pixels, row_stride, column_stride, channels, lines, line_stride = arguments

        def body(c):
            line = code.add(lines, code.multiply(c, size))
            for j in range(size):
                at = code.add(code.add(pixels, code.multiply(column_stride, j)), c)
                column = [
                    code.load(code.add(at, code.multiply(row_stride, k))) for k in range(size)
                ]
                for i, factors in enumerate(matrix):
                    target = code.add(line, code.multiply(line_stride, i))
                    target = code.add(target, code.constant(j * VECTOR_BYTES))
                    code.store(code.combine(factors, column), target)

        code.for_each_vector(channels, body)

    return _compile(template, algorithm, dtype, False, emit)


@cache
def evaluate_line(algorithm, dtype, bfloat16=False):
    """Address of f(line, next_line, channels, values, point_stride, vectors, panel_stride).

    The values of one row of points, in panels of so many vectors. bfloat16: pairs of those of a
    line and of the next one, which is not read otherwise.
    """
    return _line_transform(_evaluate_line, algorithm, algorithm.matrices[0], dtype, bfloat16)


@cache
def evaluate_filter_line(algorithm, dtype, bfloat16=False):
    """The same for taps of filters."""
    return _line_transform(_evaluate_filter_line, algorithm, algorithm.matrices[1], dtype, bfloat16)


def _line_transform(template, algorithm, matrix, dtype, bfloat16):
    size = len(matrix[0])

    def emit(code, arguments):
        line, next_line, channels, values, point_stride, vectors, panel_stride = arguments

        def body(c):
            number = code.builder.udiv(c, code.constant(VECTOR_BYTES))
            panel = code.builder.mul(code.builder.udiv(number, vectors), panel_stride)
            lane = code.multiply(code.builder.urem(number, vectors), VECTOR_BYTES)
            target = code.add(values, code.add(panel, lane))
            first = code.multiply(c, size)
            lines = [
                [
                    code.load(code.add(code.add(start, first), code.constant(k * VECTOR_BYTES)))
                    for k in range(size)
                ]
                for start in ((line, next_line) if bfloat16 else (line,))
            ]
            for j, factors in enumerate(matrix):
                point = code.add(target, code.multiply(point_stride, j))
                sums = [code.combine(factors, pixels) for pixels in lines]
                if bfloat16:
                    code.store_pairs(*sums, point)
                else:
                    code.store(*sums, point)

        code.for_each_vector(channels, body)

    return _compile(template, algorithm, dtype, bfloat16, emit)


@cache
def interpolate(algorithm, dtype):
    """Address of f(products, point_stride, channels, bias, relu, outputs, row_stride,
    column_stride).

    The bias is added to each output; where `relu` is not 0, what is negative becomes 0.
    """
    matrix = algorithm.matrices[2]
    points = len(matrix[0])

    def emit(code, arguments):
        products, point_stride, channels, bias, relu = arguments[:5]
        outputs, row_stride, column_stride = arguments[5:]
        is_relu = code.builder.icmp_signed("!=", relu, code.constant(0))
        least = code.builder.select(is_relu, code.splat(0.0), code.splat(float("-inf")))

        def body(c):
            bias_vector = code.load(code.add(bias, c))

            def load(k, j):
                point = code.multiply(point_stride, k * points + j)
                return code.load(code.add(code.add(products, point), c))

            def store(i, j, value):
                row = code.add(outputs, code.multiply(row_stride, i))
                value = code.builder.fadd(value, bias_vector)
                # Written so that NaN stays NaN.
                is_less = code.builder.fcmp_ordered("<", value, least)
                value = code.builder.select(is_less, least, value)
                code.store(value, code.add(code.add(row, code.multiply(column_stride, j)), c))

            _transform(code, matrix, load, store)

        code.for_each_vector(channels, body)

    return _compile(_interpolate, algorithm, dtype, False, emit)


def _transform(code, matrix, load, store):
    """store(i, j, (matrix @ grid @ matrix^T)[i, j]) for the grid of load(k, j)."""
    size = len(matrix[0])
    columns = []
    for j in range(size):
        column = [load(k, j) for k in range(size)]
        columns.append([code.combine(factors, column) for factors in matrix])
    for i in range(len(matrix)):
        line = [column[i] for column in columns]
        for j, factors in enumerate(matrix):
            store(i, j, code.combine(factors, line))


class _Code:
    """Emits vector instructions for numbers of one type."""

    def __init__(self, builder, dtype):
        self.builder = builder
        self.itemsize = dtype.itemsize
        self.width = VECTOR_BYTES // dtype.itemsize
        self.number = ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.number, self.width)

    def for_each_vector(self, channels, body):
        """body(offset in bytes) for the vectors of so many channels."""
        end = self.multiply(channels, self.itemsize)
        loop = cgutils.for_range_slice(
            self.builder, self.constant(0), end, self.constant(VECTOR_BYTES), _INT
        )
        with loop as (offset, _):
            body(offset)

    def combine(self, factors, vectors):
        """The sum of factors[k] * vectors[k]: one instruction for each factor but 0."""
        terms = [(float(f), v) for f, v in zip(factors, vectors) if f]
        terms.sort(key=lambda term: term[0] != 1)  # what needs no multiplication comes first
        (factor, total), *rest = terms
        if factor != 1:
            total = self.builder.fmul(total, self.splat(factor))
        for factor, vector in rest:
            if factor == 1:
                total = self.builder.fadd(total, vector)
            elif factor == -1:
                total = self.builder.fsub(total, vector)
            else:
                total = multiply_add(self.builder, vector, self.splat(factor), total)
        return total

    def splat(self, number):
        return ir.Constant(self.vector, [number] * self.width)

    # -- addresses --

    def constant(self, value):
        return ir.Constant(_INT, value)

    def add(self, a, b):
        return self.builder.add(a, b)

    def multiply(self, value, factor):
        return self.builder.mul(value, self.constant(factor))

    def half(self, value):
        return self.builder.lshr(value, self.constant(1))

    def load(self, address):
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        return self.builder.load(pointer, align=self.itemsize)

    def store(self, value, address):
        pointer = self.builder.inttoptr(address, value.type.as_pointer())
        self.builder.store(value, pointer, align=self.itemsize)

    def store_rounded(self, value, address):
        """Adjacent numbers of bfloat16."""
        self.store(round_to_bits(self.builder, value), address)

    def store_pairs(self, first, second, address):
        self.store(round_to_pairs(self.builder, first, second), address)


# What is compiled: copies of these, each with an `_emit` of its own.


def _evaluate(pixels, row_stride, column_stride, channels, values, point_stride):
    _emit((pixels, row_stride, column_stride, channels, values, point_stride))


def _evaluate_filter(taps, row_stride, column_stride, channels, values, point_stride):
    _emit((taps, row_stride, column_stride, channels, values, point_stride))


def _evaluate_columns(pixels, row_stride, column_stride, channels, lines, line_stride):
    _emit((pixels, row_stride, column_stride, channels, lines, line_stride))


def _evaluate_filter_columns(taps, row_stride, column_stride, channels, lines, line_stride):
    _emit((taps, row_stride, column_stride, channels, lines, line_stride))


def _evaluate_line(line, next_line, channels, values, point_stride, vectors, panel_stride):
    _emit((line, next_line, channels, values, point_stride, vectors, panel_stride))


def _evaluate_filter_line(line, next_line, channels, values, point_stride, vectors, panel_stride):
    _emit((line, next_line, channels, values, point_stride, vectors, panel_stride))


def _interpolate(products, point_stride, channels, bias, relu, outputs, row_stride, column_stride):
    _emit((products, point_stride, channels, bias, relu, outputs, row_stride, column_stride))


def _emit(arguments):
    """In each copy, the instructions of its transform."""
    raise NotImplementedError


_kept = []  # machine code lives as long as its object


def _compile(template, algorithm, dtype, bfloat16, emit):
    """The address of a transform whose instructions `emit` writes."""

    @intrinsic
    def emitted(typing, arguments):
        def codegen(context, builder, signature, values):
            emit(_Code(builder, dtype), cgutils.unpack_tuple(builder, values[0]))
            return context.get_dummy_value()

        return types.void(arguments), codegen

    # A copy under a name of its own, without a closure: by these the cache knows it.
    function = python_types.FunctionType(template.__code__, {"_emit": emitted})
    function.__module__ = __name__
    form = algorithm.outputs, algorithm.taps, algorithm.products, "bfloat16" if bfloat16 else dtype
    function.__name__ = function.__qualname__ = "_".join(map(str, (template.__name__, *form)))
    signature = (types.int64,) * template.__code__.co_argcount, types.void
    code = CFunc(function, signature, locals={}, options={})
    code._cache = kernel_cache(function, parallel=False)
    code.compile()
    _kept.append(code)
    return code.address
