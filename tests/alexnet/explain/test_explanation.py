"""What is explained of a trained network: which number, in words, on a page; and the command."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import UsageError
from alexnet.explain import number, page, text
from alexnet.explain.explanation import (
    Account,
    Line,
    Map,
    Term,
    largest,
    units_in_the_last_place,
)
from alexnet.explain.pictures import framed, heat_map
from alexnet.inference.inputs import UNKNOWN, Input
from alexnet.inference.trained import Trained
from alexnet.visualize.receptive_fields import Box
from minigrad import Tensor, no_grad
from minigrad import functional as F
from tests.alexnet.runs import CLASSES


def explain(trained, prepared, layer, index=(), label=None, gradient=False):
    passes = number.passes_for(trained, prepared, label)
    return number.explain(passes, prepared, trained.classes, layer, index, gradient=gradient)


LAYERS = "conv1 norm1 pool1 conv2 norm2 pool2 conv3 conv4 conv5 pool5 fc6 drop6 fc7 drop7 fc8 loss"


@pytest.fixture(scope="module")
def trained(undisturbed):
    return Trained(undisturbed)


@pytest.fixture(scope="module")
def photo(photos):
    return (
        next((photos / "val" / "green").iterdir())
        if (photos / "val").exists()
        else next(photos.rglob("green/*"))
    )


@pytest.fixture(scope="module")
def prepared(trained, photo):
    return number.prepared(trained, Input(str(photo), CLASSES.index("green")))


def test_image_is_what_prediction_takes(trained, photo, prepared):
    with no_grad():
        scores = trained.model(Tensor(prepared.inputs))
    expected = trained.predict(str(photo)).probabilities
    np.testing.assert_allclose(F.softmax(scores).numpy()[0], expected, rtol=1e-5)
    assert prepared.picture.pixels.shape == (67, 67, 3)


@pytest.mark.parametrize("layer", LAYERS.split())
def test_every_layer_has_a_text_and_a_page(trained, prepared, layer):
    explanation = explain(trained, prepared, layer, gradient=True)
    lines = text.as_text(explanation).split("\n")
    assert lines[0].startswith(layer)
    assert max(map(len, lines)) <= 80
    assert any("gradient of the loss to it" in line for line in lines)
    html = page.page(explanation)
    assert html.count("<section") == 2
    assert "http" not in html.replace("http-equiv", "")
    assert f"{float(explanation.output.value):.6g}" in html


def test_default_is_the_largest_number_of_what_is_not_given(trained, prepared):
    passes = number.Passes(trained.model, prepared.inputs)
    layer = passes.layers["conv2"]
    place = number.require_index(layer, ())
    assert layer.output[place] == layer.output.max()
    channel, row, column = number.require_index(layer, (3,))
    assert channel == 3 and layer.output[3, row, column] == layer.output[3].max()
    assert number.require_index(layer, (3, 1, 2)) == (3, 1, 2)
    assert number.require_index(layer, (None, 1, 2))[1:] == (1, 2)


def test_loss_is_that_of_the_class(trained, prepared):
    for label in (None, 0, 2):
        explanation = explain(trained, prepared, "loss", label=label)
        with no_grad():
            scores = trained.model(Tensor(prepared.inputs))
            target = CLASSES.index("green") if label is None else label
            expected = F.cross_entropy(scores, np.array([target])).item()
        assert explanation.label == target
        assert float(explanation.output.value) == expected
        assert explanation.output.exact == pytest.approx(expected, rel=1e-5)


def test_without_a_class_the_loss_is_that_of_the_most_probable(trained, photo):
    prepared = number.prepared(trained, Input(str(photo), UNKNOWN))
    explanation = explain(trained, prepared, "fc8", gradient=True)
    assert explanation.label == trained.predict(str(photo)).probabilities.argmax()


def test_pixels_are_those_that_change_the_number(trained, prepared):
    explanation = explain(trained, prepared, "conv2", (1, 1, 2))
    box = explanation.box
    changed = prepared.inputs.copy()
    changed[0, :, : box.top] += 1
    changed[0, :, box.bottom :] += 1
    changed[0, :, :, : box.left] += 1
    changed[0, :, :, box.right :] += 1
    same = explain(trained, prepared._replace(inputs=changed), "conv2", (1, 1, 2))
    assert same.output.value == explanation.output.value
    changed[0, :, box.top, box.left :] += 5
    other = explain(trained, prepared._replace(inputs=changed), "conv2", (1, 1, 2))
    assert other.output.exact != explanation.output.exact


@pytest.mark.parametrize(
    "layer, index, message",
    [
        ("relu2", (), "no layer 'relu2'; conv2 has it; choose from conv1, norm1"),
        ("nothing", (), "no layer 'nothing'; choose from"),
        ("conv1", (999,), "conv1 has no channel 999: they go from 0 to"),
        ("conv1", (0, 99), "conv1 has no row 99"),
        ("conv1", (0, 0, -1), "conv1 has no column -1"),
        ("fc8", (3,), "fc8 has no unit 3: they go from 0 to 2"),
        ("conv1", (0, 0, 0, 0), "conv1 has the shape 10x15x15: give channel, row and column"),
        ("loss", (0,), "the loss is one number: it has no channel and no position"),
        ("fc8", (0, 1), "fc8 has the shape 3: give a unit only"),
    ],
)
def test_what_is_not_there_is_refused(trained, prepared, layer, index, message):
    with pytest.raises(UsageError, match=message):
        explain(trained, prepared, layer, index)


def test_distances_are_in_steps_of_the_type():
    one = np.float32(1)
    above = np.nextafter(one, np.float32(2))
    assert units_in_the_last_place(above, 1.0) == 1
    assert units_in_the_last_place(one, float(above)) == -1
    assert units_in_the_last_place(np.float32(0), 0.0) == 0


def test_sums_show_their_largest_parts():
    terms = [
        Term(f"{n:02}", 1, value, value) for n, value in enumerate((-1) ** n * n for n in range(30))
    ]
    shown = largest("", ("", "", "", ""), terms, 30)
    assert [term.value for term in shown.rows][:3] == [-29, 28, -27]
    assert len(shown.rows) == 20
    assert shown.rest == sum((-1) ** n * n for n in range(10))


def test_maps_beyond_the_image_are_dashes():
    values = np.array([[[1.0, -np.inf], [0.25, 2.0]]])
    lines = list(
        text._account(Account(np.float32(2), "", (Line("", 2.0),), (Map("m", values, (-1, 3)),)))
    )
    assert [line.split() for line in lines[-3:]] == [
        ["row", "\\", "column", "3", "4"],
        ["-1", "1", "-"],
        ["0", "0.25", "2"],
    ]


def test_pictures_hold_the_numbers(rng):
    values = rng.standard_normal((5, 4, 3))
    values[2, 1, 1] = -np.inf
    pixels = _decode(heat_map(values, "alt"))
    assert pixels.shape == (2 * 5 - 1, 3 * 4 - 1, 3)  # three in a row, a pixel between
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    shown = _decode(framed(image, Box(3, 5, 9, 12), "alt"))
    np.testing.assert_array_equal(shown[3:9, 5:12], image[3:9, 5:12])
    assert (shown[2, 4:13] == (0xD5, 0x5E, 0x00)).all()
    assert (shown[0] != image[0]).any()


def _decode(img):
    data = ET.fromstring(img.replace(">", "/>")).attrib["src"].split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
