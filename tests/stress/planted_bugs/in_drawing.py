"""Mistakes in the pictures of graphs."""

from tests.stress.planted_bugs import Fault

CONTENT = "minigrad/drawing/content.py"
LAYERS = "minigrad/drawing/layers.py"
LAYOUT = "minigrad/drawing/layout.py"
SVG = "minigrad/drawing/svg.py"
TEST_CONTENT = "tests/minigrad/drawing/test_content.py -k "
TEST_SVG = "tests/minigrad/drawing/test_svg.py -k "
TEST_DRAW = "tests/minigrad/drawing/test_draw.py -k "

FAULTS = [
    Fault(
        "drawing: an array that two operations save is counted twice",
        CONTENT,
        "found = origin(array, tensor._node.ctx.backend)",
        "found = None",
        TEST_CONTENT + "saved_bytes",
    ),
    Fault(
        "drawing: leaves in the halves of one array are taken for one",
        CONTENT,
        "backend.may_share_memory(array, other) and backend.shares_memory(array, other)",
        "backend.may_share_memory(array, other)",
        TEST_CONTENT + "halves",
    ),
    Fault(
        "drawing: a learned number is shown as a constant",
        CONTENT,
        "return tensor.shape == () and not tensor.requires_grad",
        "return tensor.shape == ()",
        TEST_CONTENT + "numbers",
    ),
    Fault(
        "drawing: a part of the graph that is freed is drawn as a leaf",
        CONTENT,
        "further = () if input._node is None else _node(input).inputs",
        "further = () if input._node is None else input._node.inputs",
        TEST_DRAW + "freed",
    ),
    Fault(
        "drawing: the graph keeps arrays that forward has let go",
        "minigrad/autograd.py",
        'if not hasattr(value, "dtype")',
        "if True",
        TEST_CONTENT + "live_no_longer",
    ),
    Fault(
        "drawing: a long edge goes straight through the layers",
        LAYERS,
        "for level in range(self.level_of[source] + 1, self.level_of[box]):",
        "for level in ():",
        TEST_SVG + "line",
    ),
    Fault(
        "drawing: boxes go where they want to be",
        LAYERS,
        "while blocks and blocks[-1][0] > mean:",
        "while False:",
        TEST_SVG + "overlap",
    ),
    Fault(
        "drawing: the leaves beside a box take no room",
        LAYOUT,
        "return Extent(half + widest, half, max(size.height, _stack_height(stack)))",
        "return Extent(half, half, size.height)",
        TEST_SVG + "overlap",
    ),
    Fault(
        "drawing: names are not escaped",
        SVG,
        "return escape(_shown(text))",
        "return _shown(text)",
        TEST_SVG + "escaped",
    ),
    Fault(
        "drawing: wide letters leave their box",
        SVG,
        "return CHARACTER * (len(text) + wide)",
        "return CHARACTER * len(text)",
        TEST_SVG + "text_stays",
    ),
]
