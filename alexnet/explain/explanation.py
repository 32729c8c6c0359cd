"""What is said of a number of a network, whether it is printed or drawn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alexnet.visualize.pictures import Picture
from alexnet.visualize.receptive_fields import Box

TERMS = 20  # that are shown of a sum
COLORS = ("red", "green", "blue")

Index = tuple[int, ...]  # (channel, row, column), or (unit,)


class Line(NamedTuple):
    """A step of a calculation: what it is, and the number that it gives."""

    name: str
    value: float


class Map(NamedTuple):
    """Numbers that have places.

    Attributes:
        title: what they are.
        values: (C, H, W), a small picture for each of C channels.
        corner: row and column of the first number in the layer that they come from.
    """

    title: str
    values: np.ndarray
    corner: tuple[int, int] = (0, 0)


class Term(NamedTuple):
    """A part of a sum, left * right; or one number, of which `left` and `right` are not known."""

    place: str
    left: float
    right: float
    value: float


@dataclass(frozen=True)
class Terms:
    """The largest parts of a sum.

    Attributes:
        title: what is added.
        columns: what the parts of a `Term` are.
        rows: by magnitude, the largest first.
        count: of all parts.
        rest: the sum of those that are not in `rows`.
    """

    title: str
    columns: tuple[str, str, str, str]
    rows: tuple[Term, ...]
    count: int
    rest: float


class KernelValue(NamedTuple):
    """The number as one of the project's kernels computes it.

    Attributes:
        kernel: its name.
        value: what it gives, in float32.
        is_used: whether the network computes the number with it.
    """

    kernel: str
    value: np.floating
    is_used: bool


@dataclass(frozen=True)
class Account:
    """How a number, or a gradient, comes about.

    Attributes:
        value: the number as the network has it.
        formula: the rule, a line or more of text.
        lines: the calculation step by step; the last one gives `value`.
        maps: of the numbers that take part.
        terms: of the sum, if there is one.
        kernels: the same number from each kernel that can compute it; empty if only one can.
        exact: the number without rounding errors, to compare the kernels with.
        notes: what else there is to say.
    """

    value: np.floating
    formula: str
    lines: tuple[Line, ...]
    maps: tuple[Map, ...] = ()
    terms: Terms | None = None
    kernels: tuple[KernelValue, ...] = ()
    exact: float = math.nan
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Where one number of a network comes from.

    Attributes:
        layer: its name.
        index: (channel, row, column), or (unit,); () of the loss.
        place: the same in words, with the class of a score.
        shape: of the layer's output.
        image: the name of the image.
        picture: the image as the network sees it, and its class.
        box: the pixels that the number depends on.
        classes: the names of the network's classes.
        label: the class whose cross-entropy is the loss.
        output: how the number comes about.
        gradient: how the gradient of the loss to it comes about; None if nobody asked for it.
    """

    layer: str
    index: Index
    place: str
    shape: tuple[int, ...]
    image: str
    picture: Picture
    box: Box
    classes: Sequence[str]
    label: int
    output: Account
    gradient: Account | None = None


def place(index: Index, source: str = "") -> str:
    """Where a number stands in an array (C, H, W) or (F,), for people.

    Args:
        source: the layer of the array; the channels of the image are its colors.
    """
    if len(index) == 1:
        return f"unit {index[0]}"
    channel, row, column = index
    named = COLORS[channel] if source == "image" else f"channel {channel}"
    return f"{named}, row {row}, column {column}"


def coordinates(index: Index, source: str = "") -> str:
    """The same without the words, which stand above a table."""
    first = COLORS[index[0]] if source == "image" else str(index[0])
    return ", ".join([first, *map(str, index[1:])])


def coordinate_names(dimensions: int, source: str = "") -> str:
    """The words for `coordinates` of an array of so many dimensions."""
    if dimensions == 1:
        return "unit"
    return f"{'color' if source == 'image' else 'channel'}, row, column"


def largest(
    title: str,
    columns: tuple[str, str, str, str],
    terms: Iterable[Term],
    count: int,
) -> Terms:
    """The `TERMS` parts of a sum with the largest magnitudes, in a fixed order."""
    ordered = sorted(terms, key=lambda term: (-abs(term.value), term.place))
    rest = math.fsum(term.value for term in ordered[TERMS:])
    return Terms(title, columns, tuple(ordered[:TERMS]), count, rest)


def units_in_the_last_place(value: np.floating, exact: float) -> float:
    """How far a number is from the exact one, in steps of its type at that size."""
    rounded = value.dtype.type(exact)
    return (float(value) - exact) / float(np.spacing(np.abs(rounded)))
