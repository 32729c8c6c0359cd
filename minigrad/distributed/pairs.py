"""Sums in pairs: ((0 + 1) + (2 + 3)) + ((4 + 5) + ...), an order that processes can share.

The terms are the leaves of a binary tree, and each of its nodes is the sum of the two below it.
Which nodes there are depends on the number of terms alone. A process that has some terms in a row
adds up as many whole nodes as there are among them; whoever gets the nodes of all processes
completes the tree. So the bits of a sum do not depend on how many processes there are.

    terms          0   1   2   3   4   5
    one process    (((0 + 1) + (2 + 3)) + (4 + 5))
    two            0 + 1, 2            3, 4 + 5
    three          0 + 1       2 + 3       4 + 5
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Node(NamedTuple, Generic[Value]):
    """The sum of some terms in a row.

    Attributes:
        first, terms: the place of the first one, and how many they are.
        value: None if none of them is there, as of a part of a batch that has no images.
    """

    first: int
    terms: int
    value: Value | None


class PairwiseSum(Generic[Value]):
    """A sum that is given its terms one after the other.

    At any time it holds at most 2 log2(terms) partial sums.

    Args:
        add: returns the sum of two values, in which it may overwrite the first one.
        first: the place of the first term that will be given.
    """

    def __init__(self, add: Callable[[Value, Value], Value], first: int = 0):
        self._add = add
        self._next = first
        self.nodes: list[Node[Value]] = []

    def put(self, value: Value | None, terms: int = 1) -> None:
        """Give the next term, or the sum of the next `terms` ones; None where there is nothing.

        Such a sum must be a node of the tree.
        """
        self.nodes.append(Node(self._next, terms, value))
        self._next += terms
        while len(self.nodes) > 1 and self._are_a_pair(*self.nodes[-2:]):
            self._join()

    @staticmethod
    def _are_a_pair(left: Node[Value], right: Node[Value]) -> bool:
        return left.terms == right.terms and left.first % (2 * left.terms) == 0

    def _join(self) -> None:
        right, left = self.nodes.pop(), self.nodes.pop()
        if left.value is None or right.value is None:
            value = right.value if left.value is None else left.value
        else:
            value = self._add(left.value, right.value)
        self.nodes.append(Node(left.first, left.terms + right.terms, value))

    def total(self) -> Value | None:
        """The sum of all terms from 0 on; None if there is nothing."""
        while len(self.nodes) > 1:
            self._join()
        return self.nodes[0].value if self.nodes else None


def add_arrays(left: list[Any], right: list[Any]) -> list[Any]:
    """Add the arrays of the second list to those of the first; None stands for zero."""
    for position, (one, other) in enumerate(zip(left, right)):
        if one is None:
            left[position] = other
        elif other is not None:
            one += other
    return left


def total(nodes: Iterable[Node[list[Any]]]) -> list[Any]:
    """The sum of lists of arrays from all nodes of the tree that there are."""
    whole: PairwiseSum[list[Any]] = PairwiseSum(add_arrays)
    for node in nodes:
        whole.put(node.value, node.terms)
    return whole.total() or []
