"""Winograd's minimal filtering: where the matrices come from, and which are used.

A line of S = M + R - 1 pixels and a filter of R taps give M outputs. Instead of with R M products
they can be had with P < R M:

    outputs = A^T [ (G filter) * (B^T pixels) ]          * value by value

and a tile of S x S pixels with R x R taps by the same in both directions, with P^2 products
instead of (R M)^2. The algorithm is the multiplication of two polynomials by Toom and Cook,
transposed. Polynomials of M and R coefficients are evaluated at points; where their values are
multiplied, they are those of the product, and enough of them determine it. So G and A evaluate
at the points, and B interpolates: it is the one matrix for which

    sum over p of A[m, p] G[p, r] B^T[p, s] = 1 if m + r = s, else 0

which is solved here in fractions, exactly.

A point is a number; infinity, where a polynomial is its leading coefficient; or, in place of two
numbers, a polynomial x^2 + b x + c without real roots. There a polynomial is its remainder u + v x,
and two remainders are multiplied with three products: those of u, of v and of u + v (Karatsuba).

The fewer products, the larger the rounding error. Powers of the points are factors of the
transforms: with 0, 1, -1 and infinity alone they are 0, 1 and -1, with 2 and 1/2 they range from
2^(1 - M) to 2^(M - 1), and sums of large terms cancel. x^2 + 1 has powers 1 and -1 and costs one
product more than two numbers: with it the error is at most 2.8 times that of a direct sum
(`docs/precision.md`).

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015, arXiv:1509.09308;
Blahut, Fast Algorithms for Signal Processing, 2010, 5.2 to 5.4.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property

import numpy as np

INFINITY = "infinity"
# x^2 + b x + c as (b, c)
X2_1, X2_X_1, X2_MINUS_X_1 = (0, 1), (1, 1), (-1, 1)
_ALL = 0, 1, -1, INFINITY

# The points for a line of S pixels: those that round least, of the sets tried with as many
# products.
FLOAT_POINTS = {
    6: (*_ALL, X2_1),
    7: (*_ALL, X2_1, Fraction(-1, 2)),
    8: (*_ALL, X2_1, -2, Fraction(1, 2)),
    9: (*_ALL, X2_1, X2_MINUS_X_1, -2),
}
# Where transformed values are rounded to bfloat16: with at most MOST_BFLOAT16_OUTPUTS outputs the
# error is 1.4 to 2.7 times that of a direct sum of rounded pixels and weights, 4.4 times for the
# output of a tile that rounds most; with 6 it would be 3.2 times.
BFLOAT16_POINTS = {
    4: _ALL,
    6: (*_ALL, X2_1),
    8: (*_ALL, X2_X_1, X2_MINUS_X_1),
}
MOST_BFLOAT16_OUTPUTS = 5


@dataclass(frozen=True)
class Algorithm:
    """M outputs of a filter of R taps, in each direction, from P products.

    Attributes:
        outputs: M.
        taps: R.
        points: numbers, INFINITY, or (b, c) for x^2 + b x + c; M + R - 1 in all, where a
            polynomial counts twice.
    """

    outputs: int
    taps: int
    points: tuple

    @property
    def size(self) -> int:
        """S, the pixels of a line."""
        return self.outputs + self.taps - 1

    @cached_property
    def products(self) -> int:
        """P, the products of a line; those of a tile are P^2."""
        return len(_evaluation(self.points, 1))

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """B^T (P, S), G (P, R) and A^T (M, P), in float64.

        The rows of B^T are scaled to whole numbers, those of G by the inverse.
        """
        first, second = (_evaluation(self.points, n) for n in (self.outputs, self.taps))
        pairs = [(m, r) for m in range(self.outputs) for r in range(self.taps)]
        interpolation = _solve(
            [[a[m] * g[r] for a, g in zip(first, second)] for m, r in pairs],
            [[Fraction(m + r == s) for s in range(self.size)] for m, r in pairs],
        )
        scales = [_common_divisor(row) for row in interpolation]
        input_transform = [[x / s for x in row] for row, s in zip(interpolation, scales)]
        filter_transform = [[x * s for x in row] for row, s in zip(second, scales)]
        return tuple(
            np.array([[float(x) for x in row] for row in matrix])
            for matrix in (input_transform, filter_transform, list(zip(*first)))
        )

    @property
    def transposed(self) -> "Algorithm":
        """For the weight gradient: R outputs of a filter of M taps, from the same tile."""
        return Algorithm(self.taps, self.outputs, self.points)


def _evaluation(points, count):
    """The rows that evaluate a polynomial of `count` coefficients at each point."""
    rows = []
    for point in points:
        if point == INFINITY:
            rows.append([Fraction(0)] * (count - 1) + [Fraction(1)])
        elif isinstance(point, tuple):
            b, c = point
            remainders = [(Fraction(1), Fraction(0))]  # of x^0, x^1, ...: u + v x
            for _ in range(count - 1):
                u, v = remainders[-1]
                remainders.append((-c * v, u - b * v))
            u, v = zip(*remainders)
            rows += [list(u), list(v), [sum(pair) for pair in remainders]]
        else:
            rows.append([Fraction(point) ** i for i in range(count)])
    return rows


def _solve(matrix, right):
    """X with matrix @ X = right, by elimination in fractions; there is exactly one."""
    rows = [[*left, *values] for left, values in zip(matrix, right)]
    unknowns = len(matrix[0])
    for column in range(unknowns):
        pivot = next(i for i in range(column, len(rows)) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [x / rows[column][column] for x in rows[column]]
        for i, row in enumerate(rows):
            if i != column and row[column]:
                rows[i] = [x - row[column] * y for x, y in zip(row, rows[column])]
    return [row[unknowns:] for row in rows[:unknowns]]


def _common_divisor(fractions):
    """The largest fraction of which all are whole multiples."""
    denominator = math.lcm(*(x.denominator for x in fractions))
    return Fraction(math.gcd(*(int(x * denominator) for x in fractions)), denominator)


@cache
def algorithms(taps: int, bfloat16: bool = False) -> tuple[Algorithm, ...]:
    """Those for filters of so many taps, with at least two outputs."""
    points = BFLOAT16_POINTS if bfloat16 else FLOAT_POINTS
    found = (Algorithm(size + 1 - taps, taps, set_) for size, set_ in points.items() if size > taps)
    return tuple(a for a in found if not bfloat16 or a.outputs <= MOST_BFLOAT16_OUTPUTS)
