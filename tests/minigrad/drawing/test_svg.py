"""The picture: nothing overlaps, lines lead from box to box, text stays inside."""

import itertools
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import ImageFont

import minigrad as mg
from alexnet.model import AlexNet
from minigrad import functional as F
from minigrad.drawing.content import Operation, read
from minigrad.drawing.svg import FONT_SIZE, bytes_text
from tests.minigrad.drawing.graphs import GRAPHS, leaf, small
from tests.minigrad.drawing.pictures import edges, parse

FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono-Bold.ttf")


def drawn(tensor, names=None):
    return parse(mg.draw(tensor, names).svg)


@pytest.fixture(scope="module", params=GRAPHS)
def graph_and_picture(request):
    tensor, names = GRAPHS[request.param]()
    return read(tensor, names), drawn(tensor, names)


# -- geometry -----------------------------------------------------------------------------


def test_no_two_boxes_overlap(graph_and_picture):
    _, picture = graph_and_picture
    for box, other in itertools.combinations(picture.boxes, 2):
        apart = box.right < other.x or other.right < box.x
        assert apart or box.bottom < other.y or other.bottom < box.y


def test_no_line_runs_through_a_box(graph_and_picture):
    _, picture = graph_and_picture
    for line in picture.lines:
        for (x, y), (to_x, to_y) in itertools.pairwise(line):
            for t in np.linspace(0, 1, 9):
                point = x + t * (to_x - x), y + t * (to_y - y)
                assert not any(box.holds(*point, margin=0.2) for box in picture.boxes)


def test_every_input_is_a_line_and_every_line_is_an_input(graph_and_picture):
    graph, picture = graph_and_picture
    inputs = [
        (source, target)
        for target, box in enumerate(graph.boxes)
        if isinstance(box, Operation)
        for source in box.inputs
    ]
    found = [(source, target) for source, target, _ in edges(picture)]
    assert sorted(found) == sorted(inputs) and len(picture.arrows) == len(inputs)


def test_inputs_arrive_in_their_order(graph_and_picture):
    """At the top from left to right; at the side from top to bottom."""
    graph, picture = graph_and_picture
    arrivals = edges(picture)
    for target, (operation, box) in enumerate(zip(graph.boxes, picture.boxes)):
        if isinstance(operation, Operation):
            ends = [(source, end) for source, to, end in arrivals if to == target]
            top = [(x, source) for source, (x, y) in ends if x > box.x]
            side = [(y, source) for source, (x, y) in ends if x == box.x]
            for arrived in (top, side):
                sources = [source for _, source in sorted(arrived)]
                assert len({place for place, _ in arrived}) == len(sources)
                assert sources == [source for source in operation.inputs if source in sources]


def test_data_flow_downwards_or_to_the_right(graph_and_picture):
    _, picture = graph_and_picture
    for line in picture.lines:
        ys = [y for _, y in line]
        xs = [x for x, _ in line]
        assert (ys == sorted(ys) and ys[0] < ys[-1]) or xs == sorted(xs)
    assert picture.boxes[-1].bottom == max(box.bottom for box in picture.boxes)


def test_everything_is_within_the_picture(graph_and_picture):
    _, picture = graph_and_picture
    for box in picture.boxes:
        assert 0 <= box.x and box.right + 20 < picture.width
        assert 0 <= box.y and box.bottom + 20 < picture.height
    for x, _ in itertools.chain.from_iterable(picture.lines):
        assert 0 <= x < picture.width - 20


def test_text_stays_in_its_box(graph_and_picture):
    """Measured with a bold font; letters that it does not have are as wide as two."""
    _, picture = graph_and_picture
    font = ImageFont.truetype(FONT, FONT_SIZE)
    for box in picture.boxes:
        for x, y, text in box.texts:
            wide = sum(ord(letter) > 0x2E80 for letter in text)
            end = x + font.getlength(text) + wide * font.getlength("x")
            assert box.x < x and end < box.right, text
            ascent, descent = font.getmetrics()
            assert box.y < y - ascent and y + descent < box.bottom
        assert all(b[1] - a[1] > FONT_SIZE for a, b in itertools.pairwise(box.texts))


# -- what is written ----------------------------------------------------------------------


def texts(picture):
    return [[text for *_, text in box.texts] for box in picture.boxes]


def test_texts_of_a_small_graph():
    picture = drawn(*small())
    assert texts(picture) == [
        ["w", "(3,)", "12 B saved"],
        ["x", "(3,)", "12 B saved"],
        ["multiply", "(3,)", "NumPy", "backward reads input, other"],
        ["b", "(3,)"],
        ["add", "(3,)", "NumPy", "backward reads nothing"],
        ["relu", "(3,)", "kernels.relu", "backward reads output", "12 B saved"],
        ["sum", "()", "dim=(0,)", "NumPy", "backward reads nothing"],
    ]
    kinds = "gradient", "constant", "operation", "gradient", *["operation"] * 3
    assert tuple(box.kind for box in picture.boxes) == kinds
    assert picture.notes == [
        "requires a gradient",
        "constant",
        "saved for backward: 36 B, 24 B of it leaves",
        "outputs that are kept, but not saved: 24 B",
    ]


def test_a_type_is_named_where_it_is_not_float32():
    picture = drawn(leaf(2, dtype=np.float64).to(np.float32))
    assert [lines[1] for lines in texts(picture)] == ["(2,) float64", "(2,)"]


def test_alexnet_is_one_column_with_its_parameters_on_the_left():
    model = AlexNet(10, image_size=67, width=0.05)
    scores = model(leaf(1, 3, 67, 67, requires_grad=False))
    names = dict(model.named_parameters())
    picture = drawn(F.cross_entropy(scores, np.array([1])), names)
    operations = [box for box in picture.boxes if box.kind == "operation"]
    (center,) = {round(box.x + box.width / 2) for box in operations}
    parameters = [box for box in picture.boxes if box.kind == "gradient"]
    assert len(parameters) == len(names) == 16
    for box in parameters:
        assert box.right < center
        # Beside the operation that uses it.
        assert any(other.y < box.y + box.height / 2 < other.bottom for other in operations)


@pytest.mark.parametrize("name", ["a<b>&\"c'", "</text><script>", "a\nb\x00\x1b[1m", "\udcff", ""])
def test_names_are_escaped(name):
    weight = leaf(2)
    svg = mg.draw(weight.exp(), {name: weight}).svg
    shown = "".join(c if c.isprintable() else "?" for c in name)
    found = [text or "" for *_, text in parse(svg).boxes[0].texts]
    assert found[0] == shown
    svg.encode("utf-8")


def test_long_names_are_cut_at_the_beginning_and_long_lines_are_wrapped():
    weights = [leaf(1) for _ in range(30)]
    name = "a" * 60 + ".weight"
    shape = tuple([1] * 30)
    picture = drawn(F.concatenate(weights).sum() + weights[0].reshape(shape), {name: weights[1]})
    lines = list(itertools.chain.from_iterable(texts(picture)))
    assert "…" + name[-39:] in lines
    assert max(len(line) for line in lines if not line.startswith("(1,")) == 40


def test_a_long_parameter_is_cut():
    class Labeled(mg.Function):
        @staticmethod
        def forward(ctx, input, *, label):
            return input + 1

    picture = drawn(Labeled.apply(leaf(2), label="x" * 10**6))
    label = "".join(text for text in texts(picture)[-1] if "x" in text)
    assert len(label) == 120 and label.startswith("label=x") and label.endswith("x…")


def test_lines_are_broken_between_shapes():
    picture = drawn(*GRAPHS["alexnet"]())
    lines = list(itertools.chain.from_iterable(texts(picture)))
    assert any(line.endswith(",") for line in lines)
    assert all(line.count("(") == line.count(")") for line in lines)


def test_title_and_description():
    root = ElementTree.fromstring(mg.draw(*small()).svg)
    title, description = root[0], root[1]
    assert title.tag.endswith("}title") and description.tag.endswith("}desc")
    assert description.text.startswith("Operations: 4 (multiply, add, relu, sum). Leaves: 3.")


def test_styles_reach_nothing_else_and_have_both_modes():
    style = ElementTree.fromstring(mg.draw(*small()).svg)[2].text
    light, dark = style.split("@media (prefers-color-scheme: dark) {")
    assert light.count("#") == dark.count("#") == 9
    rules = [line for line in style.split("\n") if line and not line.startswith(("@media", "}"))]
    assert all(line.startswith(".minigrad-graph ") for line in rules)


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1162, "1.16 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (2 * 10**13, "20 TB"),
    ],
)
def test_bytes(count, text):
    assert bytes_text(count) == text
