"""Batches that are copied at once are those that are made image by image, to the bit."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.commands.shard_writer import WORK, FolderWriter, write_shard
from alexnet.data.dataset import Subset
from alexnet.data.gathering import Squares, copy_crops
from alexnet.data.loader import Loader
from alexnet.data.readers.shards import INDEX_TYPE, ShardDataset
from alexnet.data.transforms import Augmentation, Preprocessing
from tests.alexnet.data.test_loader import assert_equal_batches

COUNT = 11


class Images:
    """Random images of one shape, or of two in turn."""

    classes = ["a", "b"]

    def __init__(self, *shapes):
        rng = np.random.default_rng(0)
        self.labels = np.arange(COUNT, dtype=np.int64) % 2
        self.images = [
            rng.integers(0, 256, (*shapes[i % len(shapes)], 3), np.uint8) for i in range(COUNT)
        ]

    def __len__(self):
        return len(self.labels)

    def image(self, index, square=None):
        return self.images[index]

    def name(self, index):
        return f"image {index}"


@pytest.fixture
def prepared(tmp_path):
    """A function that writes images into two files and opens them."""

    def write(*shapes):
        images = Images(*shapes)
        (tmp_path / WORK).mkdir()
        records, edges = [], (0, 6, COUNT)
        for number, (first, end) in enumerate(zip(edges, edges[1:])):
            pairs = ((i, images.image(i)) for i in range(first, end))
            records.append(write_shard(tmp_path, "train", number, first, pairs, None))
        writer = FolderWriter(tmp_path, 8, {})
        writer.add_split("train", images, records)
        return writer.train

    return write


class OneByOne:
    """The same set, which does not say where its images lie."""

    def __init__(self, dataset):
        self.classes, self.labels = dataset.classes, dataset.labels
        self.image, self.name, self._count = dataset.image, dataset.name, len(dataset)

    def __len__(self):
        return self._count


def batches(dataset, side=8, size=6, **options):
    preprocessing = Preprocessing(
        image_size=size, resize=side, mean=(1.0, 2.0, 3.0), standard_deviations=(60, 30, 20)
    )
    options = {"seed": 5, "workers": 0} | options
    loader = Loader(dataset, preprocessing, 4, **options)
    return [batch for epoch in (0, 1) for batch in loader.batches(epoch)]


def made_one_by_one(monkeypatch):
    """Counts the images that are asked for."""
    asked = []
    image = ShardDataset.image
    monkeypatch.setattr(
        ShardDataset,
        "image",
        lambda self, index, square=None: asked.append(index) or image(self, index, square),
    )
    return asked


AUGMENTATIONS = {
    "none": None,
    "paper": Augmentation(),
    "crops": Augmentation(flip=False),
    "flips": Augmentation(crop="center"),
    "eigenvalues": Augmentation(color_noise_form="pytorch"),
}


@pytest.mark.parametrize("side, size", [(8, 6), (8, 8), (20, 17)])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_the_batches_are_the_same(augmentation, side, size, prepared, monkeypatch):
    """Of squares that fit, and of small ones, which are enlarged later."""
    dataset = prepared((8, 8))
    options = {"augmentation": AUGMENTATIONS[augmentation], "shuffle": True}
    expected = batches(OneByOne(dataset), side, size, **options)
    asked = made_one_by_one(monkeypatch)
    found = batches(dataset, side, size, **options)
    assert not asked
    assert_equal_batches(found, expected)
    for ours, theirs in zip(found, expected):
        for name in ("images", "flips", "color_shift", "labels", "indices"):
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype, name
        assert (ours.places is None) == (side == 8)
        assert ours.number == theirs.number


@pytest.mark.parametrize("options", [{"workers": 3}, {"balanced": True}, {"parts": 2}])
def test_whatever_else_a_loader_does(options, prepared):
    dataset = Skipping(prepared((8, 8)), BadImages())
    options = {"augmentation": Augmentation(), "shuffle": True} | options
    expected = batches(OneByOne(dataset), **options)
    assert_equal_batches(batches(dataset, **options), expected)


def test_a_subset(prepared, monkeypatch):
    dataset = prepared((8, 8))
    expected = batches(Subset(OneByOne(dataset), 7))
    asked = made_one_by_one(monkeypatch)
    assert_equal_batches(batches(Subset(dataset, 7)), expected)
    assert not asked


@pytest.mark.parametrize(
    "shapes, options",
    [
        ([(8, 8), (8, 9)], {}),
        ([(9, 9)], {}),  # larger: to be made smaller
        ([(8, 8)], {"ten_views": True}),
        ([(8, 8)], {"augmentation": Augmentation(crop="resized")}),
    ],
)
def test_what_is_made_one_by_one(shapes, options, prepared, monkeypatch):
    dataset = prepared(*shapes)
    asked = made_one_by_one(monkeypatch)
    assert_equal_batches(batches(dataset, **options), batches(OneByOne(dataset), **options))
    assert sorted(set(asked)) == list(range(COUNT))


def test_two_threads_may_map_a_file_at_once(prepared, monkeypatch):
    """What each of them got stays readable, although only one map is used from then on."""
    dataset = prepared((8, 8))
    expected = np.stack([dataset.image(index) for index in range(COUNT)])
    dataset = ShardDataset(
        dataset._root, "train", dataset.classes, _index(dataset), dataset._shard_bytes
    )
    both_map, memmap = threading.Barrier(2), np.memmap

    def slow(*arguments):
        both_map.wait(10)
        return memmap(*arguments)

    monkeypatch.setattr(np, "memmap", slow)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(dataset.squares, [np.arange(COUNT)] * 2))
    gc.collect()
    assert len(dataset._mapped) == 4, "two files, by each of the threads"
    nowhere = np.zeros(COUNT, np.int64)
    for squares_of_thread in found:
        output = np.zeros_like(expected)
        copy_crops(squares_of_thread, nowhere, nowhere, output)
        assert np.array_equal(output, expected)


def _index(dataset):
    """As a file has it."""
    index = np.zeros(len(dataset), INDEX_TYPE)
    index["label"] = dataset.labels
    for name, values in zip(("shard", "offset", "height", "width"), dataset._places.T):
        index[name] = values
    return index


def test_memory_for_the_images(prepared):
    given = []

    def allocate(shape, dtype):
        given.append(np.zeros(shape, dtype))
        return given[-1]

    found = batches(prepared((8, 8)), allocate=allocate)
    assert all(batch.images is array for batch, array in zip(found, given, strict=True))


def squares(count=3, side=5):
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    step = images[0].nbytes
    return images, Squares(images.ctypes.data + step * np.arange(count, dtype=np.int64), side)


def test_crops():
    images, found = squares()
    tops, lefts = np.array([0, 1, 2]), np.array([2, 0, 1])
    output = np.zeros((3, 3, 3, 3), np.uint8)
    copy_crops(found, tops, lefts, output)
    for crop, image, top, left in zip(output, images, tops, lefts):
        assert np.array_equal(crop, image[top : top + 3, left : left + 3])


@pytest.mark.parametrize(
    "tops, lefts, shape, message",
    [
        ([0, 0, 3], [0, 0, 0], (3, 3, 3, 3), "a crop of 3 is not within 5 pixels"),
        ([0, 0, 0], [0, -1, 0], (3, 3, 3, 3), "a crop of 3 is not within 5 pixels"),
        ([0, 0], [0, 0], (3, 3, 3, 3), "3 crops do not fit into"),
        ([0, 0, 0], [0, 0, 0], (2, 3, 3, 3), "3 crops do not fit into"),
        ([0, 0, 0], [0, 0, 0], (3, 3, 2, 3), "3 crops do not fit into"),
        ([0, 0, 0], [0, 0, 0], (3, 6, 6, 3), "a crop of 6 is not within 5 pixels"),
    ],
)
def test_crops_that_are_not_there(tops, lefts, shape, message):
    images, found = squares()
    with pytest.raises(ValueError, match=message):
        copy_crops(found, np.array(tops), np.array(lefts), np.zeros(shape, np.uint8))
    del images


def test_a_file_that_is_gone_is_an_error(prepared, tmp_path):
    dataset = prepared((8, 8))
    for path in tmp_path.glob("train-0*.npy"):
        path.unlink()
    gc.collect()
    with pytest.raises(Exception, match="cannot be read"):
        batches(dataset)
