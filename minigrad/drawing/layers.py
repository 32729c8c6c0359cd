"""The layers of a graph, the order within each, and the places from left to right.

The steps are those of Sugiyama, Tagawa and Toda (1981): each box gets a layer, an edge gets a dummy
vertex on every layer that it crosses, the vertices of each layer are ordered so that few edges
cross, and then each gets its place. All edges from one box run along the same dummies.
"""

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GAP = 40  # between layers, where edges run from one place to another
SIDE_GAP = 28  # between boxes of a layer, and from a leaf to the box that it stands beside
PORT_STEP = 24  # between the ends of two edges at the top of a box
LINE_WIDTH = 12  # what a layer keeps free for an edge that crosses it
SWEEPS = 8
WEIGHTS = (1, 2, 8)  # of edges between no, one and two dummies: long ones should be straight

# A neighbor of a vertex, and how far from the center of the lower one of the two their edge ends.
Link = tuple[int, float]


@dataclass(frozen=True)
class Extent:
    """What a vertex takes: to the left and to the right of its center, and its height."""

    left: float
    right: float
    height: float


_LINE = Extent(LINE_WIDTH / 2, LINE_WIDTH / 2, 0)


def port_offsets(width: float, count: int) -> list[float]:
    """Where `count` edges end at the top of a box, from its center: in the order of its inputs."""
    step = min(PORT_STEP, width / (count + 1))
    return [(i - (count - 1) / 2) * step for i in range(count)]


class Layers:
    """A graph in layers from top to bottom.

    Args:
        extents: of the boxes that are placed, by their numbers, which are less than len(inputs).
        inputs: for each box those that it takes, all with lower numbers. The last box is the only
            one that no other one takes.
        ports: for each input the distance from the center of the box at which its edge ends.

    Attributes:
        levels: the vertices of each layer, from left to right: boxes, and dummies with numbers
            from len(inputs).
        level_of: the layer of each vertex.
        below: the links from each vertex to the next layer.
        x: the center of each vertex; the leftmost extent begins at 0.
        width: where the rightmost extent ends.
    """

    def __init__(
        self,
        extents: Mapping[int, Extent],
        inputs: Sequence[Sequence[int]],
        ports: Sequence[Sequence[float]],
    ):
        # As far down as its uses allow: then an edge is long only where it has to be.
        distance = [0] * len(inputs)
        for box in reversed(range(len(inputs))):
            for source in inputs[box]:
                distance[source] = max(distance[source], distance[box] + 1)
        last = max(distance)
        self.level_of = dict(enumerate(last - steps for steps in distance))
        self.levels: list[list[int]] = [[] for _ in range(last + 1)]
        for box in extents:
            self.levels[self.level_of[box]].append(box)
        self._extents = dict(extents)
        self._above: dict[int, list[Link]] = {box: [] for box in extents}
        self.below: dict[int, list[Link]] = {box: [] for box in extents}
        self._dummies: dict[tuple[int, int], int] = {}
        for box, sources in enumerate(inputs):
            for source, offset in zip(sources, ports[box]):
                self._connect(source, box, offset)
        heights = [max(extents[v].height for v in level if v in extents) for level in self.levels]
        self._tops = list(itertools.accumulate((h + GAP for h in heights), initial=0.0))
        self._order()
        self._move_all()

    def top(self, level: int) -> float:
        """The y at which a layer begins."""
        return self._tops[level]

    def bottom(self, level: int) -> float:
        """The y at which a layer ends."""
        return self._tops[level + 1] - GAP

    def _connect(self, source: int, box: int, offset: float) -> None:
        """Link a box to an input through dummies: those of another edge, as far as they go."""
        upper = source
        for level in range(self.level_of[source] + 1, self.level_of[box]):
            dummy = self._dummies.get((source, level))
            if dummy is None:
                dummy = self._dummies[source, level] = len(self.level_of)
                self.level_of[dummy] = level
                self.levels[level].append(dummy)
                self._extents[dummy] = _LINE
                self._above[dummy], self.below[dummy] = [], []
                self._link(upper, dummy, 0)
            upper = dummy
        self._link(upper, box, offset)

    def _link(self, upper: int, lower: int, offset: float) -> None:
        self.below[upper].append((lower, offset))
        self._above[lower].append((upper, offset))

    # -- order ----------------------------------------------------------------------------

    def _order(self) -> None:
        """Sort layers by the places of their neighbors, as long as fewer and fewer edges cross."""
        best, fewest = [list(level) for level in self.levels], self._crossings()
        for _ in range(SWEEPS):
            for upper, lower in itertools.pairwise(self.levels):
                _sort(lower, upper, self._above)
            for lower, upper in itertools.pairwise(reversed(self.levels)):
                _sort(upper, lower, self.below)
            crossings = self._crossings()
            if crossings >= fewest:
                break
            best, fewest = [list(level) for level in self.levels], crossings
        self.levels = best

    def _crossings(self) -> int:
        """How many pairs of edges cross between neighboring layers."""
        count = 0
        for upper, lower in itertools.pairwise(self.levels):
            place_of = {vertex: place for place, vertex in enumerate(lower)}
            ends: list[Link] = []
            for vertex in upper:
                own = [(place_of[other], offset) for other, offset in self.below[vertex]]
                count += sum(len(ends) - bisect.bisect_right(ends, end) for end in own)
                for end in own:
                    bisect.insort(ends, end)
        return count

    # -- places ---------------------------------------------------------------------------

    def _move_all(self) -> None:
        """Move each layer to its neighbors below and above in turn, without changing its order."""
        self.x = dict.fromkeys(self.level_of, 0.0)
        for level in self.levels:
            self._move(level, {})
        for _ in range(SWEEPS):
            for level in reversed(self.levels[:-1]):
                self._move(level, self.below, 1)
            for level in self.levels[1:]:
                self._move(level, self._above, -1)
        left = min(self.x[vertex] - extent.left for vertex, extent in self._extents.items())
        self.x = {vertex: x - left for vertex, x in self.x.items()}
        self.width = max(self.x[vertex] + extent.right for vertex, extent in self._extents.items())

    def _move(self, level: list[int], neighbors: Mapping[int, list[Link]], sign: int = 1) -> None:
        """Move the vertices of a layer to the mean x of their neighbors, where there is room."""
        wanted, weights = [], []
        for vertex in level:
            places = [
                (self.x[other] + sign * offset, self._weight(vertex, other))
                for other, offset in neighbors.get(vertex, ())
            ]
            weight = sum(weight for _, weight in places)
            weights.append(weight or 1)
            wanted.append(
                sum(x * weight for x, weight in places) / weight if places else self.x[vertex]
            )
        distances = [
            self._extents[left].right + SIDE_GAP + self._extents[right].left
            for left, right in itertools.pairwise(level)
        ]
        self.x.update(zip(level, _apart(wanted, weights, distances)))

    def _weight(self, vertex: int, other: int) -> float:
        dummies = (self._extents[vertex] is _LINE) + (self._extents[other] is _LINE)
        return WEIGHTS[dummies]


def _sort(level: list[int], fixed: list[int], neighbors: Mapping[int, list[Link]]) -> None:
    """Sort a layer by the places of its neighbors in a fixed one; without neighbors they stay."""
    place_of = {vertex: place for place, vertex in enumerate(fixed)}
    keys = {}
    for place, vertex in enumerate(level):
        # The inputs of one box stand in the order in which their edges end at it.
        places = [place_of[other] + 1e-6 * offset for other, offset in neighbors[vertex]]
        keys[vertex] = sum(places) / len(places) if places else place
    level.sort(key=keys.__getitem__)


def _apart(
    wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]
) -> list[float]:
    """The places nearest to those wanted that keep distances between neighbors.

    They have the least sum of weighted squares. Without the distances this is a regression by a
    sequence that does not fall: neighbors in the wrong order are joined to blocks with their mean
    (pool adjacent violators).
    """
    offsets = list(itertools.accumulate(distances, initial=0.0))
    blocks: list[tuple[float, float, int]] = []  # the mean, the weight and the length of each
    for value, weight, offset in zip(wanted, weights, offsets):
        mean, length = value - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, its_weight, its_length = blocks.pop()
            mean = (mean * weight + before * its_weight) / (weight + its_weight)
            weight, length = weight + its_weight, length + its_length
        blocks.append((mean, weight, length))
    means = itertools.chain.from_iterable([mean] * length for mean, _, length in blocks)
    return [mean + offset for mean, offset in zip(means, offsets)]
