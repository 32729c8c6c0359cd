"""Images that cannot be used: an error, or a list of them up to a limit."""

import logging

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping, underlying
from alexnet.errors import DataError
from tests.alexnet.data.images import Images

DATASET = Images([np.zeros((1, 1, 3), np.uint8), None, None, None])


def test_a_good_image_is_given():
    dataset = Skipping(DATASET, BadImages())
    assert dataset.image(0) is DATASET.images[0]
    assert (len(dataset), dataset.name(1), dataset.classes) == (4, "image 1", ["a", "b"])
    assert underlying(dataset) is underlying(DATASET) is DATASET


def test_a_bad_image_is_an_error_that_says_what_can_be_done():
    with pytest.raises(
        DataError, match="image 1: damaged; repair or .* --bad-images skip"
    ) as error:
        Skipping(DATASET, BadImages()).image(1)
    assert "\n" not in str(error.value)


def test_skipped_images_are_counted_once_and_logged(caplog):
    bad_images = BadImages(skip=True, limit=2)
    dataset = Skipping(DATASET, bad_images)
    with caplog.at_level(logging.WARNING, "alexnet.data"):
        for index in (1, 2, 1, 2):
            assert dataset.image(index) is None
    assert bad_images.found == {"image 1": "image 1: damaged", "image 2": "image 2: damaged"}
    assert [r.getMessage() for r in caplog.records] == [
        "skipped image 1: damaged",
        "skipped image 2: damaged",
    ]


def test_one_more_than_the_limit_is_an_error():
    bad_images = BadImages(skip=True, limit=2)
    train, validation = Skipping(DATASET, bad_images), Skipping(DATASET, bad_images)
    train.image(1)
    validation.image(2)
    with pytest.raises(DataError, match="3 images .* image 3: damaged.* --max-bad-images 2"):
        train.image(3)


def test_the_list_is_kept_in_a_file(tmp_path):
    path = tmp_path / "bad_images.txt"
    bad_images = BadImages(skip=True, limit=3)
    bad_images.write_to(path)
    assert not path.exists()
    Skipping(DATASET, bad_images).image(2)
    assert path.read_text() == "image 2: damaged\n"

    continued = BadImages(skip=True, limit=3)
    dataset = Skipping(DATASET, continued)
    dataset.image(1)
    continued.write_to(path)
    dataset.image(2)
    assert path.read_text() == "image 2: damaged\nimage 1: damaged\n"


def test_a_name_with_line_breaks_is_listed_in_one_line(tmp_path, caplog):
    class Odd(Images):
        def name(self, index):
            return "a\nb\x85c\u2028d.jpg"

    caplog.set_level(logging.ERROR, "alexnet.data")
    for _ in range(2):  # the second run knows the line
        bad_images = BadImages(skip=True, limit=1)
        bad_images.write_to(tmp_path / "list")
        Skipping(Odd([None]), bad_images).image(0)
    assert (tmp_path / "list").read_text() == "a\\nb\\x85c\\u2028d.jpg: damaged\n"


def test_names_that_are_no_text_can_be_listed(tmp_path, caplog):
    class Odd(Images):
        def name(self, index):
            return "caf\udce9.jpg"

    # pytest-xdist cannot send such names from one process to another.
    caplog.set_level(logging.ERROR, "alexnet.data")
    bad_images = BadImages(skip=True, limit=1)
    bad_images.write_to(tmp_path / "list")
    Skipping(Odd([None]), bad_images).image(0)
    assert (tmp_path / "list").read_text() == "caf\\udce9.jpg: damaged\n"
