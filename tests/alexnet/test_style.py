"""What all pictures share: texts that fit, and files that are whole."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from alexnet import style

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", ["new_figure(1)", "colormap('PuOr')", "fitted('text', 1, 8)"])
def test_no_backend_is_needed(first):
    """MPLBACKEND of a notebook names a package that the process need not have."""
    result = subprocess.run(
        [sys.executable, "-c", f"from alexnet import style; print(style.{first} is not None)"],
        cwd=ROOT,
        env={**os.environ, "MPLBACKEND": "no_such_backend"},
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("True\n", "")


def test_what_cannot_be_drawn_leaves_the_earlier_picture(tmp_path, monkeypatch):
    def interrupted(self, path, **options):
        path.write_bytes(b"half a picture")
        raise KeyboardInterrupt

    path = tmp_path / "picture.svg"
    path.write_text("earlier")
    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        style.save(Figure(), path)
    assert path.read_text() == "earlier"
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.svg"]


@pytest.mark.parametrize(
    "text", ["W" * 40, "i" * 40, "a name of several words", "日本語" * 9, "\udcff" * 30]
)
def test_texts_fit(text):
    figure = Figure(dpi=100)
    for weight in ("normal", "bold"):
        fitted = style.fitted(text, 0.9, 8, weight)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)
            drawn = figure.text(0, 0, fitted, fontsize=8, weight=weight, parse_math=False)
            assert drawn.get_window_extent().width <= 95
        assert fitted.endswith("…")
        assert len(style.fitted("short", 0.9, 8, weight)) == 5


def test_a_place_is_in_inches_from_the_upper_left_corner():
    figure = Figure(figsize=(4, 5), dpi=100)
    window = style.add_axes(figure, 1, 0.5, 2, 1.5).get_window_extent()
    assert [window.x0, window.x1] == pytest.approx([100, 300])
    assert [window.y0, window.y1] == pytest.approx([300, 450])
    style.add_text(figure, 1, 0.5, "$a_b$", fontsize=8)
    (text,) = figure.texts
    assert text.get_position() == pytest.approx((0.25, 0.9))
    assert not text.get_parse_math()


def test_a_notebook_shows_a_figure_by_itself():
    """As a PNG, of the size in inches that it has; a letter that the font lacks is no warning."""
    figure = style.new_figure(2, width=3)
    style.add_text(figure, 0.1, 0.1, "日本語", fontsize=8)
    png, size = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert size == {"width": 3 * 96, "height": 2 * 96}
