"""Batches: their order and contents, for any number of workers; the ends of the threads."""

import threading
import time

import numpy as np
import pytest

from alexnet.data import DataError
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing
from minigrad import backend

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

    def image(self, index):
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
        for name in ("images", "flips", "color_shift", "labels"):
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
        def image(self, index):
            if index == 6:
                raise DataError("six.jpg: damaged")
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


@pytest.mark.parametrize("batch_size, workers", [(0, 1), (1, -1)])
def test_impossible_arguments(batch_size, workers):
    with pytest.raises(ValueError, match=f"batch_size={batch_size} and workers={workers}"):
        Loader(Images(), PREPROCESSING, batch_size, workers=workers)
