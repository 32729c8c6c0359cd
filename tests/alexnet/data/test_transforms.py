"""The geometry, the random draws and the colour statistics."""

import json

import numpy as np
import pytest

from alexnet.data.transforms import (
    Augmentation,
    Preprocessing,
    center_crop_offsets,
    color_statistics,
    draw,
    random_generator,
    resize_shorter_side,
)

PREPROCESSING = Preprocessing(
    image_size=5,
    resize=8,
    mean=(1.0, 2.0, 3.0),
    eigenvectors=((0.6, 0.8, 0.0), (0.8, -0.6, 0.0), (0.0, 0.0, 1.0)),
    standard_deviations=(120.0, 35.0, 20.0),
)


class Images:
    def __init__(self, images):
        self.classes = ["a"]
        self.images = images
        self.labels = np.zeros(len(images), np.int64)

    def __len__(self):
        return len(self.images)

    def image(self, index):
        return self.images[index]


@pytest.mark.parametrize("image_size, resize", [(227, 256), (224, 253), (64, 72), (1, 1)])
def test_default_resize_has_the_proportion_of_the_paper(image_size, resize):
    assert Preprocessing(image_size=image_size, mean=(0, 0, 0)).resize == resize


@pytest.mark.parametrize("image_size, resize", [(9, 8), (0, 8)])
def test_impossible_crop(image_size, resize):
    with pytest.raises(ValueError, match=f"cannot crop {image_size} pixels .* resized to {resize}"):
        Preprocessing(image_size=image_size, resize=resize, mean=(0, 0, 0))


def test_metadata_survives_json():
    metadata = json.loads(json.dumps(PREPROCESSING.to_metadata()))
    assert Preprocessing.from_metadata(metadata) == PREPROCESSING


@pytest.mark.parametrize(
    "shape, expected",
    [((10, 20), (8, 16)), ((20, 10), (16, 8)), ((3, 4), (8, 11)), ((100, 41), (20, 8))],
)
def test_resize_shorter_side(shape, expected):
    image = np.full((*shape, 3), (10, 20, 30), np.uint8)
    resized = resize_shorter_side(image, 8)
    assert resized.shape == (*expected, 3)
    assert (resized == (10, 20, 30)).all()


def test_resize_leaves_an_image_of_the_right_size_alone():
    image = np.zeros((8, 11, 3), np.uint8)
    assert resize_shorter_side(image, 8) is image


def test_resize_averages_when_it_shrinks():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 255
    inner = resize_shorter_side(image, 8)[1:-1]
    assert inner.min() >= 120
    assert inner.max() <= 135


def test_center_crop_offsets():
    assert center_crop_offsets(256, 256, 227) == (14, 14)
    assert center_crop_offsets(8, 12, 5) == (1, 3)
    assert center_crop_offsets(5, 5, 5) == (0, 0)


def draws(augmentation, count=3000, height=8, width=9, seed=1, epoch=2):
    rows = [
        draw(augmentation, seed, epoch, index, height, width, PREPROCESSING)
        for index in range(count)
    ]
    return [np.array(column) for column in zip(*rows, strict=True)]


def test_crops_reach_every_place_evenly_and_flips_are_half():
    top, left, flip, _ = draws(Augmentation())
    assert set(top) == set(range(4))
    assert set(left) == set(range(5))
    places = np.bincount(top * 5 + left, minlength=20)
    assert np.abs(places - 150).max() < 5 * np.sqrt(150)
    assert abs(flip.mean() - 0.5) < 5 * 0.5 / np.sqrt(3000)
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.1
    assert abs(np.corrcoef(top, flip)[0, 1]) < 0.1


def test_color_noise_has_the_covariance_of_the_components():
    shifts = draws(Augmentation(color_noise=0.1), count=20_000)[3]
    assert shifts.dtype == np.float32
    vectors = np.array(PREPROCESSING.eigenvectors)
    along = shifts @ vectors / (0.1 * np.array(PREPROCESSING.standard_deviations))
    assert np.abs(along.mean(axis=0)).max() < 5 / np.sqrt(20_000)
    np.testing.assert_allclose(np.cov(along.T), np.eye(3), atol=0.05)


def test_parts_can_be_turned_off_one_by_one():
    full = draws(Augmentation(), count=50)
    no_crop = draws(Augmentation(crop=False), count=50)
    no_flip = draws(Augmentation(flip=False), count=50)
    no_noise = draws(Augmentation(color_noise=0.0), count=50)
    assert set(no_crop[0]) == {1}
    assert set(no_crop[1]) == {2}
    assert not no_flip[2].any()
    assert not no_noise[3].any()
    for changed, others in ((0, no_crop), (2, no_flip), (3, no_noise)):
        for column in {0, 1, 2, 3} - {changed, 1 if changed == 0 else changed}:
            assert np.array_equal(full[column], others[column])


def test_draw_is_a_function_of_its_arguments():
    def flat(seed, epoch, index):
        top, left, flip, shift = draw(Augmentation(), seed, epoch, index, 50, 60, PREPROCESSING)
        return (top, left, flip, *shift.tolist())

    assert flat(1, 2, 3) == flat(1, 2, 3)
    others = [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1, 3, 2), (3, 2, 1), (-1, 2, 3)]
    assert len({flat(*other) for other in [(1, 2, 3), *others]}) == 7


def test_generators_share_no_numbers():
    arguments = [
        (1, stream, epoch, index) for stream in (0, 1) for epoch in (0, 1) for index in (0, 1)
    ]
    numbers = np.concatenate([random_generator(*one).random(1000) for one in arguments])
    assert len(np.unique(numbers)) == 8000


def test_color_statistics_equal_those_of_all_pixels():
    rng = np.random.default_rng(0)
    mixing = rng.normal(0, 12, (3, 3))
    images = (rng.normal(size=(7, 20, 30, 3)) @ mixing + (120, 100, 90)).clip(0, 255)
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
