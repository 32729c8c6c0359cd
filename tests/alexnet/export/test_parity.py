"""The line about two programs that compute the same network."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import Preprocessing
from alexnet.export import parity
from alexnet.export.parity import Parity
from alexnet.inference import inputs
from alexnet.inference.trained import Trained
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from tests.alexnet.narrow import NarrowAlexNet

OWN = np.array([[1, 2, -4], [3, 0, 0.5]], np.float32)


def test_the_numbers():
    other = OWN.copy()
    other[0, 2] += 0.5
    other[1, 1] = 3.25
    found = Parity.of("another program", OWN, other)
    assert found == Parity("another program", 2, difference=3.25, largest=4, same_top1=1)
    assert found.relative == 3.25 / 4
    assert str(found) == (
        "against another program: logits of 2 images differ by at most 3.2e+00 of 4 (8.1e-01 "
        "relative), the same top-1 class for 1 of 2"
    )


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_not_hidden(number):
    other = OWN.copy()
    other[0, 0] = number
    found = Parity.of("another program", OWN, other)
    assert not np.isfinite(found.difference) and not found.is_close


def test_logits_of_zero():
    found = Parity.of("another program", np.zeros((1, 2)), np.full((1, 2), 0.5))
    assert found.relative == found.difference == 0.5


def test_images_and_logits_are_those_of_predict(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "alexnet", NarrowAlexNet)
    preprocessing = Preprocessing(image_size=67, resize=90, mean=(100, 110, 120), scale=1 / 64)
    model = NarrowAlexNet(3, 67)
    checkpoint = Checkpoint("alexnet", list("abc"), preprocessing, model=model.state_dict())
    dataset = DemoDataset("validation", 2)
    for index in range(2):
        Image.fromarray(dataset.image(index)).save(tmp_path / f"{index}.png")
    checkpoint.save(tmp_path / "a.safetensors")
    trained = Trained(tmp_path / "a.safetensors")
    found, _ = inputs.collect([tmp_path / "0.png", tmp_path / "1.png"], checkpoint.classes)
    predicted, crops = zip(*trained.predictions(found))
    images = parity.demo_images(preprocessing, 2)
    np.testing.assert_array_equal(images, crops)
    scores = np.exp(parity.logits(checkpoint, images))
    expected = [prediction.probabilities for prediction in predicted]
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), expected, rtol=1e-5)
