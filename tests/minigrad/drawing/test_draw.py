"""`minigrad.draw`: arguments, errors, files, and graphs of thousands of operations."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing.content import MAX_BOXES
from tests.minigrad.drawing.graphs import GRAPHS, leaf, small

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_same_graph_gives_the_same_bytes(name):
    first, second = (mg.draw(*GRAPHS[name]()) for _ in range(2))
    assert first == second and ElementTree.fromstring(first.svg) is not None


def test_another_process_draws_the_same():
    """The seed of hashes is another one there."""
    script = (
        "from tests.minigrad.drawing.graphs import GRAPHS; import minigrad as mg, hashlib;"
        "print(hashlib.sha256(mg.draw(*GRAPHS['random 3']()).svg.encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_drawing_changes_nothing():
    tensor, names = small()
    mg.draw(tensor, names)
    mg.draw(tensor, names)
    tensor.backward()
    assert names["w"].grad.numpy().tolist() == [1, 1, 1]


def test_a_drawing_says_what_it_shows():
    drawing = mg.draw(*small())
    assert repr(drawing) == "Drawing(operations=4, leaves=3, saved_bytes=36)"
    assert drawing._repr_svg_() == drawing.svg
    assert pickle.loads(pickle.dumps(drawing)) == drawing


# -- files --------------------------------------------------------------------------------


def test_save(tmp_path):
    drawing = mg.draw(*small())
    path = tmp_path / "graph.SVG"
    drawing.save(path)
    drawing.save(str(path))  # replaces it
    assert path.read_text(encoding="utf-8") == drawing.svg
    assert list(tmp_path.iterdir()) == [path]


def test_only_svg_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"Drawing.save: '.*graph.png' does not end in .svg"):
        mg.draw(*small()).save(tmp_path / "graph.png")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(OSError):
        mg.draw(*small()).save(tmp_path / "folder.svg")
    with pytest.raises(OSError):
        mg.draw(*small()).save(tmp_path / "missing" / "graph.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


def test_the_picture_in_the_docs_is_that_of_its_code():
    """Where the picture is meant to change: drawing.save("benchmarks/results/graph.svg")."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n([^`]*mg\.draw\([^`]*)```", page)
    namespace = {"mg": mg}
    exec(code, namespace)
    stored = (ROOT / "benchmarks/results/graph.svg").read_text(encoding="utf-8")
    assert namespace["drawing"].svg == stored


# -- errors -------------------------------------------------------------------------------


def leaf_without_graph():
    return leaf(2)


def made_without_graph():
    with mg.no_grad():
        return leaf(2) * 2


def made_of_constants():
    return leaf(2, requires_grad=False) * 2


@pytest.mark.parametrize("make", [leaf_without_graph, made_without_graph, made_of_constants])
def test_a_tensor_without_a_graph(make):
    with pytest.raises(ValueError, match="draw: no operation is recorded for this tensor; draw"):
        mg.draw(make())


def test_a_graph_that_backward_has_freed():
    hidden = leaf(2).exp()
    output = hidden.sum()
    output.backward()
    with pytest.raises(ValueError, match=r"draw: the graph is freed by backward\(\) at Sum; draw"):
        mg.draw(output)
    with pytest.raises(ValueError, match=r"draw: the graph is freed by backward\(\) at Exp; draw"):
        mg.draw(hidden * 2)


@pytest.mark.parametrize(
    "tensor, names, message",
    [
        (np.ones(2), None, "draw: tensor must be a Tensor, got ndarray"),
        (None, None, "draw: tensor must be a Tensor, got NoneType"),
        ("leaf", ["w"], "draw: names must be a mapping of names to tensors, got list"),
        ("leaf", {1: leaf(2)}, "draw: a name must be a str, got int"),
        ("leaf", {"w": np.ones(2)}, r"draw: names\['w'\] must be a Tensor, got ndarray"),
    ],
)
def test_arguments_of_wrong_types(tensor, names, message):
    with pytest.raises(TypeError, match=message):
        mg.draw(leaf(2) * 2 if isinstance(tensor, str) else tensor, names)


def loop(passes):
    output = leaf(2)
    for _ in range(passes):
        output = output.tanh()
    return output


def test_as_many_boxes_as_are_allowed():
    assert mg.draw(loop(MAX_BOXES - 1)).operations == MAX_BOXES - 1


@pytest.mark.parametrize("passes", [MAX_BOXES, 20_000])
def test_more_boxes_are_refused(passes):
    message = "draw: the graph has more than 500 operations and leaves; draw a part of it"
    with pytest.raises(ValueError, match=message):
        mg.draw(loop(passes))
