"""A picture of a graph read from its SVG: boxes, texts, lines and arrows."""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

STEPS = 24  # of a curve


@dataclass
class Box:
    kind: str
    x: float
    y: float
    width: float
    height: float
    texts: list = field(default_factory=list)  # (x, baseline, text)

    @property
    def right(self):
        return self.x + self.width

    @property
    def bottom(self):
        return self.y + self.height

    def holds(self, x, y, margin):
        """Whether a point is in the box, and further than `margin` from its border."""
        within = self.x + margin < x < self.right - margin
        return within and self.y + margin < y < self.bottom - margin


@dataclass
class Picture:
    width: float
    height: float
    boxes: list  # in the order of the file, each with the texts that follow it
    lines: list  # lists of points, curves in small steps
    arrows: list  # their tips
    notes: list  # the texts below


def parse(svg):
    root = ElementTree.fromstring(svg)
    graph, notes = [child for child in root if child.tag.endswith("}g")]
    boxes, lines, arrows = [], [], []
    for element in graph:
        match element.tag.partition("}")[2], element.get("class"):
            case "rect", kind:
                boxes.append(
                    Box(kind, *(float(element.get(k)) for k in ("x", "y", "width", "height")))
                )
            case "text", _:
                place = float(element.get("x")), float(element.get("y"))
                boxes[-1].texts.append((*place, element.text))
            case "path", "edge":
                lines.append(points(element.get("d")))
            case "path", "arrow":
                x, y = re.match(r"M(\S+) ([\d.]+)l", element.get("d")).groups()
                arrows.append((float(x), float(y)))
    texts = [element.text for element in notes if element.tag.endswith("}text")]
    size = float(root.get("width")), float(root.get("height"))
    return Picture(*size, boxes, lines, arrows, texts)


def points(path):
    """The points of a path of M, V, H and C."""
    found = []
    for command, text in re.findall(r"([MVHC])([^MVHC]+)", path):
        numbers = [float(number) for number in text.split()]
        match command:
            case "M":
                found.append(tuple(numbers))
            case "V":
                found.append((found[-1][0], numbers[0]))
            case "H":
                found.append((numbers[0], found[-1][1]))
            case "C":
                found += curve(found[-1], *zip(numbers[::2], numbers[1::2]))
    return found


def curve(*corners):
    """Points of a cubic Bezier curve but for the first."""
    for i in range(1, STEPS + 1):
        t = i / STEPS
        weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        yield tuple(sum(w * c[axis] for w, c in zip(weights, corners)) for axis in (0, 1))


def edges(picture):
    """(source, target, end) of every edge, found by following the lines.

    Source and target are positions of boxes, the end is a point.
    """
    found = []

    def follow(source, start):
        for line in picture.lines:
            if near(line[0], start):
                if any(near(line[-1], arrow) for arrow in picture.arrows):
                    found.append((source, target_at(picture.boxes, line[-1]), line[-1]))
                else:
                    follow(source, line[-1])

    for position, box in enumerate(picture.boxes):
        follow(position, (box.x + box.width / 2, box.bottom))
        follow(position, (box.right, box.y + box.height / 2))
    return found


def near(point, other):
    return abs(point[0] - other[0]) < 0.2 and abs(point[1] - other[1]) < 0.2


def target_at(boxes, point):
    """The box on whose upper or left side a point lies."""
    x, y = point
    (found,) = [
        position
        for position, box in enumerate(boxes)
        if (abs(y - box.y) < 0.2 and box.x <= x <= box.right)
        or (abs(x - box.x) < 0.2 and box.y <= y <= box.bottom)
    ]
    return found
