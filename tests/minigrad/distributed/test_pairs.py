"""The order of additions in a sum that processes share."""

import itertools

import numpy as np
import pytest

from minigrad.distributed import PairwiseSum, add_arrays


def tree(values):
    """The order as a text: what is added to what."""
    whole = PairwiseSum(lambda left, right: f"({left}+{right})")
    for value in values:
        whole.put(value)
    return whole.total()


@pytest.mark.parametrize(
    "terms, expected",
    [
        ("", None),
        ("a", "a"),
        ("ab", "(a+b)"),
        ("abc", "((a+b)+c)"),
        ("abcde", "(((a+b)+(c+d))+e)"),
        ("abcdef", "(((a+b)+(c+d))+(e+f))"),
        ("abcdefg", "(((a+b)+(c+d))+((e+f)+g))"),
        ("abcdefgh", "(((a+b)+(c+d))+((e+f)+(g+h)))"),
    ],
)
def test_order(terms, expected):
    assert tree(terms) == expected


@pytest.mark.parametrize("absent", ["", "a", "b", "cd", "abcd", "bdfh", "abcdefgh"])
@pytest.mark.parametrize("processes", range(1, 9))
def test_any_division_gives_the_same_order(processes, absent):
    terms = [None if term in absent else term for term in "abcdefgh"]
    edges = [len(terms) * rank // processes for rank in range(processes + 1)]
    nodes = []
    for first, end in itertools.pairwise(edges):
        part = PairwiseSum(lambda left, right: f"({left}+{right})", first)
        for term in terms[first:end]:
            part.put(term)
        nodes += part.nodes
    assert [node.first for node in nodes][0] == 0 and sum(node.terms for node in nodes) == 8
    whole = PairwiseSum(lambda left, right: f"({left}+{right})")
    for node in nodes:
        whole.put(node.value, node.terms)
    assert whole.total() == tree(terms)


def test_few_partial_sums_are_held():
    whole = PairwiseSum(lambda left, right: left + right, first=5)
    for term in range(5, 1000):
        whole.put(term)
        assert len(whole.nodes) <= 2 * 10
    assert sum(node.value for node in whole.nodes) == sum(range(5, 1000))


def test_add_arrays_takes_none_for_zero():
    one, two = np.ones(2), np.full(2, 2.0)
    (left, right, both, neither) = add_arrays([one, None, one.copy(), None], [None, two, two, None])
    assert left is one and right is two and both.tolist() == [3, 3] and neither is None
