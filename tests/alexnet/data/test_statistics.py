"""The statistics of a training set."""

import json

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.statistics import color_statistics, mean_image, reduced_square
from alexnet.data.transforms import Preprocessing
from alexnet.errors import DataError
from tests.alexnet.data.images import Images


def test_color_statistics_equal_those_of_all_pixels():
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 12, (3, 3))
    images = (rng.normal(size=(7, 20, 20, 3)) @ mixing + (120, 100, 90)).clip(0, 255)
    images = images.astype(np.uint8)
    mean, vectors, deviations = color_statistics(Images(images))
    pixels = images.reshape(-1, 3)
    np.testing.assert_allclose(mean, pixels.mean(axis=0))
    vectors, deviations = np.array(vectors), np.array(deviations)
    covariance = vectors @ np.diag(deviations**2) @ vectors.T
    np.testing.assert_allclose(covariance, np.cov(pixels.T, bias=True), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    assert (np.diff(deviations) <= 0).all()
    assert (vectors[np.abs(vectors).argmax(axis=0), range(3)] > 0).all()


def test_color_statistics_of_one_color():
    statistics = color_statistics(Images([np.full((4, 4, 3), (9, 8, 7), np.uint8)] * 3))
    assert statistics.mean == (9.0, 8.0, 7.0)
    assert np.abs(statistics.standard_deviations).max() < 1e-5


def test_color_statistics_weigh_images_equally_and_take_them_evenly_spaced():
    small, large = np.zeros((1, 1, 3), np.uint8), np.full((40, 30, 3), 100, np.uint8)
    assert color_statistics(Images([small, large])).mean == (50.0, 50.0, 50.0)
    images = [np.full((1, 1, 3), i, np.uint8) for i in range(101)]
    assert color_statistics(Images(images), count=3).mean == (50.0, 50.0, 50.0)
    assert color_statistics(Images(images), count=2).mean == (50.0, 50.0, 50.0)
    assert color_statistics(Images(images), count=1).mean == (0.0, 0.0, 0.0)


def test_color_statistics_fit_preprocessing():
    statistics = color_statistics(Images([np.zeros((2, 2, 3), np.uint8)]))
    preprocessing = Preprocessing(image_size=4, **statistics._asdict())
    json.dumps(preprocessing.to_metadata())


def test_statistics_are_of_the_central_square():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 90
    assert color_statistics(Images([image])).mean == (90.0, 90.0, 90.0)
    assert (mean_image(Images([image]), 10) == 90).all()


@pytest.mark.parametrize("shape, side", [((300, 400), 256), ((256, 256), 256), ((20, 30), 20)])
def test_reduced_square_never_enlarges(shape, side):
    assert reduced_square(np.zeros((*shape, 3), np.uint8)).shape == (side, side, 3)


def test_mean_image():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 6, 6, 3), np.uint8)
    mean = mean_image(Images(images), 6)
    assert mean.shape == (3, 6, 6)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, images.mean(axis=0).transpose(2, 0, 1), rtol=1e-6)
    assert mean_image(Images(images), 12).shape == (3, 12, 12)


def test_mean_image_of_prepared_data_is_taken_where_it_fits():
    dataset = Images(np.zeros((2, 6, 6, 3), np.uint8))
    dataset.mean_image = np.full((3, 6, 6), 7, np.float32)
    assert mean_image(dataset, 6) is dataset.mean_image
    assert (mean_image(dataset, 5) == 0).all()


def test_skipped_images_do_not_count():
    images = [np.full((4, 4, 3), 10, np.uint8), None, np.full((4, 4, 3), 30, np.uint8)]
    dataset = Skipping(Images(images), BadImages(skip=True, limit=1))
    assert color_statistics(dataset).mean == (20.0, 20.0, 20.0)
    assert (mean_image(dataset, 4) == 20).all()
    nothing = Skipping(Images([None, None]), BadImages(skip=True, limit=2))
    for function in (color_statistics, lambda dataset: mean_image(dataset, 4)):
        with pytest.raises(DataError, match="none of the training images"):
            function(nothing)
