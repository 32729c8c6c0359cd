"""Names of any kind in tables, JSON, pictures and pages."""

import io
import json
import unicodedata
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from alexnet import text
from alexnet.data.labels import shortened
from alexnet.report import html
from alexnet.style import boxes_for_missing_letters, fitted
from alexnet.visualize.map import map_figure
from alexnet.visualize.output import run_name

# A line break, an escape sequence, a letter written from right to left, wide letters, an accent of
# its own, a byte that is no text, and what Matplotlib gives a meaning to.
ODD = [
    *("new\nline", "tab\there", "\x1b[31mred", "\u202eright", "日本 😀", "cafe\u0301", "caf\udce9"),
    *("_under", "$x_1$", "$a", "<script>", "a--b", "=1+1"),
]


def columns(line):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) + wide - sum(unicodedata.combining(c) > 0 for c in line)


@pytest.mark.parametrize("texts", [1, 2])
def test_columns_of_a_table_stay_columns(texts):
    rows = [[name, str(10**i)[:8], "%"] for i, name in enumerate(ODD)]
    lines = text.table(rows, texts).split("\n")
    assert len(lines) == len(ODD)
    assert len(set(map(columns, lines))) == 1
    assert all(c.isprintable() for line in lines for c in line)
    assert r"new\nline" in lines[0] and r"\x1b[31mred" in lines[2]


def test_json_for_every_reader():
    value = {"names": ODD, "caf\udce9": {"pair": ("caf\udce9", 1.5, None, True)}}
    written = text.as_json(value)
    read = json.loads(written)
    written.encode()
    json.dumps(read, ensure_ascii=False).encode()  # raises where half a pair is left
    assert read["names"][:6] == ODD[:6]
    assert read["caf\\udce9"] == {"pair": ["caf\\udce9", 1.5, None, True]}
    assert len({text.as_json(name) for name in ("caf\udce9", "caf\udcea")}) == 2
    with pytest.raises(ValueError, match="JSON"):
        text.as_json(float("nan"))


def test_a_picture_holds_every_name():
    names = [*ODD, *ODD[:2]]
    points = np.random.default_rng(0).random((len(names), 2))
    figure = map_figure(points, np.arange(len(names)), names, "a map")
    shown = [line.get_text() for line in figure.legends[0].get_texts()]
    assert "_under" in shown and "$x_1$" in shown and len(shown) == len(names)
    picture = io.BytesIO()
    with boxes_for_missing_letters():
        figure.savefig(picture, format="svg")
    ElementTree.fromstring(picture.getvalue())  # raises where it is not well-formed


@pytest.mark.parametrize("name", ODD)
def test_what_is_drawn_is_text(name):
    for drawn in (fitted(name, 9, 8), shortened(name, 99), run_name(name, 99), html.text(name)):
        ElementTree.fromstring(f"<p>{drawn.replace('<', '&lt;')}</p>".encode())


@pytest.mark.parametrize(
    "share, expected", [(0, "0%"), (1e-9, "<1%"), (0.0049, "<1%"), (0.0051, "1%"), (1, "100%")]
)
def test_a_small_probability_is_not_none(share, expected):
    assert text.percentage(share) == expected
