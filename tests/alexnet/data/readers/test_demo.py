"""The demo set: repeatable, balanced, and nothing but the pattern tells the class."""

import numpy as np
import pytest

from alexnet.data.readers.demo import LUMA, MIN_CONTRAST, SIZE, DemoDataset, _two_colors


def test_images_are_a_function_of_seed_split_and_index():
    first, again = DemoDataset("train", 30), DemoDataset("train")
    for index in (29, 0, 7):
        np.testing.assert_array_equal(first.image(index), again.image(index))
        for other in DemoDataset("train", seed=1), DemoDataset("validation"):
            assert (first.image(index) != other.image(index)).mean() > 0.5


def test_images_and_labels():
    for split, count in (("train", 1000), ("validation", 400)):
        dataset = DemoDataset(split)
        assert len(dataset) == len(dataset.labels) == count
        assert np.bincount(dataset.labels).tolist() == [count // 10] * 10
    assert len(set(dataset.classes)) == 10
    image = dataset.image(3)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert image.std() > 10


def test_unknown_split():
    with pytest.raises(ValueError, match="split must be 'train' or 'validation', got 'test'"):
        DemoDataset("test")


def test_patterns_are_brighter_than_their_ground(rng):
    for _ in range(100):
        bright, dark = _two_colors(rng)
        assert (bright - dark) @ LUMA > MIN_CONTRAST


def test_the_mean_color_does_not_tell_the_class():
    """Nearest class mean, with the mean colors of other images to learn from: about chance."""
    dataset = DemoDataset("train", 400)
    colors = np.array([dataset.image(i).mean(axis=(0, 1)) for i in range(len(dataset))])
    means = np.array([colors[:200][dataset.labels[:200] == c].mean(axis=0) for c in range(10)])
    distance = np.linalg.norm(colors[200:, None] - means, axis=2)
    assert (distance.argmin(axis=1) == dataset.labels[200:]).mean() < 0.3
