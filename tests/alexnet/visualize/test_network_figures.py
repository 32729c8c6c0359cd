"""The pictures of `alexnet.Network`: those of the commands, from Python."""

import dataclasses
import threading

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import alexnet
from alexnet import evaluate, predict, style, train
from alexnet.data import load
from alexnet.errors import CheckpointError, DataError, UsageError
from alexnet.run.checkpoint import BEST, Checkpoint
from alexnet.visualize import __main__ as visualize
from alexnet.visualize import pictures, result_figures
from tests.alexnet.runs import OPTIONS, write_images

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def run(narrow, tmp_path_factory):
    """A run with snapshots, whose images are three colors; tests only read it."""
    root = tmp_path_factory.mktemp("figures")
    for split, count in (("train", 8), ("val", 5)):
        write_images(root / "photos" / split, count=count)
    command = [*OPTIONS, "--data-root", str(root / "photos"), "--out", str(root / "run")]
    assert train.main([*command, "--snapshot-filters"]) == 0
    return root / "run"


@pytest.fixture(scope="module")
def network(run):
    return alexnet.load(run)


@pytest.fixture
def photos(run):
    return run.parent / "photos" / "val"


def pixels(figure):
    """A figure as it looks, coarsely."""
    assert isinstance(figure, Figure)
    figure.set_dpi(40)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


# A command with its options, and what gives the same picture from Python.
SAME_PICTURES = {
    "filters": lambda network: network.show_filters(),
    "filters --normalize joint --epochs": lambda network: network.show_filters(
        normalize="joint", epochs=True
    ),
    "filters --epoch 0": lambda network: network.show_filters(epochs=0),
    "filters --epoch 0,2": lambda network: network.show_filters(epochs=[0, 2]),
    "filters --layer conv3 --channels 2,5": lambda network: network.show_filters(
        "conv3", channels=[2, 5]
    ),
    "filters --layer conv2 --patches --channels 1,3": lambda network: network.show_patches(
        "conv2", channels=[1, 3]
    ),
    "responses": lambda network: network.show_responses(),
    "responses --epoch 1": lambda network: network.show_responses(epoch=1),
    "curves": lambda network: network.show_curves(),
    "activations --layers conv1 pool2 --maps 3": lambda network: network.show_activations(
        layers=["conv1", "pool2"], maps=3
    ),
    "normalization --count 2 --seed 1": lambda network: network.show_normalization(count=2, seed=1),
    "saliency --count 2 --square 40 --seed 1": lambda network: network.show_saliency(
        count=2, square=40, seed=1
    ),
    "neighbours --count 2 -k 3 --distance cosine": lambda network: network.show_neighbors(
        count=2, k=3, distance="cosine"
    ),
    "map --method pca --layer fc6": lambda network: network.show_map(method="pca", layer="fc6"),
    "predict": lambda network: network.show_predictions(
        [network.folder.parent / "photos/val/blue", network.folder.parent / "photos/val/red/1.png"]
    ),
    "evaluate --confusion": lambda network: network.show_confusion(),
    "evaluate --errors": lambda network: network.show_errors(results=network.evaluate()),
}


@pytest.mark.parametrize("command", SAME_PICTURES)
def test_the_picture_is_that_of_the_command(command, run, network, photos, tmp_path, monkeypatch):
    drawn = []

    def keep(figure, path):
        drawn.append(figure)

    monkeypatch.setattr(style, "save", keep)
    for module in visualize.COMMANDS.values():
        monkeypatch.setattr(module, "save", keep)
    name, *options = command.split()
    out = str(tmp_path / "picture.png")
    if name == "predict":
        images = [str(photos / "blue"), str(photos / "red/1.png")]
        assert predict.main([str(run), *images, "--picture", out]) == 0
    elif name == "evaluate":
        assert evaluate.main([str(run), *options, out]) == 0
    else:
        assert visualize.main([name, str(run), *options, "--out", out]) == 0
    assert np.array_equal(pixels(drawn[0]), pixels(SAME_PICTURES[command](network)))


def test_images_of_any_kind(network, photos, monkeypatch):
    """What predict takes, and data sets; the classes of folders are known, as in predict."""
    path = photos / "green/2.png"
    image = Image.open(path)
    for given in (path, str(path), image, np.asarray(image), [image]):
        assert len(network.show_saliency(given, square=60).axes) == 5
    assert "is: green" in texts(network.show_saliency(path, square=60))
    assert "is: " not in texts(network.show_saliency(image, square=60))
    validation = load("folder", photos.parent)["validation"]
    assert len(network.show_predictions(validation, count=3).axes) == 2 * 3
    # Of more than fit a picture, the first are shown.
    said = []
    monkeypatch.setattr(pictures.cli, "say", said.append)
    assert len(network.show_predictions([image] * 13).axes) == 2 * 12
    assert said == ["the first 12 of 13 images are shown"]


def test_ten_views_are_averaged(network, photos):
    validation = load("folder", photos.parent)["validation"]
    for views in (1, 10):
        (shown,) = result_figures.predict_images(network, validation, np.array([7]), views)
        expected = network.predict(validation.image(7), views=views)
        assert dict(shown.top) == pytest.approx(dict(expected.top()))
        assert shown.image.shape == (67, 67, 3)
    assert len(network.show_predictions(photos / "red/0.png", views=10).axes) == 2


def test_a_map_of_the_images_themselves(network):
    figure = network.show_map(method="pca", thumbnails=True)
    drawn = sum(len(axes.images) for axes in figure.axes)
    assert drawn > 5
    assert figure.texts[0].get_text().endswith(f", {drawn} drawn")


def test_in_a_thread_without_a_display(network, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.append(pixels(network.show_predictions(count=2))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = drawn
    assert np.array_equal(first, second)


def test_errors_name_the_argument(network, run, photos, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text.png").write_text("no image")
    bare = Checkpoint.load(run / BEST)
    bare.arguments, bare.data = {}, {}
    bare.save(tmp_path / "bare.safetensors")
    alone = alexnet.load(tmp_path / "bare.safetensors")
    training = network.evaluate(split="train")
    reordered = dataclasses.replace(training, indices=training.indices[::-1])
    cases = [
        (lambda: network.show_filters("conv9"), UsageError, "choose from conv1, conv2"),
        (
            lambda: network.show_filters(epochs=7),
            UsageError,
            "the kernels of epoch 7 were not kept",
        ),
        (
            lambda: network.show_responses(epoch=7),
            UsageError,
            "of epoch 7 were not kept, but those",
        ),
        (lambda: network.show_filters(normalize="all"), UsageError, "normalize: 'all' is none of"),
        (lambda: network.show_filters("conv2", epochs=True), UsageError, "epochs: only .* conv1"),
        (lambda: network.show_filters(channels=[1]), UsageError, "channels: all kernels of conv1"),
        (lambda: network.show_filters("conv2", channels=[99]), UsageError, "no channel 99"),
        (lambda: network.show_filters("conv2", channels=[-1]), UsageError, "no channel -1"),
        (lambda: network.show_patches("fc6"), UsageError, "no layer 'fc6'"),
        (lambda: network.show_responses("wavelets"), UsageError, "method: 'wavelets' is none of"),
        (lambda: network.show_curves(*[run] * 7), UsageError, "at most 7 runs"),
        (lambda: network.show_activations(layers="fc7"), UsageError, "'fc7' with feature maps"),
        (lambda: network.show_activations(layers=[]), UsageError, "no layer is given"),
        (lambda: network.show_confusion(results=[]), UsageError, "those of evaluate, got list"),
        (lambda: network.show_errors(results=5), UsageError, "those of evaluate, got int"),
        (lambda: network.show_errors(results=training), UsageError, "they are of other images"),
        (
            lambda: network.show_errors(split="train", results=reordered),
            UsageError,
            "they are of other images",
        ),
        (lambda: network.show_activations(maps=0), UsageError, "maps: 0 is not a whole number"),
        (lambda: network.show_activations(photos / "red"), UsageError, "image: .* not of 5"),
        (lambda: network.show_saliency(square=99), UsageError, "images have 67 pixels"),
        (lambda: network.show_saliency(square=0), UsageError, "square: 0 is not"),
        (lambda: network.show_saliency(count=True), UsageError, "count: True is not"),
        (lambda: network.show_saliency({}), UsageError, "dict is no image"),
        (lambda: network.show_saliency(empty), DataError, "no image in this folder"),
        (lambda: network.show_saliency(tmp_path / "text.png"), DataError, "text.png"),
        (lambda: network.show_neighbors(k=99), UsageError, "99 neighbors .* 24 images"),
        (lambda: network.show_neighbors(distance="l1"), UsageError, "distance: 'l1' is none of"),
        (lambda: network.show_map(layer="conv9"), UsageError, "no layer 'conv9'"),
        (lambda: network.show_map(method="umap"), UsageError, "method: 'umap' is none of"),
        (lambda: network.show_map(perplexity=1), UsageError, "perplexity: 1 is not"),
        (lambda: network.show_map(count=3), UsageError, "at least 4 images"),
        (lambda: network.show_confusion(empty), DataError, "empty"),
        (lambda: network.show_errors(split="test"), DataError, "no set 'test'"),
        (lambda: alone.show_filters(epochs=True), CheckpointError, "no kernels of its epochs"),
        (lambda: alone.show_curves(), CheckpointError, "no run folder"),
        (lambda: alone.show_saliency(), UsageError, "does not say which images"),
        (lambda: alone.show_neighbors(photos), UsageError, "does not say which images"),
        (lambda: alone.show_confusion(), UsageError, "does not say which images"),
        (lambda: alone.show_errors(), UsageError, "does not say which images"),
        (lambda: alone.show_patches(), UsageError, "does not say which images"),
    ]
    for number, (call, error, message) in enumerate(cases):
        with pytest.raises(error, match=message) as caught:
            call()
            pytest.fail(f"case {number}, {message}")
        assert "\n" not in str(caught.value)
