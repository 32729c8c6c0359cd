"""The figures of the map and of nearest neighbors."""

import numpy as np
import pytest

from alexnet import style
from alexnet.inference.inputs import UNKNOWN
from alexnet.visualize import map as map_command
from alexnet.visualize import neighbors
from alexnet.visualize.pictures import Picture


@pytest.mark.parametrize("extent", [(1.0, 1.0), (40.0, 1.0), (1.0, 40.0), (0.0, 0.0)])
def test_a_map_has_one_scale_and_shows_every_point(rng, extent, caplog):
    points = rng.random((30, 2)) * extent
    figure = map_command.map_figure(points, np.arange(30) % 3, ["a", "b", "c"], "a map")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert (points > (left, bottom)).all()
    assert (points < (right, top)).all()
    window = axes.get_window_extent()
    assert window.width / (right - left) == pytest.approx(window.height / (top - bottom))
    assert figure.get_figheight() <= style.PAGE_HEIGHT
    # The legend, and nothing said on stderr.
    assert figure.legends[0].get_window_extent().ymin > 0
    assert not caplog.records


def test_frames_of_neighbors_are_explained_where_there_are_any():
    pixels = np.zeros((5, 5, 3), np.uint8)
    for label, explained in ((0, True), (UNKNOWN, False)):
        figure = neighbors.neighbors_figure(
            [Picture(pixels, label)],
            [[Picture(pixels, 0), Picture(pixels, 1)]],
            np.array([[3.0, 0.5]]),
            ["cat", "dog"],
            "Nearest",
        )
        texts = " ".join(text.get_text() for text in figure.texts)
        assert ("Blue frame" in texts) == explained
        notes = [axes.get_xlabel().splitlines()[-1] for axes in figure.axes]
        assert notes == ["query", "3.00", "0.500"]
