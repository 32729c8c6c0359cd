"""Batches with as many images of each class."""

import numpy as np
import pytest

from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing

PREPROCESSING = Preprocessing(
    image_size=6, resize=8, mean=(120, 120, 120), standard_deviations=(30, 20, 10)
)
COUNTS = {0: 12, 1: 1, 3: 5}  # no image of class 2


class Images:
    """Eighteen images of unequal classes, the pixels of each with its own gray levels."""

    classes = ["a", "b", "c", "d"]
    labels = np.repeat(list(COUNTS), list(COUNTS.values()))

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3) // 4 + 10 * index

    def name(self, index):
        return f"image {index}"


def loader(seed=3, workers=0, **options):
    augmentation = Augmentation(color_noise=0.1)
    return Loader(
        *(Images(), PREPROCESSING, 5),
        **{"shuffle": True, "balanced": True, **options},
        seed=seed,
        workers=workers,
        augmentation=augmentation,
    )


def indices(batches):
    return np.concatenate([batch.indices for batch in batches])


@pytest.mark.parametrize("epoch", range(5))
def test_classes_come_equally_often_and_their_images_too(epoch):
    batches = list(loader().batches(epoch))
    assert [len(batch) for batch in batches] == [5, 5, 5, 3]
    labels, found = np.concatenate([batch.labels for batch in batches]), indices(batches)
    assert np.array_equal(labels, Images.labels[found])
    assert np.array_equal(labels, loader().labels(epoch))
    assert np.bincount(labels).tolist() == [6, 6, 0, 6]
    times = np.bincount(found, minlength=18)
    for label in COUNTS:
        of_class = times[Images.labels == label]
        assert of_class.max() - of_class.min() <= 1


def test_the_rest_goes_to_other_classes_each_time(monkeypatch):
    monkeypatch.setattr(Images, "labels", Images.labels[:-1])  # 17 = 3 * 5 + 2
    counts = [np.bincount(loader().labels(epoch)).tolist() for epoch in range(20)]
    assert {tuple(sorted(count)) for count in counts} == {(0, 5, 6, 6)}
    assert len(set(map(tuple, counts))) == 3


def test_all_images_of_a_large_class_come_in_some_epoch():
    found = np.concatenate([indices(loader().batches(epoch)) for epoch in range(10)])
    assert set(found) == set(range(18))


def test_an_image_is_another_view_each_time():
    batches = list(loader().batches(0))
    views = [
        (batch.images[i].tobytes(), batch.flips[i], batch.color_shift[i].tobytes())
        for batch in batches
        for i in np.flatnonzero(batch.indices == 12)
    ]
    assert len(views) == 6 and len(set(views)) == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_an_epoch_can_be_entered_at_any_batch(workers):
    whole = list(loader().batches(4))
    for start in range(4):
        rest = loader(workers=workers).batches(4, start)
        for one, other in zip(rest, whole[start:], strict=True):
            assert np.array_equal(one.images, other.images)
            assert np.array_equal(one.color_shift, other.color_shift)


def test_epochs_and_seeds_differ():
    orders = [loader(seed=seed).labels(epoch).tolist() for seed in (3, 4) for epoch in (0, 1)]
    assert len(set(map(tuple, orders))) == 4


def test_equal_classes_are_those_of_the_usual_order(monkeypatch):
    """Every image once, in another order than without balance; the views are the same."""
    monkeypatch.setattr(Images, "labels", np.arange(18) % 3)
    found = []
    for balanced in (False, True):
        batches = list(loader(balanced=balanced).batches(0))
        images = np.concatenate([batch.images for batch in batches])
        found.append(images[indices(batches).argsort()])
    assert np.array_equal(*found)
