"""The pictures of a run: they can be drawn at any time and say what is what."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from alexnet import style
from alexnet.run.metrics import COLUMNS
from alexnet.visualize import figures


def rows(count):
    return [
        {name: epoch + i / 10 if i else epoch for i, name in enumerate(COLUMNS)}
        for epoch in range(1, count + 1)
    ]


@pytest.fixture
def figure(monkeypatch):
    """Draws and returns the figure itself, of which the file holds only the pixels."""

    def figure(rows, num_classes, path):
        saved = []

        def keep(self, *arguments, **options):
            saved.append(self)
            return savefig(self, *arguments, **options)

        savefig = Figure.savefig
        with monkeypatch.context() as patch:
            patch.setattr(Figure, "savefig", keep)
            figures.training_curves(rows, num_classes, path)
        return saved[0]

    return figure


@pytest.mark.parametrize("epochs", [1, 2, 90])
def test_curves_are_drawn_after_any_number_of_epochs(tmp_path, epochs):
    path = tmp_path / "curves.png"
    figures.training_curves(rows(epochs), 3, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (480, 1200, 3)
    for color in (style.TRAINING, style.VALIDATION):
        wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == wanted).all(axis=2).sum() > 30, color


def test_a_later_picture_replaces_the_earlier_one(tmp_path):
    path = tmp_path / "curves.png"
    figures.training_curves(rows(1), 3, path)
    before = path.read_bytes()
    figures.training_curves(rows(2), 3, path)
    assert path.read_bytes() != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["curves.png"]


def test_legends(figure, tmp_path):
    loss, accuracy = figure(rows(2), 10, tmp_path / "curves.png").axes
    texts = [
        [text.get_text() for text in axes.get_legend().get_texts()] for axes in (loss, accuracy)
    ]
    assert texts == [
        ["training", "validation", "guessing: ln 10"],
        ["validation, top-5", "validation, top-1", "training, top-1", "guessing, top-1: 10.0%"],
    ]


def test_every_curve_shows_its_column(figure, tmp_path):
    table = rows(4)
    loss, accuracy = figure(table, 4, tmp_path / "curves.png").axes
    drawn = {(axes, line.get_label()): line for axes in (loss, accuracy) for line in axes.lines}
    for axes, label, column in (
        (loss, "training", "train_loss"),
        (loss, "validation", "val_loss"),
        (accuracy, "training, top-1", "train_top1"),
        (accuracy, "validation, top-1", "val_top1"),
        (accuracy, "validation, top-5", "val_top5"),
    ):
        line = drawn[axes, label]
        assert line.get_xdata().tolist() == [1, 2, 3, 4]
        assert line.get_ydata().tolist() == [row[column] for row in table]
    assert drawn[loss, "guessing: ln 4"].get_ydata()[0] == pytest.approx(np.log(4))
    assert drawn[accuracy, "guessing, top-1: 25.0%"].get_ydata()[0] == 0.25


def test_epochs_are_whole_numbers_from_the_first(figure, tmp_path):
    for count in (1, 2, 40):
        for axes in figure(rows(count), 3, tmp_path / "curves.png").axes:
            shown = [x for x in axes.get_xticks() if axes.get_xlim()[0] <= x <= axes.get_xlim()[1]]
            assert shown
            assert all(x == int(x) for x in shown)
            assert axes.get_ylim()[0] == 0


def test_a_single_epoch_is_a_visible_point(figure, tmp_path):
    for axes in figure(rows(1), 3, tmp_path / "curves.png").axes:
        *curves, _ = axes.lines
        assert {line.get_marker() for line in curves} == {"o"}
