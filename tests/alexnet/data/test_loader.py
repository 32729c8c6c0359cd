"""Batches: their order and contents, for any number of workers; the ends of the threads."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader, Timed
from alexnet.data.resizing import central_square
from alexnet.data.transforms import CROPS, Augmentation, Preprocessing, RandomViews, ten_views
from alexnet.errors import BadImage, DataError
from minigrad import backend
from minigrad.distributed import Team

PREPROCESSING = Preprocessing(
    image_size=6, resize=8, mean=(100.0, 110.0, 120.0), scale=0.5, standard_deviations=(60, 30, 20)
)


class Images:
    """Random images of different sizes, whose label is their index."""

    def __init__(self, count=11, delay=0.0):
        self.classes = ["a", "b"]
        rng = np.random.default_rng(0)
        shapes = [(8 + i % 3, 8 + (i * 2) % 5, 3) for i in range(count)]
        self.images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
        self.labels = np.arange(count)
        self.delay = delay
        self.read = []

    def __len__(self):
        return len(self.images)

    def name(self, index):
        return f"image {index}"

    def image(self, index, square=None):
        time.sleep(self.delay)
        self.read.append(int(index))
        return self.images[index]


def training_loader(dataset=None, workers=0, seed=3, batch_size=4):
    return Loader(
        dataset or Images(),
        PREPROCESSING,
        batch_size,
        seed=seed,
        augmentation=Augmentation(),
        shuffle=True,
        workers=workers,
    )


def assert_equal_batches(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for name in ("images", "flips", "color_shift", "labels", "indices", "places"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


@pytest.mark.parametrize(
    "count, batch_size, batches", [(11, 4, 3), (8, 4, 2), (3, 4, 1), (5, 1, 5)]
)
def test_every_image_once_an_epoch(count, batch_size, batches):
    loader = training_loader(Images(count), batch_size=batch_size)
    assert len(loader) == batches
    sizes = [len(batch) for batch in loader.batches(0)]
    assert len(sizes) == batches
    assert set(sizes[:-1]) <= {batch_size}
    labels = np.concatenate([batch.labels for batch in loader.batches(0)])
    assert sorted(labels) == list(range(count))
    assert labels.dtype == np.int64
    indices = np.concatenate([batch.indices for batch in loader.batches(0)])
    assert np.array_equal(labels, indices)  # the label of an image is its index here


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_batches(workers):
    for epoch in (0, 1):
        assert_equal_batches(
            training_loader(workers=0).batches(epoch),
            training_loader(workers=workers).batches(epoch),
        )
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_entered_at_any_batch(workers):
    loader = training_loader(workers=workers)
    for start in range(4):
        assert_equal_batches(list(loader.batches(1))[start:], loader.batches(1, start))


def test_epochs_and_seeds_differ():
    def epoch_of(seed, epoch):
        batches = list(training_loader(seed=seed).batches(epoch))
        labels = np.concatenate([batch.labels for batch in batches])
        shift = np.concatenate([batch.color_shift for batch in batches])
        return labels.tolist(), shift[np.argsort(labels)].tolist()

    labels, shift = epoch_of(3, 0)
    for other_labels, other_shift in (epoch_of(3, 1), epoch_of(4, 0)):
        assert labels != other_labels
        assert shift != other_shift


def test_augmentation_of_an_image_does_not_depend_on_its_batch():
    def by_label(batch_size):
        loader = training_loader(batch_size=batch_size)
        return {
            label: (image.tolist(), flip, shift.tolist())
            for batch in loader.batches(0)
            for label, image, flip, shift in zip(
                batch.labels, batch.images, batch.flips, batch.color_shift, strict=True
            )
        }

    assert by_label(2) == by_label(11)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_never_augments(workers):
    dataset = Images()
    loader = Loader(dataset, PREPROCESSING, 4, seed=1, workers=workers)
    batches = list(loader.batches(0))
    assert np.concatenate([batch.labels for batch in batches]).tolist() == list(range(11))
    assert not any(batch.flips.any() or batch.color_shift.any() for batch in batches)
    assert_equal_batches(batches, loader.batches(7))
    # Image 0 is 8 x 8 already: the crop of 6 begins at (1, 1).
    assert np.array_equal(batches[0].images[0], dataset.images[0][1:7, 1:7])


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_prepare(device, sent, cuda):
    batch = next(training_loader().batches(0))
    assert batch.flips.any()
    assert not batch.flips.all()
    device = backend.get(device)
    for _ in range(3):  # the memory of a transfer is used again
        if sent:
            batch.send(device)
        prepared = device.asnumpy(batch.prepare(device))
    assert prepared.shape == (4, 3, 6, 6)
    assert prepared.dtype == np.float32
    for n in range(4):
        image = batch.images[n][:, ::-1] if batch.flips[n] else batch.images[n]
        expected = (image + batch.color_shift[n] - PREPROCESSING.mean) * 0.5
        np.testing.assert_allclose(prepared[n], expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_a_worker_are_raised_in_order(workers):
    class Failing(Images):
        def image(self, index, square=None):
            if index == 6:
                raise BadImage("six.jpg: damaged")
            return super().image(index)

    received = []
    with pytest.raises(DataError, match="six.jpg: damaged"):
        for batch in Loader(Failing(20), PREPROCESSING, 2, workers=workers).batches(0):
            received.append(batch.labels.tolist())
    assert received == [[0, 1], [2, 3], [4, 5]]
    assert loader_threads() == []


def test_closing_ends_the_threads_soon():
    dataset = Images(400, delay=0.01)
    batches = Loader(dataset, PREPROCESSING, 100, workers=2).batches(0)
    next(batches)
    begin = time.monotonic()
    batches.close()
    assert time.monotonic() - begin < 0.5
    assert loader_threads() == []
    assert len(dataset.read) < 350


def test_an_interrupt_ends_the_threads():
    with pytest.raises(KeyboardInterrupt):
        for _ in Loader(Images(100, delay=0.001), PREPROCESSING, 2, workers=2).batches(0):
            raise KeyboardInterrupt
    assert loader_threads() == []


def test_reads_ahead_but_not_far():
    dataset = Images(100)
    batches = Loader(dataset, PREPROCESSING, 2, workers=2).batches(0)
    next(batches)
    time.sleep(0.2)
    assert sorted(dataset.read) == list(range(10))  # one batch given, four ahead
    batches.close()


class Damaged(Images):
    """Images 2, 3, 4 and 5 of which cannot be used."""

    def image(self, index, square=None):
        if index in (2, 3, 4, 5):
            raise BadImage(f"image {index}: damaged")
        return super().image(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_images_make_their_batches_smaller(workers):
    bad_images = BadImages(skip=True, limit=4)
    loader = Loader(Skipping(Damaged(), bad_images), PREPROCESSING, 4, workers=workers)
    for _ in range(2):
        batches = [batch.labels.tolist() for batch in loader.batches(0)]
        assert batches == [[0, 1], [6, 7], [8, 9, 10]]
    assert sorted(bad_images.found) == [f"image {i}" for i in (2, 3, 4, 5)]
    for batch, whole in zip(loader.batches(0), Loader(Images(), PREPROCESSING, 4).batches(0)):
        kept = np.isin(whole.labels, batch.labels)
        assert np.array_equal(batch.images, whole.images[kept])


@pytest.mark.parametrize("crop", CROPS)
def test_skipped_images_do_not_change_the_views_of_others(crop):
    dataset, augmentation = Damaged(), Augmentation(crop=crop)
    loader = Loader(
        Skipping(dataset, BadImages(skip=True, limit=4)),
        PREPROCESSING,
        4,
        seed=3,
        augmentation=augmentation,
        shuffle=True,
    )
    for batch in loader.batches(5):
        for place, index in enumerate(batch.indices.tolist()):
            view = RandomViews(PREPROCESSING, augmentation, 3, 5, [index]).view(
                0, dataset.images[index]
            )
            assert np.array_equal(batch.images[place], view.crop)
            assert batch.flips[place] == view.flip
            assert np.array_equal(batch.color_shift[place], view.color_shift)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_without_any_image_is_left_out(workers):
    dataset = Skipping(Damaged(), BadImages(skip=True, limit=4))
    loader = Loader(dataset, PREPROCESSING, 2, workers=workers)
    batches = [(batch.number, batch.labels.tolist()) for batch in loader.batches(0)]
    assert batches == [(0, [0, 1]), (3, [6, 7]), (4, [8, 9]), (5, [10])]
    assert [batch.number for batch in loader.batches(0, start=2)] == [3, 4, 5]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_the_parts_of_a_batch(processes, workers):
    """Images 2 to 5 are damaged, and the last batch has fewer images than parts."""
    shares = []
    for rank in range(processes):
        team = Team()
        team.rank, team.size = rank, processes
        dataset = Skipping(Damaged(), BadImages(skip=True, limit=4))
        loader = Loader(dataset, PREPROCESSING, 4, workers=workers, parts=4, team=team)
        shares.append(list(loader.shares(0)))
        assert list(loader.shares(0, start=3)) == []
        assert [share.number for share in loader.shares(0, start=1)] == [1, 2]
    expected = [[[0], [1], None, None], [None, None, [6], [7]], [[8], [9], [10], None]]
    for number, labels in enumerate(expected):
        parts = [part for own in shares for part in own[number].parts]
        assert [part and part.labels.tolist() for part in parts] == labels
        assert [own[number].first for own in shares] == list(range(0, 4, 4 // processes))
        assert {own[number].number for own in shares} == {number}


def test_processes_divide_the_batches_for_validation():
    team = Team()
    team.rank, team.size = 1, 2
    loader = Loader(Images(11), PREPROCESSING, 2, workers=0, team=team)
    assert [batch.labels.tolist() for batch in loader.batches(0)] == [[2, 3], [6, 7], [10]]


def test_a_set_without_any_image_is_an_error():
    class Unusable(Images):
        def image(self, index, square=None):
            raise BadImage(f"image {index}: damaged")

    loader = Loader(Skipping(Unusable(4), BadImages(skip=True, limit=4)), PREPROCESSING, 2)
    with pytest.raises(DataError, match="none of the 4 images of a set .* alexnet.data check"):
        list(loader.batches(0))
    assert list(loader.batches(0, start=1)) == []  # the run has learned from batch 0


def test_ten_views_follow_each_other():
    dataset = Images(3)
    (batch,) = Loader(dataset, PREPROCESSING, 4, ten_views=True, workers=0).batches(0)
    assert batch.images.shape == (30, 6, 6, 3)
    assert batch.labels.tolist() == [0, 1, 2]
    for i, view in enumerate(ten_views(dataset.images[1], PREPROCESSING)):
        assert np.array_equal(batch.images[10 + i], view.crop)
        assert batch.flips[10 + i] == view.flip
    assert batch.prepare(backend.get("cpu")).shape == (30, 3, 6, 6)


class Small(Images):
    """Images of one size, or of three."""

    def __init__(self, count, sizes):
        super().__init__(count)
        rng = np.random.default_rng(2)
        self.images = [
            rng.integers(0, 256, (*sizes[i % len(sizes)], 3), np.uint8) for i in range(count)
        ]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("views", ["random", "central", "ten"])
@pytest.mark.parametrize("sizes", [[(5, 5)], [(4, 7), (9, 4), (4, 4)], [(3, 5), (7, 7), (9, 9)]])
def test_small_images_are_enlarged_as_pillow_does_it(sizes, views, device, cuda):
    loader = Loader(
        Small(6, sizes),
        PREPROCESSING,
        6,
        augmentation=Augmentation() if views == "random" else None,
        ten_views=views == "ten",
        workers=0,
    )
    (batch,) = loader.batches(3)
    is_one_size = len({min(size) for size in sizes}) == 1
    assert (batch.places is not None) == is_one_size
    assert batch.images.shape[1:] == ((min(sizes[0]),) * 2 if is_one_size else (6, 6)) + (3,)
    crops = np.stack([batch.crop(number) for number in range(len(batch.images))])
    assert crops.shape == (len(batch.images), 6, 6, 3)
    whole = replace(batch, images=crops, places=None)
    device = backend.get(device)
    expected, prepared = (device.asnumpy(b.prepare(device)) for b in (whole, batch))
    assert np.array_equal(prepared, expected)
    for number, index in enumerate(batch.indices):
        if views == "ten":
            expected = ten_views(central_square(loader.dataset.images[index], 8), PREPROCESSING)
            assert np.array_equal(crops[10 * number + 2], expected[2].crop)
        if views == "central":
            square = central_square(loader.dataset.images[index], 8)
            assert np.array_equal(crops[number], square[1:7, 1:7])


def test_mean_image_is_subtracted_from_crops_not_from_mirrored_ones():
    mean_image = np.random.default_rng(1).uniform(0, 255, (3, 6, 6)).astype(np.float32)
    preprocessing = Preprocessing(image_size=6, resize=8, mean=(0, 0, 0), mean_image=mean_image)
    batch = next(Loader(Images(), preprocessing, 4, ten_views=True, workers=0).batches(0))
    prepared = batch.prepare(backend.get("cpu"))
    for view in (0, 5):
        image = batch.images[view][:, ::-1] if batch.flips[view] else batch.images[view]
        np.testing.assert_allclose(prepared[view], image.transpose(2, 0, 1) - mean_image, atol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_color_may_have_its_own_scale(device, cuda):
    scale = 0.5, 0.25, 2.0
    preprocessing = Preprocessing(image_size=6, resize=8, mean=(100, 110, 120), scale=scale)
    batch = next(Loader(Images(), preprocessing, 4, workers=0).batches(0))
    device = backend.get(device)
    expected = (batch.images - np.array([100, 110, 120])) * scale
    assert np.array_equal(device.asnumpy(batch.prepare(device)), expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("crop, square", [("random", 8), ("center", 8), ("resized", None)])
def test_images_may_be_decoded_smaller_only_where_nothing_is_lost(crop, square):
    class Recording(Images):
        asked = set()

        def image(self, index, square=None):
            self.asked.add(square)
            return super().image(index)

    dataset = Recording()
    list(Loader(dataset, PREPROCESSING, 4, augmentation=Augmentation(crop=crop)).batches(0))
    assert dataset.asked == {square}


def test_timed_counts_only_the_time_waited():
    def slow():
        for i in range(3):
            time.sleep(0.02)
            yield i

    timed = Timed(slow())
    for _ in timed:
        time.sleep(0.03)
    assert 0.06 <= timed.seconds < 0.09


@pytest.mark.parametrize("batch_size, workers", [(0, 1), (1, -1)])
def test_impossible_arguments(batch_size, workers):
    with pytest.raises(ValueError, match=f"batch_size={batch_size} and workers={workers}"):
        Loader(Images(), PREPROCESSING, batch_size, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_nobody_expected_names_the_image(workers, monkeypatch):
    class Broken:
        classes, labels = ["a", "b"], np.arange(8) % 2

        def __len__(self):
            return 8

        def image(self, index, square=None):
            if index == 5:
                raise RuntimeError("a bug")
            return np.zeros((8, 8, 3), np.uint8)

        def name(self, index):
            return f"photos/{index}.png"

    preprocessing = Preprocessing(image_size=6, resize=8, mean=(0, 0, 0), scale=1.0)
    loader = Loader(Broken(), preprocessing, 4, workers=workers)
    with pytest.raises(RuntimeError, match="a bug") as raised:
        list(loader.batches(0))
    assert raised.value.__notes__ == ["while loading photos/5.png"]
    # The error is not replaced by another one where the data set has no names.
    monkeypatch.delattr(Broken, "name")
    with pytest.raises(RuntimeError, match="a bug"):
        list(loader.batches(0))
