"""The geometry of views, and the random draws."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from alexnet.data.resizing import central_square, resized
from alexnet.data.transforms import (
    AREA_SHARE,
    ASPECT_RATIO,
    AUGMENTATION_STREAM,
    COLOR_NOISE_FORMS,
    CROPS,
    Augmentation,
    KeyedGenerator,
    Preprocessing,
    RandomViews,
    View,
    central_view,
    color_deviations,
    ten_views,
)
from tests.alexnet.data.images import numbered

PREPROCESSING = Preprocessing(
    image_size=5,
    resize=8,
    mean=(1.0, 2.0, 3.0),
    eigenvectors=((0.6, 0.8, 0.0), (0.8, -0.6, 0.0), (0.0, 0.0, 1.0)),
    standard_deviations=(120.0, 35.0, 20.0),
)


@pytest.mark.parametrize("image_size, resize", [(227, 256), (224, 253), (64, 72), (1, 1)])
def test_default_resize_has_the_proportion_of_the_paper(image_size, resize):
    assert Preprocessing(image_size=image_size, mean=(0, 0, 0)).resize == resize


@pytest.mark.parametrize("image_size, resize", [(9, 8), (0, 8)])
def test_impossible_crop(image_size, resize):
    with pytest.raises(ValueError, match=f"cannot crop {image_size} pixels .* resized to {resize}"):
        Preprocessing(image_size=image_size, resize=resize, mean=(0, 0, 0))


@pytest.mark.parametrize("scale", [1 / 64, (0.5, 0.25, 2.0)])
def test_metadata_survives_json(scale):
    preprocessing = replace(PREPROCESSING, scale=scale)
    metadata = json.loads(json.dumps(preprocessing.to_metadata()))
    assert Preprocessing.from_metadata(metadata) == preprocessing


def test_scale_is_one_number_or_three():
    with pytest.raises(ValueError, match=r"scale must be one number or three, got \(1, 2\)"):
        replace(PREPROCESSING, scale=(1, 2))


def test_mean_image_is_no_metadata_and_must_have_the_shape_of_the_input():
    mean_image = np.ones((3, 5, 5), np.float32)
    preprocessing = Preprocessing(image_size=5, mean=(1, 2, 3), mean_image=mean_image)
    metadata = json.loads(json.dumps(preprocessing.to_metadata()))
    assert Preprocessing.from_metadata(metadata, mean_image).mean_image is mean_image
    with pytest.raises(ValueError, match=r"mean_image must have the shape \(3, 5, 5\)"):
        Preprocessing(image_size=5, mean=(1, 2, 3), mean_image=np.ones((5, 5, 3)))


def test_central_view():
    view = central_view(numbered(12, 8), PREPROCESSING)
    assert np.array_equal(view.crop, numbered(12, 8)[3:8, 1:6])
    assert not view.flip
    assert (view.color_shift == 0).all()


def test_ten_views_are_corners_and_middle_each_mirrored():
    views = ten_views(numbered(8, 8), PREPROCESSING)
    places = [tuple(view.crop[0, 0, :2].tolist()) for view in views]
    assert places[:5] == [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)]
    assert places[5:] == places[:5]
    assert [view.flip for view in views] == [False] * 5 + [True] * 5
    assert all(view.crop.shape == (5, 5, 3) for view in views)
    assert all((view.color_shift == 0).all() for view in views)


def draws(augmentation, count=3000, shape=(8, 9), seed=1, epoch=2):
    """top, left, flip and color shift of many views of `numbered`."""
    image = numbered(*shape)
    random_views = RandomViews(PREPROCESSING, augmentation, seed, epoch, list(range(count)))
    views = [random_views.view(number, image) for number in range(count)]
    assert {view.crop.shape for view in views} == {(5, 5, 3)}
    columns = zip(*[(*view.crop[0, 0, :2], view.flip, view.color_shift) for view in views])
    return [np.array(column) for column in columns]


def test_crops_reach_every_place_of_the_square_evenly_and_flips_are_half():
    top, left, flip, _ = draws(Augmentation())
    assert set(top) == set(left) == set(range(4))
    places = np.bincount(top * 4 + left, minlength=16)
    assert np.abs(places - 187.5).max() < 5 * np.sqrt(187.5)
    assert abs(flip.mean() - 0.5) < 5 * 0.5 / np.sqrt(3000)
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.1
    assert abs(np.corrcoef(top, flip)[0, 1]) < 0.1


def test_resized_crops_are_rectangles_of_any_size_and_place():
    augmentation = Augmentation(crop="resized", flip=False, color_noise=0)
    boxes = []
    random_views = RandomViews(PREPROCESSING, augmentation, 0, 0, list(range(400)))
    for number in range(400):
        crop = random_views.view(number, numbered(200, 150)).crop
        assert crop.shape == (5, 5, 3)
        rows, columns = crop[:, 0, 0].astype(float), crop[0, :, 1].astype(float)
        # Five samples, each the middle of a fifth of the rectangle, but for filters at its ends.
        boxes.append(
            (rows[2], columns[2], 5 * (rows[3] - rows[1]) / 2, 5 * (columns[3] - columns[1]) / 2)
        )
    middle_row, middle_column, height, width = np.array(boxes).T
    share = height * width / (200 * 150)
    assert 0.06 < share.min() < 0.15
    assert 0.8 < share.max() < 1.05
    ratio = width / height
    assert 0.70 < ratio.min() < 0.80
    assert 1.25 < ratio.max() < 1.40
    assert middle_row.min() < 50 and middle_row.max() > 150
    assert middle_column.min() < 40 and middle_column.max() > 110


def test_resized_crop_of_an_image_that_no_rectangle_fits():
    random_views = RandomViews(PREPROCESSING, Augmentation(crop="resized"), 0, 0, [0])
    assert random_views.view(0, numbered(1, 90)).crop.shape == (5, 5, 3)


@pytest.mark.parametrize("form", ["2012", "paper", "pytorch"])
def test_color_noise_has_the_covariance_of_the_components(form):
    shifts = draws(Augmentation(color_noise_form=form), count=20_000)[3]
    assert shifts.dtype == np.float32
    deviations = {
        "2012": (120, 35, 20),
        "paper": (14400, 1225, 400),
        "pytorch": (14400 / 255, 1225 / 255, 400 / 255),
    }[form]
    np.testing.assert_allclose(color_deviations(PREPROCESSING, form), deviations)
    along = shifts @ np.array(PREPROCESSING.eigenvectors) / (0.1 * np.array(deviations))
    assert np.abs(along.mean(axis=0)).max() < 5 / np.sqrt(20_000)
    np.testing.assert_allclose(np.cov(along.T), np.eye(3), atol=0.05)


def test_parts_can_be_turned_off_one_by_one():
    full = draws(Augmentation(), count=50)
    no_crop = draws(Augmentation(crop="center"), count=50)
    no_flip = draws(Augmentation(flip=False), count=50)
    no_noise = draws(Augmentation(color_noise=0.0), count=50)
    assert set(no_crop[0]) == set(no_crop[1]) == {1}
    assert not no_flip[2].any()
    assert not no_noise[3].any()
    for changed, others in (({0, 1}, no_crop), ({2}, no_flip), ({3}, no_noise)):
        for column in {0, 1, 2, 3} - changed:
            assert np.array_equal(full[column], others[column])


def plain_view(image, preprocessing, augmentation, seed, epoch, index):
    """The definition of a random view: a new generator for each image, one number at a time."""
    counter = np.array([0, 0, epoch, index], np.uint64)
    key = np.array([seed % 2**64, AUGMENTATION_STREAM], np.uint64)
    generator = np.random.Generator(np.random.Philox(counter=counter, key=key))
    down, right, side = (generator.random() for _ in range(3))
    factors = augmentation.color_noise * np.array([generator.standard_normal() for _ in range(3)])
    deviations = factors * color_deviations(preprocessing, augmentation.color_noise_form)
    shift = (np.array(preprocessing.eigenvectors) @ deviations).astype(np.float32)
    (height, width), size = image.shape[:2], preprocessing.image_size
    if augmentation.crop == "resized":
        box = (min(height, width),) * 2
        for _ in range(10):
            area = height * width * generator.uniform(*AREA_SHARE)
            ratio = math.exp(generator.uniform(*np.log(ASPECT_RATIO)))
            candidate = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
            if 1 <= candidate[0] <= height and 1 <= candidate[1] <= width:
                box = candidate
                break
    else:
        image, box = central_square(image, preprocessing.resize), (size, size)
    places = image.shape[0] - box[0] + 1, image.shape[1] - box[1] + 1
    if augmentation.crop == "center":
        top, left = (places[0] - 1) // 2, (places[1] - 1) // 2
    else:
        top, left = int(down * places[0]), int(right * places[1])
    crop = resized(image[top : top + box[0], left : left + box[1]], size, size)
    return View(crop, augmentation.flip and side < 0.5, shift)


@pytest.mark.parametrize("form", COLOR_NOISE_FORMS)
@pytest.mark.parametrize("crop", CROPS)
def test_views_are_bit_for_bit_those_of_a_generator_for_each_image(crop, form):
    """Runs that are continued by another version see the same images."""
    rng = np.random.default_rng(0)
    # Not symmetric, so that rows and columns cannot be mixed up.
    eigenvectors = tuple(map(tuple, rng.standard_normal((3, 3)).tolist()))
    preprocessing = replace(PREPROCESSING, eigenvectors=eigenvectors)
    augmentation = Augmentation(crop=crop, flip=form != "paper", color_noise_form=form)
    indices = [7, 0, 2**40, 3, *rng.permutation(1000)[:100].tolist()]
    for seed, epoch in ((0, 0), (5, 90), (-1, 2**40)):
        random_views = RandomViews(preprocessing, augmentation, seed, epoch, indices)
        # In an order of their own, and with shapes that few rectangles fit.
        for number in reversed(range(len(indices))):
            height = (8, 4, 7, 3)[number % 4]
            image = rng.integers(0, 256, (height, height + 6 * (number % 5), 3), np.uint8)
            view = random_views.view(number, image)
            expected = plain_view(image, preprocessing, augmentation, seed, epoch, indices[number])
            assert np.array_equal(view.crop, expected.crop)
            assert view.flip == expected.flip
            assert view.color_shift.tobytes() == expected.color_shift.tobytes()


@pytest.mark.parametrize("crop", ["random", "resized"])
def test_a_view_is_a_function_of_its_arguments(crop):
    image, augmentation = numbered(50, 60), Augmentation(crop=crop)

    def flat(seed, epoch, index):
        view = RandomViews(PREPROCESSING, augmentation, seed, epoch, [index]).view(0, image)
        return view.crop.tobytes(), view.flip, *view.color_shift.tolist()

    assert flat(1, 2, 3) == flat(1, 2, 3)
    others = [(2, 2, 3), (1, 3, 3), (1, 2, 4), (1, 3, 2), (3, 2, 1), (-1, 2, 3)]
    assert len({flat(*other) for other in [(1, 2, 3), *others]}) == 7


def test_generators_share_no_numbers():
    arguments = [
        (1, stream, epoch, index) for stream in (0, 1) for epoch in (0, 1) for index in (0, 1)
    ]
    numbers = [
        KeyedGenerator(seed, stream).at(epoch, index).random(1000)
        for seed, stream, epoch, index in arguments
    ]
    assert len(np.unique(numbers)) == 8000
