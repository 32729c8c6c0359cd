"""The central square, and scaling, of arrays and of Pillow's images."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data.resizing import central_square, resized, shorter_side
from tests.alexnet.data.images import numbered


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (3, 4), (100, 41), (8, 8)])
def test_central_square(shape):
    square = central_square(np.full((*shape, 3), (10, 20, 30), np.uint8), 8)
    assert square.shape == (8, 8, 3)
    assert (square == (10, 20, 30)).all()


def test_central_square_is_in_the_middle():
    assert np.array_equal(central_square(numbered(8, 13), 8), numbered(8, 13)[:, 2:10])
    assert np.array_equal(central_square(numbered(13, 8), 8), numbered(13, 8)[2:10])


def test_scaling_averages_when_it_shrinks():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    inner = central_square(image, 8)[1:-1]
    assert inner.min() >= 120
    assert inner.max() <= 135


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 91), (300, 127), (40, 30)])
def test_arrays_and_images_of_pillow_are_treated_alike(rng, shape):
    array = rng.integers(0, 256, (*shape, 3), np.uint8)
    image = Image.fromarray(array)
    assert shorter_side(array) == shorter_side(image) == min(shape)
    assert np.array_equal(central_square(array, 64), central_square(image, 64))
    assert np.array_equal(resized(array, 50, 70), resized(image, 50, 70))
    assert resized(array, 50, 70).shape == (50, 70, 3)


def test_an_array_of_the_right_size_is_not_copied():
    array = np.zeros((8, 8, 3), np.float32)
    assert np.shares_memory(central_square(array, 8), array)
