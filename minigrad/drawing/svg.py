"""A graph as SVG, whose colors are those of the reader's light or dark mode."""

import math
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from minigrad.drawing.content import Graph, Leaf, Operation
from minigrad.drawing.layout import Line, Point, Size, place

FONT_SIZE = 12
# The advance of a character: 0.6 of the size or a little less in the monospace fonts of all
# systems, and some room for one that is wider.
CHARACTER = 0.64 * FONT_SIZE
LINE = 16
PADDING = 8
MARGIN = 20
LONGEST_LINE = 40
ARROW = 7
PORT_ROOM = 12  # of the width of a box, for each edge that ends at its top
NOTE_LINE = 20
SWATCH = Size(24, 14)
_NO_BREAK = "\N{NO-BREAK SPACE}"
# XML 1.0 has no control characters, not even as escapes.
_NOT_IN_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What is drawn, a property, and its color in light and in dark mode. There are no CSS variables,
# which only browsers know.
_COLORS = (
    (".paper", "fill", "#ffffff", "#0d1117"),
    (".operation", "fill", "#eef1f4", "#22272e"),
    (".gradient", "fill", "#d5ebd8", "#1d4428"),
    (".constant", "fill", "#fbe8cb", "#5a3d12"),
    ("rect", "stroke", "#818b98", "#6e7681"),
    (".edge", "stroke", "#818b98", "#6e7681"),
    (".arrow", "fill", "#818b98", "#6e7681"),
    ("text", "fill", "#1f2328", "#e6edf3"),
    (".faint", "fill", "#59636e", "#9198a1"),
)
_SHAPES = """\
.minigrad-graph .paper { stroke: none; }
.minigrad-graph .constant { stroke-dasharray: 4 3; }
.minigrad-graph .edge { fill: none; stroke-width: 1.5; }
.minigrad-graph .name { font-weight: bold; }
.minigrad-graph text { font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace; }"""


def render(graph: Graph) -> str:
    """The picture of a graph: the boxes, the edges, and what the totals are below."""
    texts = [_lines(box) for box in graph.boxes]
    inputs = [box.inputs if isinstance(box, Operation) else () for box in graph.boxes]
    sizes = [_size(lines, len(sources)) for lines, sources in zip(texts, inputs)]
    layout = place(sizes, inputs)
    notes = _notes(graph)
    notes_top = layout.height + 2 * MARGIN
    width = math.ceil(2 * MARGIN + max(layout.width, *(_note_width(*note) for note in notes)))
    height = math.ceil(notes_top + NOTE_LINE * len(notes) + MARGIN)
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" class="minigrad-graph" role="img" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-size="{FONT_SIZE}">',
            "<title>Recorded operations</title>",
            f"<desc>{_escaped(_description(graph))}</desc>",
            f"<style>\n{_style()}\n</style>",
            '<rect class="paper" width="100%" height="100%"/>',
            f'<g transform="translate({MARGIN} {MARGIN})">',
            *_edges(layout.lines),
            *_boxes(graph, texts, sizes, layout.corners),
            "</g>",
            f'<g transform="translate({MARGIN} {_number(notes_top)})">',
            *_note_lines(notes),
            "</g>",
            "</svg>\n",
        ]
    )


def _style() -> str:
    """CSS. Notebooks put it into their page, where it must not reach anything else."""
    light, dark = (
        "\n".join(f".minigrad-graph {row[0]} {{ {row[1]}: {row[mode]}; }}" for row in _COLORS)
        for mode in (2, 3)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{_SHAPES}"


# -- text ---------------------------------------------------------------------------------


def _lines(box: Operation | Leaf) -> list[tuple[str, str]]:
    """The lines of a box, each with the class of its style."""
    shape = str(box.shape) + ("" if box.dtype == np.float32 else f" {box.dtype}")
    memory = [("faint", f"{bytes_text(box.saved_bytes)} saved")] if box.saved_bytes else []
    if isinstance(box, Leaf):
        return [("name", _cut_name(box.name)), ("", shape), *memory]
    parameters = _wrapped("", [f"{name}={value}" for name, value in box.parameters.items()])
    saved = _wrapped("backward reads ", box.saved or ["nothing"])
    return [
        ("name", _cut(box.name)),
        ("", shape),
        *(("", line) for line in parameters),
        ("faint", _cut(box.code)),
        *(("faint", line) for line in saved),
        *memory,
    ]


def bytes_text(count: int) -> str:
    """A number of bytes for people, such as 1.16 MB: 1 kB are 1000 bytes."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{count} B" if units[0] == "B" else f"{value:.3g} {units[0]}"


def _wrapped(beginning: str, items: Sequence[str]) -> list[str]:
    """Lines of items with commas, which are broken between items where that is possible."""
    whole = (_cut(item, 3 * LONGEST_LINE).replace(" ", _NO_BREAK) for item in items)
    lines = textwrap.wrap(beginning + ", ".join(whole), LONGEST_LINE, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines]


def _cut(text: str, length: int = LONGEST_LINE) -> str:
    text = _shown(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def _cut_name(name: str) -> str:
    """The end of a long name, which says more: block3.conv2.weight."""
    name = _shown(name)
    return name if len(name) <= LONGEST_LINE else "…" + name[1 - LONGEST_LINE :]


def _shown(text: str) -> str:
    """The text with a question mark for what XML cannot hold, and for line breaks."""
    return _NOT_IN_XML.sub("?", text)


def _escaped(text: str) -> str:
    return escape(_shown(text))


def _width(text: str) -> float:
    """Of a line in pixels. East Asian letters and emoji fill two columns."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return CHARACTER * (len(text) + wide)


def _size(lines: Sequence[tuple[str, str]], inputs: int) -> Size:
    widest = max(_width(text) for _, text in lines) + 2 * PADDING
    return Size(max(widest, PORT_ROOM * (inputs + 1)), LINE * len(lines) + 2 * PADDING)


# -- notes --------------------------------------------------------------------------------


def _description(graph: Graph) -> str:
    operations, leaves = graph.operations, graph.leaves
    names = ", ".join(operation.name for operation in operations)
    return (
        f"Operations: {len(operations)} ({names}). Leaves: {len(leaves)}. Arrows follow the data, "
        "downwards."
    )


def _notes(graph: Graph) -> list[tuple[str, str]]:
    """The lines below the picture, those that explain a color with the kind of box."""
    kinds = {_kind(leaf) for leaf in graph.leaves}
    colors = {"gradient": "requires a gradient", "constant": "constant"}
    leaves = sum(leaf.saved_bytes for leaf in graph.leaves)
    notes = [(kind, text) for kind, text in colors.items() if kind in kinds]
    total, in_leaves = bytes_text(graph.saved_bytes), bytes_text(leaves)
    notes.append(("", f"saved for backward: {total}, {in_leaves} of it leaves"))
    if graph.unsaved_bytes:
        notes.append(
            ("", f"outputs that are kept, but not saved: {bytes_text(graph.unsaved_bytes)}")
        )
    return notes


def _note_width(kind: str, text: str) -> float:
    return _width(text) + (SWATCH.width + PADDING if kind else 0)


def _note_lines(notes: Sequence[tuple[str, str]]) -> Iterator[str]:
    for i, (kind, text) in enumerate(notes):
        x, y = 0.0, i * NOTE_LINE
        if kind:
            yield _rectangle(kind, x, y, SWATCH)
            x += SWATCH.width + PADDING
        yield _text("faint", x, y + 0.75 * LINE, text)


# -- boxes and edges ----------------------------------------------------------------------


def _boxes(
    graph: Graph,
    texts: Sequence[Sequence[tuple[str, str]]],
    sizes: Sequence[Size],
    corners: Sequence[Point],
) -> Iterator[str]:
    for box, lines, size, (x, y) in zip(graph.boxes, texts, sizes, corners):
        yield _rectangle(_kind(box), x, y, size)
        for i, (style, text) in enumerate(lines):
            yield _text(style, x + PADDING, y + PADDING + LINE * (i + 0.75), text)


def _kind(box: Operation | Leaf) -> str:
    if isinstance(box, Operation):
        return "operation"
    return "gradient" if box.requires_grad else "constant"


def _rectangle(kind: str, x: float, y: float, size: Size) -> str:
    radius = 2 if kind == "operation" else 8
    return (
        f'<rect class="{kind}" x="{_number(x)}" y="{_number(y)}" width="{_number(size.width)}" '
        f'height="{_number(size.height)}" rx="{radius}"/>'
    )


def _text(style: str, x: float, y: float, text: str) -> str:
    style = f' class="{style}"' if style else ""
    return f'<text{style} x="{_number(x)}" y="{_number(y)}">{_escaped(text)}</text>'


def _edges(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield f'<path class="edge" d="{_path(line)}"/>'
    for line in lines:
        if line.has_arrow:
            yield f'<path class="arrow" d="{_arrow(line)}"/>'


def _number(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _path(line: Line) -> str:
    """Straight parts, and curves that begin and end in the direction of the line."""
    x, y = line.points[0]
    parts = [f"M{_number(x)} {_number(y)}"]
    for to_x, to_y in line.points[1:]:
        if x == to_x:
            parts.append(f"V{_number(to_y)}")
        elif y == to_y:
            parts.append(f"H{_number(to_x)}")
        else:
            middle_x, middle_y = (x + to_x) / 2, (y + to_y) / 2
            bends = (
                (middle_x, y, middle_x, to_y) if line.is_level else (x, middle_y, to_x, middle_y)
            )
            parts.append("C" + " ".join(map(_number, (*bends, to_x, to_y))))
        x, y = to_x, to_y
    return "".join(parts)


def _arrow(line: Line) -> str:
    x, y = line.points[-1]
    if line.is_level:
        return f"M{_number(x)} {_number(y)}l{-ARROW} {_number(-ARROW / 2)}v{ARROW}z"
    return f"M{_number(x)} {_number(y)}l{_number(-ARROW / 2)} {-ARROW}h{ARROW}z"
