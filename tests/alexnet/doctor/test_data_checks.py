"""The doctor's checks of images and labels, by themselves."""

import numpy as np
import pytest

from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from alexnet.doctor import OK, PROBLEM, WARNING, data_checks


class _Labelled:
    def __init__(self, *counts):
        self.labels = np.repeat(np.arange(len(counts)), counts)
        self.classes = [f"class{c}" for c in range(len(counts))]

    def __len__(self):
        return len(self.labels)


@pytest.mark.parametrize(
    "counts, validated, verdict, text",
    [
        ((20, 20, 20), (5, 5, 5), OK, "60 training images of 3 classes, 20 to 20 each"),
        ((20, 0, 0), (5, 0, 0), PROBLEM, "all are 'class0'"),
        ((20, 0, 20), (5, 5, 5), WARNING, "no image of class1"),
        ((20, 9, 20), (5, 5, 5), WARNING, "few of 'class1'"),
        ((20, 250, 20), (5, 5, 5), WARNING, "guessing 'class1' is right for 86%"),
        ((20, 20, 20), (5, 0, 5), WARNING, "no image of class1 for validation"),
    ],
)
def test_labels(counts, validated, verdict, text):
    finding = data_checks.counts(_Labelled(*counts), _Labelled(*validated))
    assert finding.verdict == verdict
    assert text in finding.seen


def test_unequal_classes_that_count_the_same():
    classes = _Labelled(20, 250, 20), _Labelled(5, 5, 5)
    assert "--class-weights auto, or --sampling balanced" in data_checks.counts(*classes).helps
    assert data_checks.counts(*classes, is_balanced=True).verdict == OK
    assert data_checks.count_alike(classes[0], np.array([1, 0.08, 1]))
    assert not data_checks.count_alike(classes[0], np.ones(3))


def test_input_that_is_not_centered(rng):
    images = rng.normal(2, 1, (4, 3, 8, 8))
    assert "not centered" in data_checks.network_input(images, "default").seen
    assert data_checks.network_input(images - 2, "default").verdict == OK


def test_input_that_does_not_vary(rng):
    images = np.repeat(rng.normal(0, 1, (1, 3, 8, 8)), 4, axis=0)
    assert data_checks.network_input(images, "default").verdict == PROBLEM


class _Pictures:
    """Pictures of two colors that show their class by what is where; `name` tells them apart."""

    classes = ["left", "right"]

    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.labels = np.arange(count, dtype=np.int64) % 2
        self.pictures = rng.integers(60, 200, (count, 32, 32, 3), np.uint8)
        for label, columns in enumerate((slice(0, 16), slice(16, 32))):
            self.pictures[self.labels == label, :, columns] //= 2

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return self.pictures[index]

    def name(self, index):
        return f"picture {index}"


@pytest.fixture
def pictures():
    """A loader of training images, and a validation set."""
    preprocessing = Preprocessing(
        image_size=28, resize=32, mean=(0, 0, 0), standard_deviations=(50, 10, 5)
    )
    return Loader(_Pictures(240, seed=0), preprocessing, 8, workers=0), _Pictures(220, seed=1)


def test_labels_that_belong_to_their_images(pictures):
    finding = data_checks.labels(*pictures)
    assert finding.verdict == OK
    assert "100% of 240 training images (by chance 50%) and 100% of 220" in finding.seen


@pytest.mark.parametrize("name", ["training", "validation"])
def test_labels_that_belong_to_other_images(pictures, name):
    loader, validation = pictures
    dataset = loader.dataset if name == "training" else validation
    dataset.labels = np.random.default_rng(0).permutation(dataset.labels)
    finding = data_checks.labels(*pictures)
    assert finding.verdict == WARNING
    assert f"{name} images (by chance 50%)" in finding.seen
    assert f"the labels of the {name} images" in finding.helps


def test_too_few_labels_to_tell():
    loader = Loader(
        _Pictures(100, seed=0), Preprocessing(image_size=28, mean=(0, 0, 0)), 8, workers=0
    )
    loader.dataset.labels = np.random.default_rng(0).permutation(loader.dataset.labels)
    assert data_checks.labels(loader, _Pictures(100, seed=1)).verdict == OK


@pytest.mark.parametrize(
    "plant, seen",
    [
        (lambda train, new: new.pictures.__setitem__(3, train.pictures[7]), "1 are there more"),
        (lambda train, new: new.pictures.__setitem__(3, new.pictures[5]), "in validation"),
        (lambda train, new: train.pictures.__setitem__(2, train.pictures[5]), "several labels"),
    ],
)
def test_copies(pictures, plant, seen):
    loader, validation = pictures
    assert data_checks.images(loader, validation).verdict == OK
    plant(loader.dataset, validation)
    finding = data_checks.images(loader, validation)
    assert finding.verdict == WARNING
    assert seen in finding.seen
    assert "picture 5" in finding.seen or "picture 7 = picture 3" in finding.seen


def test_augmentation_or_another_order_in_validation(pictures):
    loader, _ = pictures
    assert data_checks.preparation(loader).verdict == OK
    for change in (
        {"augmentation": Augmentation("center", flip=True, color_noise=0)},
        {"augmentation": Augmentation("center", flip=False)},
        {"shuffle": True},
    ):
        other = Loader(loader.dataset, loader.preprocessing, 8, workers=0, **change)
        assert data_checks.preparation(other).verdict == PROBLEM
