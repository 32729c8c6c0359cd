"""Files that the Python code of a page of the documentation reads."""

from unittest import mock

import numpy as np
from PIL import Image

from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import Preprocessing
from alexnet.export import onnx_file
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn
from tests.alexnet.narrow import NarrowAlexNet

CLASSES = ["daisy", "rose", "tulip"]


def flowers():
    """A network that would know flowers if it had learned anything."""
    rng = np.random.default_rng(8)
    with nn.init.skipped():
        model = NarrowAlexNet(len(CLASSES), 67)
    for parameter in model.parameters():
        std = np.sqrt(2 / nn.init.fans(parameter.shape)[0]) if parameter.ndim > 1 else 0.1
        parameter.data[...] = rng.standard_normal(parameter.shape, np.float32) * std
    preprocessing = Preprocessing(image_size=67, mean=(120, 110, 100), scale=1 / 64)
    return Checkpoint("alexnet", CLASSES, preprocessing, model=model.state_dict())


def weights(folder):
    """docs/weights.md: flowers.onnx and flower.png, which is no square."""
    with mock.patch.dict(ARCHITECTURES, alexnet=NarrowAlexNet):
        onnx_file.save(flowers(), folder / "flowers.onnx")
    Image.fromarray(DemoDataset("validation", 1).image(0)[:, :201]).save(folder / "flower.png")


def readme(folder):
    """README.md: the photos, and one of a flower that is not among them."""
    photos(folder)
    pixels = np.full((90, 100, 3), (20, 140, 30), np.uint8)
    Image.fromarray(pixels).save(folder / "flower.png")


def photos(folder):
    """docs/python.md: photos of three kinds of flowers, which are three colors."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        for channel, name in enumerate(CLASSES):
            (folder / "photos" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 90, (70, 80 + number, 3), np.uint8)
                pixels[:, :, channel] += 120
                Image.fromarray(pixels).save(folder / "photos" / split / name / f"{number}.png")
