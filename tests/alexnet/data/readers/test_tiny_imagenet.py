"""The validation images of Tiny ImageNet get their classes from a text file."""

import pytest

from alexnet.data import load
from alexnet.errors import DataError

LINES = [
    f"{name}.JPEG\t{synset}\t0\t32\t44\t62"
    for name, synset in (("val_2", "n02"), ("val_9", "n01"), ("val_10", "n02"))
]


@pytest.fixture
def root(tmp_path):
    for name in ("train/n01/images/n01_0.JPEG", "train/n02/images/n02_0.JPEG"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "val/images").mkdir(parents=True)
    for line in LINES:
        (tmp_path / "val/images" / line.split("\t")[0]).touch()
    (tmp_path / "val/val_annotations.txt").write_text("\n".join(LINES) + "\n")
    return tmp_path


def test_images_are_sorted_by_class_and_name(root):
    validation = load("auto", root)["validation"]
    assert validation.classes == ["n01", "n02"]
    assert validation.labels.tolist() == [0, 1, 1]
    names = [path.rpartition("/")[2] for path in validation.files]
    assert names == ["val_9.JPEG", "val_10.JPEG", "val_2.JPEG"]


@pytest.mark.parametrize(
    "text, problem",
    [
        (b"val_9.JPEG\n", r"line 1: 'val_9\.JPEG' is no image of .* with a class"),
        (b"val_9.JPEG\tn01\nval_3.JPEG\tn01\n", r"line 2: 'val_3\.JPEG' is no image"),
        (b"../../train/n01/images\tn01\n", "line 1: .* is no image"),
        (b"val_9.JPEG\tn03\n", "has classes that the one for training does not: n03"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"", "holds images|classes that|no folder with images"),
    ],
)
def test_damaged_annotations(root, text, problem):
    (root / "val/val_annotations.txt").write_bytes(text)
    with pytest.raises(DataError, match=problem):
        load("auto", root)
