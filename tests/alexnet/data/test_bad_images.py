"""Images that cannot be used: an error, or a list of them up to a limit."""

import logging

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages
from alexnet.errors import DataError
from tests.alexnet.data.images import Images

DATASET = Images([np.zeros((1, 1, 3), np.uint8), None, None, None])


def test_a_good_image_is_given():
    assert BadImages().read(DATASET, 0) is DATASET.images[0]


def test_a_bad_image_is_an_error_that_says_what_can_be_done():
    with pytest.raises(
        DataError, match="image 1: damaged; repair or .* --bad-images skip"
    ) as error:
        BadImages().read(DATASET, 1)
    assert "\n" not in str(error.value)


def test_skipped_images_are_counted_once_and_logged(caplog):
    bad_images = BadImages(skip=True, limit=2)
    with caplog.at_level(logging.WARNING, "alexnet.data"):
        for index in (1, 2, 1, 2):
            assert bad_images.read(DATASET, index) is None
    assert bad_images.found == {"image 1": "image 1: damaged", "image 2": "image 2: damaged"}
    assert [r.getMessage() for r in caplog.records] == [
        "skipped image 1: damaged",
        "skipped image 2: damaged",
    ]


def test_one_more_than_the_limit_is_an_error():
    bad_images = BadImages(skip=True, limit=2)
    bad_images.read(DATASET, 1)
    bad_images.read(DATASET, 2)
    with pytest.raises(DataError, match="3 images .* image 3: damaged.* --max-bad-images 2"):
        bad_images.read(DATASET, 3)


def test_the_list_is_kept_in_a_file(tmp_path):
    path = tmp_path / "bad_images.txt"
    bad_images = BadImages(skip=True, limit=3)
    bad_images.write_to(path)
    assert not path.exists()
    bad_images.read(DATASET, 2)
    assert path.read_text() == "image 2: damaged\n"

    continued = BadImages(skip=True, limit=3)
    continued.read(DATASET, 1)
    continued.write_to(path)
    continued.read(DATASET, 2)
    assert path.read_text() == "image 2: damaged\nimage 1: damaged\n"


def test_names_that_are_no_text_can_be_listed(tmp_path, caplog):
    class Odd(Images):
        def name(self, index):
            return "caf\udce9.jpg"

    # pytest-xdist cannot send such names from one process to another.
    caplog.set_level(logging.ERROR, "alexnet.data")
    bad_images = BadImages(skip=True, limit=1)
    bad_images.write_to(tmp_path / "list")
    bad_images.read(Odd([None]), 0)
    assert (tmp_path / "list").read_text() == "caf\\udce9.jpg: damaged\n"
