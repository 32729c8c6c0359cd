"""The strongest image patches, against a search through everything."""

import numpy as np
import pytest

from alexnet.data.loader import Loader
from alexnet.data.transforms import Preprocessing, central_view
from alexnet.inference import layers
from alexnet.model import AlexNet
from alexnet.visualize.patches import UNSEEN, patch, strongest
from alexnet.visualize.receptive_fields import Window
from minigrad import Tensor, backend, manual_seed, no_grad

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = 67


class Images:
    classes = ["one", "other"]

    def __init__(self):
        rng = np.random.default_rng(0)
        self.labels = np.arange(14) // 7
        self.images = rng.integers(0, 256, (14, 80, 90, 3), np.uint8)
        self.images[9] = self.images[4]  # a tie

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return self.images[index]

    def name(self, index):
        return f"image {index}"


PREPROCESSING = Preprocessing(image_size=SIZE, mean=(120, 110, 100), scale=1 / 64)


@pytest.fixture(scope="module")
def model():
    manual_seed(1)
    return AlexNet(2, SIZE, width=0.1)


@pytest.mark.parametrize("name", ["conv1", "conv3"])
def test_strongest(model, name):
    part, images, channels = layers.up_to(model, name), Images(), [5, 0, 3]
    batches = Loader(images, PREPROCESSING, 4, workers=0).batches(0)
    found = strongest(part, batches, channels, 5, backend.get("cpu"))

    inputs = np.stack([central_view(i, PREPROCESSING).crop for i in images.images])
    inputs = (inputs.astype(np.float32) - PREPROCESSING.mean) * PREPROCESSING.scale
    with no_grad():
        maps = part(Tensor(inputs.transpose(0, 3, 1, 2).astype(np.float32))).numpy()
    for row, channel in enumerate(channels):
        highest = maps[:, channel].max(axis=(1, 2))
        expected = sorted(range(14), key=lambda i: (-highest[i], i))[:5]
        np.testing.assert_allclose(found.activation[row], highest[expected], rtol=1e-4)
        assert found.image[row].tolist() == expected
        for index, position in zip(found.image[row], found.position[row]):
            at = maps[index, channel][tuple(position)]
            assert at == pytest.approx(highest[index], rel=1e-4)


def test_fewer_images_than_places(model):
    batches = Loader(Images(), PREPROCESSING, 4, workers=0).batches(0)
    found = strongest(layers.up_to(model, "conv1"), batches, [0], 20, backend.get("cpu"))
    assert sorted(found.image[0, :14]) == list(range(14))
    assert np.isneginf(found.activation[0, 14:]).all()


def test_patch_is_cut_from_the_image_in_its_own_colors():
    images = Images()
    crop = central_view(images.images[3], PREPROCESSING).crop
    assert np.array_equal(patch(images, 3, (2, 5), [Window(11, 4)], PREPROCESSING),
                          crop[8:19, 20:31])  # fmt: skip


def test_what_was_not_seen_is_gray():
    images = Images()
    crop = central_view(images.images[3], PREPROCESSING).crop
    corner = patch(images, 3, (0, 0), [Window(11, 4, 2)], PREPROCESSING)
    assert (corner[:2] == UNSEEN).all()
    assert (corner[:, :2] == UNSEEN).all()
    assert np.array_equal(corner[2:, 2:], crop[:9, :9])
    # A receptive field larger than the image: the image, as far as it is seen.
    wide = patch(images, 3, (0, 0), [Window(101, 4, 50)], PREPROCESSING)
    assert wide.shape == (SIZE, SIZE, 3)
    assert np.array_equal(wide[:51, :51], crop[:51, :51])
    assert (wide[51:] == UNSEEN).all()
