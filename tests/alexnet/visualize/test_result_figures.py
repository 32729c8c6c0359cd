"""Pictures of results: the right images with the right words and colors."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from alexnet import style
from alexnet.data.transforms import Preprocessing
from alexnet.inference.results import Results
from alexnet.visualize import result_figures
from alexnet.visualize.result_figures import BAR, TRUE_BAR, Prediction
from tests.alexnet.data.images import Images

PREPROCESSING = Preprocessing(image_size=6, resize=8, mean=(0, 0, 0))


def results(labels, predicted, classes, probability=None, loss=None):
    labels, predicted = np.array(labels), np.array(predicted)
    count = len(labels)
    probability = np.full(count, 0.5) if probability is None else np.array(probability)
    loss = np.ones(count) if loss is None else np.array(loss)
    rank = np.where(labels == predicted, 1, 2)
    return Results(
        classes, np.arange(count), labels, predicted, probability, loss, rank, float(loss.mean())
    )


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_confusion_matrix():
    ours = results([0] * 4 + [1] * 200, [0, 1, 1, 1] + [1] * 199 + [0], ["a", "$b_$", "none"])
    figure = result_figures.confusion_matrix(ours, "title")
    axes, bar = figure.axes
    shares = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(shares[:2], [[0.25, 0.75, 0], [0.005, 0.995, 0]])
    assert np.ma.getmaskarray(axes.images[0].get_array())[2].all()
    written = {tuple(map(round, text.get_position())): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "25", (1, 0): "75", (0, 1): "0", (1, 1): "100"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "$b_$", "none"]
    assert axes.get_title(loc="left") == "title: 98.0% right"


@pytest.mark.parametrize("classes", [2, 20, 21, 100, 1000])
def test_any_number_of_classes(classes, tmp_path):
    labels = np.arange(classes)
    names = [f"a rather long name of class {i}" for i in labels]
    figure = result_figures.confusion_matrix(results(labels, labels[::-1], names), "many")
    axes = figure.axes[0]
    assert len(axes.get_yticklabels()) <= 40
    assert bool(axes.texts) == (classes <= 20)
    assert axes.get_yticklabels()[1].get_text().startswith("a rather long name")


def test_error_sheet_has_the_right_images(tmp_path):
    colors = [[200, 0, 0], [0, 200, 0], [0, 0, 200], [90, 90, 90]]
    dataset = Images([np.full((8, 8, 3), color, np.uint8) for color in colors], [0, 1, 0, 1])
    ours = results(
        [0, 1, 0, 1], [1, 0, 1, 1], ["cat", "dog"], [0.6, 0.9, 0.7, 0.99], [3.0, 2.5, 4.0, 0.1]
    )
    figure = result_figures.error_sheet(ours, dataset, PREPROCESSING, "title")
    shown = [
        (axes.images[0].get_array()[3, 3].tolist(), axes.get_title(loc="left"))
        for axes in figure.axes
        if axes.images
    ]
    red = (colors[0], "is: cat\nas: dog\n60.0% sure, loss 3.0")
    green = (colors[1], "is: dog\nas: cat\n90.0% sure, loss 2.5")
    blue = (colors[2], "is: cat\nas: dog\n70.0% sure, loss 4.0")
    assert shown == [blue, red, green, green, blue, red]
    assert figure.axes[0].images[0].get_array().shape == (6, 6, 3)


def test_a_perfect_network_has_no_errors(tmp_path):
    figure = result_figures.error_sheet(
        results([0], [0], ["a", "b"]), Images([]), PREPROCESSING, ""
    )
    style.save(figure, tmp_path / "e.png")
    assert sum((texts(axes) for axes in figure.axes), []) == ["none", "none"]


def test_predictions():
    image = np.zeros((6, 6, 3), np.uint8)
    items = [
        Prediction(image, "1.jpg", "n01440764", [("dog", 0.75), ("n01440764", 0.25)]),
        Prediction(image + 200, "$2.jpg", None, [("dog", 1.0)]),
    ]
    figure = result_figures.predictions(items)
    pictures = [axes for axes in figure.axes if axes.images]
    bars = [axes for axes in figure.axes if axes.patches]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in pictures] == [0, 200]
    assert [axes.get_title() for axes in pictures] == ["tench", "$2.jpg"]
    assert texts(bars[0]) == ["dog", "75%", "tench", "25%"]
    assert [bar.get_width() for bar in bars[0].patches] == [0.75, 0.25]
    colors = [bar.get_facecolor() for axes in bars for bar in axes.patches]
    assert colors == [to_rgba(color) for color in (BAR, TRUE_BAR, BAR)]
    assert bars[0].get_ylim()[0] > bars[0].get_ylim()[1]  # the most probable on top


def test_every_prediction_has_room_for_its_name_and_its_percentage():
    top = [("W" * 40, 1.0), ("b", 0.0)]
    item = result_figures.Prediction(np.zeros((9, 9, 3), np.uint8), "a.png", "W" * 40, top)
    figure = result_figures.predictions([item] * 4)
    figure.draw_without_rendering()
    for axes in figure.axes[4:]:
        name, percentage = (text.get_window_extent() for text in axes.texts[:2])
        (bar, _) = (patch.get_window_extent() for patch in axes.patches)
        assert name.xmax < bar.xmax < percentage.xmin
        assert percentage.xmax <= figure.bbox.xmax


def test_save(tmp_path):
    figure = result_figures.predictions(
        [Prediction(np.zeros((6, 6, 3), np.uint8), "\u732b\U0001f408.png", None, [("a", 1.0)])]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        style.save(figure, tmp_path / "p.png")
        style.save(figure, tmp_path / "p.SVG")
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG"
    assert "<svg" in (tmp_path / "p.SVG").read_text("utf-8")
