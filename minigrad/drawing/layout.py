"""Where the boxes of a graph stand and how its edges run.

Data flows downwards, from layer to layer (`minigrad/drawing/layers.py`). A leaf that is used once
stands on the left of the box that uses it. So a network is one column with its parameters beside
it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from minigrad.drawing.layers import SIDE_GAP, Extent, Layers, port_offsets

STACK_GAP = 8  # between leaves above each other
INSET = 10  # from the corner of a box to the first edge that ends at its side

Point = tuple[float, float]


@dataclass(frozen=True)
class Size:
    """Of a box, in pixels."""

    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """An edge, or the part of one that leads to the next layer, where another part goes on.

    Attributes:
        points: a part between two points is vertical where they have the same x; elsewhere it is
            in the gap between two layers.
        is_level: it goes from a leaf to the box on its right instead.
        has_arrow: it ends at a box.
    """

    points: tuple[Point, ...]
    is_level: bool
    has_arrow: bool


@dataclass(frozen=True)
class Layout:
    """The upper left corner of each box, the lines, and the size of the picture."""

    corners: list[Point]
    lines: list[Line]
    width: float
    height: float


def place(sizes: Sequence[Size], inputs: Sequence[Sequence[int]]) -> Layout:
    """Place boxes in a picture whose upper left corner is (0, 0).

    Args:
        sizes: of the boxes.
        inputs: for each box the positions of the boxes that it takes, all of them before it; each
            box but the last one is taken by another one.
    """
    stacks = _stacks(inputs)
    above = [[x for x in sources if x not in stack] for sources, stack in zip(inputs, stacks)]
    beside = set(itertools.chain.from_iterable(stacks))
    extents = {
        box: _extent(size, [sizes[leaf] for leaf in stacks[box]])
        for box, size in enumerate(sizes)
        if box not in beside
    }
    ports = [port_offsets(size.width, len(sources)) for size, sources in zip(sizes, above)]
    layers = Layers(extents, above, ports)
    corners = _corners(sizes, stacks, layers)
    lines = [
        _downwards(upper, lower, offset, corners, sizes, layers)
        for upper, links in layers.below.items()
        for lower, offset in links
    ]
    for box, stack in enumerate(stacks):
        lines += [_to_the_right(leaf, box, corners, sizes, stack) for leaf in stack]
    return Layout(corners, lines, layers.width, layers.bottom(len(layers.levels) - 1))


def _stacks(inputs: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each box the leaves that stand beside it.

    They are used once. Where all inputs of a box are such leaves, the first one stands above it.
    """
    uses = [0] * len(inputs)
    for source in itertools.chain.from_iterable(inputs):
        uses[source] += 1
    stacks = []
    for sources in inputs:
        leaves = [source for source in sources if uses[source] == 1 and not inputs[source]]
        stacks.append(leaves[1:] if len(leaves) == len(sources) else leaves)
    return stacks


def _extent(size: Size, stack: Sequence[Size]) -> Extent:
    """What a box takes with the leaves beside it."""
    half = size.width / 2
    widest = max((leaf.width + SIDE_GAP for leaf in stack), default=0)
    return Extent(half + widest, half, max(size.height, _stack_height(stack)))


def _stack_height(stack: Sequence[Size]) -> float:
    return sum(leaf.height + STACK_GAP for leaf in stack) - STACK_GAP


def _corners(sizes: Sequence[Size], stacks: Sequence[Sequence[int]], layers: Layers) -> list[Point]:
    """Boxes, and the leaves beside them, are centered in the height of their layer."""
    corners: list[Point] = [(0, 0)] * len(sizes)
    for level, vertices in enumerate(layers.levels):
        middle = (layers.top(level) + layers.bottom(level)) / 2
        for box in vertices:
            if box < len(sizes):
                left = layers.x[box] - sizes[box].width / 2
                corners[box] = round(left, 1), round(middle - sizes[box].height / 2, 1)
                y = middle - _stack_height([sizes[leaf] for leaf in stacks[box]]) / 2
                for leaf in stacks[box]:
                    corners[leaf] = round(left - SIDE_GAP - sizes[leaf].width, 1), round(y, 1)
                    y += sizes[leaf].height + STACK_GAP
    return corners


def _to_the_right(
    leaf: int, box: int, corners: Sequence[Point], sizes: Sequence[Size], stack: Sequence[int]
) -> Line:
    """From a leaf to its box: level, or nearer to the middle where the leaves are higher."""
    center = corners[box][1] + sizes[box].height / 2
    distances = [corners[i][1] + sizes[i].height / 2 - center for i in stack]
    distance = distances[stack.index(leaf)]
    reach = max(map(abs, distances))
    inner = min(1, (sizes[box].height / 2 - INSET) / reach) if reach else 1
    start = corners[leaf][0] + sizes[leaf].width, center + distance
    end = corners[box][0], center + distance * inner
    return Line((_rounded(start), _rounded(end)), is_level=True, has_arrow=True)


def _downwards(
    upper: int,
    lower: int,
    offset: float,
    corners: Sequence[Point],
    sizes: Sequence[Size],
    layers: Layers,
) -> Line:
    """From a box or a dummy through the gap to one of the next layer.

    The line to a dummy ends at the bottom of its layer, that to a box at the top of the box.
    """
    level = layers.level_of[upper]
    x = layers.x[upper]
    points = [(x, layers.bottom(level))]
    if upper < len(sizes):
        points.insert(0, (x, corners[upper][1] + sizes[upper].height))
    is_box = lower < len(sizes)
    x = layers.x[lower] + offset
    end = corners[lower][1] if is_box else layers.bottom(level + 1)
    points += [(x, layers.top(level + 1)), (x, end)]
    once = tuple(point for point, _ in itertools.groupby(map(_rounded, points)))
    return Line(once, is_level=False, has_arrow=is_box)


def _rounded(point: Point) -> Point:
    return round(point[0], 1), round(point[1], 1)
