"""Sums over all processes have the bits of the sum that one process makes."""

import numpy as np
import pytest

from minigrad.distributed import PairwiseSum, Team, add_arrays, reduction
from tests import teams

SHAPES = [(3, 4), (5,), (), (2, 7, 3), (1,), (40,)]


def terms(parts, absent=(), dtype=np.float32):
    """Random arrays for each part of a batch; None for those without images."""
    rng = np.random.default_rng(0)
    # Of very different sizes, so that another order of additions gives other bits.
    return [
        None
        if part in absent
        else [
            np.asarray(rng.standard_normal(shape) * 10.0 ** rng.integers(-4, 4, shape), dtype)
            for shape in SHAPES
        ]
        for part in range(parts)
    ]


def summed(team, values):
    like = [np.empty(shape, np.float32) for shape in SHAPES]
    first, end = (len(values) * rank // team.size for rank in (team.rank, team.rank + 1))
    own = PairwiseSum(add_arrays, first)
    for value in values[first:end]:
        own.put(value and [array.copy() for array in value])
    return team.sum(own.nodes, like)


@pytest.mark.parametrize("piece_bytes", [16, 64, 1 << 20])
@pytest.mark.parametrize(
    "parts, absent, processes",
    [
        (2, (), 2),
        (3, (), 3),
        (4, (), 2),
        (4, (3,), 4),
        (6, (), 2),
        (6, (0, 4), 3),
        (6, (3, 4, 5), 2),
        (8, (0, 1, 2, 3, 4, 5, 6), 4),
    ],
)
def test_bits_of_one_process(parts, absent, processes, piece_bytes, monkeypatch):
    monkeypatch.setattr(teams.ThreadTransport, "piece_bytes", piece_bytes)
    values = terms(parts, absent)
    expected = summed(Team(), values)
    for result in teams.run(processes, lambda team: summed(team, values)):
        for ours, theirs in zip(result, expected, strict=True):
            assert ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def test_the_order_matters():
    values = terms(4)
    pairs = summed(Team(), values)
    in_a_row = [((a + b) + c) + d for a, b, c, d in zip(*values)]
    assert any(ours.tobytes() != other.tobytes() for ours, other in zip(pairs, in_a_row))


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_pieces_are_views_of_every_element_once(limit):
    arrays = [np.zeros(shape) for shape in SHAPES]
    found = list(reduction.pieces(arrays, limit))
    sizes = [sum(segment.size for segment in piece) for piece in found]
    assert set(sizes[:-1]) <= {limit} and sizes[-1] <= limit
    for piece in found:
        for segment in piece:
            segment += 1
    assert all((array == 1).all() for array in arrays)
