"""The digest of the data: the same images in any form, and no others."""

import shutil
from dataclasses import replace

import pytest
from PIL import Image

from alexnet.data import __main__ as data
from alexnet.experiments.arm_settings import Computing
from alexnet.experiments.data_digest import data_digest
from tests.alexnet.experiments.tiny import TINY

SQUARE = 76  # of TINY's images of 67 pixels


def digest(folder, **changes):
    return data_digest(replace(TINY, **changes), Computing(str(folder)))


@pytest.fixture
def large(photos, tmp_path):
    """The photos, in two sets and larger than the square."""
    folder = tmp_path / "large"
    for split, names in (("train", "[0-4].png"), ("val", "[5-7].png")):
        for path in photos.glob(f"*/{names}"):
            target = folder / split / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).resize((120, 100), Image.Resampling.BICUBIC).save(target)
    return folder


def test_original_and_prepared_data_of_one_size_have_one_digest(large, tmp_path):
    prepared = tmp_path / "prepared"
    options = ["prepare", str(large), str(prepared), "--size", str(SQUARE)]
    assert data.main(options) == 0
    assert digest(prepared) == digest(large)


@pytest.mark.parametrize("split", ["train", "val"])
def test_other_pixels_under_the_same_labels_have_another(large, tmp_path, split):
    other = tmp_path / "other"
    shutil.copytree(large, other)
    for path in (other / split).glob("*/*.png"):
        Image.open(path).resize((60, 50)).save(path)  # as a download in another size
    assert digest(other) != digest(large)


def test_the_digest_does_not_depend_on_the_subset(large):
    assert digest(large, settings={**TINY.settings, "subset": 3}) == digest(large)
