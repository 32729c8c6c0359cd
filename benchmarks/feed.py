"""How many images a second the loader can put where a GPU copies them from; a model for 16 cores.

Prepared squares of noise, random crops, mirroring and color noise, as in training. A thread that
loads spends its time in Python, which only one thread can do at a time, and in copies, which all
can. So with any number of cores, where memory is as fast for all,

    images/s <= min(cores / seconds of an image, 1 / seconds of its Python)

Seconds are those of one thread: all of an image, and of its Python alone, of images of one pixel,
which leave nothing to copy.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.data.commands.shard_writer import WORK, FolderWriter, write_shard
from alexnet.data.loader import Loader
from alexnet.data.readers.shards import HEADER_BYTES, ShardDataset, shard_name
from alexnet.data.transforms import Augmentation, Preprocessing
from benchmarks.timing import Sample, interleaved

SQUARE, CROP = 256, 227  # pixels
CORES = 16
GOAL = 46_000  # images/s: 128 in 2.8 ms


class Squares:
    """Images of noise; what they show is nothing to those who move them."""

    classes = ["noise", "more noise"]

    def __init__(self, count: int, side: int):
        self.labels = np.arange(count, dtype=np.int64) % len(self.classes)
        self._side = side

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (self._side, self._side, 3), np.uint8)

    def name(self, index: int) -> str:
        return f"square {index}"


def write_squares(folder: Path, count: int, side: int = SQUARE) -> ShardDataset:
    """Prepared data, in the page cache since they were written just now."""
    squares = Squares(count, side)
    (folder / WORK).mkdir()
    images = ((index, squares.image(index)) for index in range(count))
    record = write_shard(folder, "train", 0, 0, images, None)
    writer = FolderWriter(folder, side, {})
    writer.add_split("train", squares, [record])
    return writer.train


class _Memory:
    """Arrays that are used again, as pinned memory is."""

    def __init__(self):
        self._arrays: dict[tuple, list[np.ndarray]] = {}

    def empty(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        found = self._arrays.setdefault((shape, np.dtype(dtype)), [])
        # As many as batches that are loaded ahead, and some more.
        if len(found) < 16:
            found.append(np.zeros(shape, dtype))
        found.append(found.pop(0))
        return found[-1]


@dataclass(frozen=True)
class Rates:
    """Images a second.

    Attributes:
        python: of one thread with images of one pixel.
        one, two: of one thread and of two, with squares in the page cache.
        disk: that it gives to one thread, which only reads them.
    """

    python: Sample
    one: Sample
    two: Sample
    disk: Sample


def measure(images: int, batch: int, repeats: int) -> Rates:
    """Time passes over prepared squares, in turn; as seconds of a pass."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("squares", "pixels")]
        for path in paths:
            path.mkdir()
        squares, pixels = write_squares(paths[0], images), write_squares(paths[1], images, 1)
        file = Path(folder, "copy")
        shutil.copyfile(paths[0] / shard_name("train", 0), file)
        passes = [
            _pass(pixels, 1, 1, batch, 0),
            _pass(squares, SQUARE, CROP, batch, 0),
            _pass(squares, SQUARE, CROP, batch, 2),
            _read_from_disk(file, images),
        ]
        return Rates(*interleaved(passes, repeats))


def _pass(
    dataset: ShardDataset, side: int, crop: int, batch: int, workers: int
) -> Callable[[], float]:
    """Seconds of a pass over all images; with `workers`, threads load ahead."""
    loader = Loader(
        dataset,
        Preprocessing(image_size=crop, resize=side, mean=(120.0, 115.0, 104.0), scale=1 / 64),
        batch,
        augmentation=Augmentation(),
        shuffle=True,
        workers=workers,
        allocate=_Memory().empty,
    )

    def one_pass() -> float:
        started = time.perf_counter()
        for _ in loader.batches(0):
            pass
        return time.perf_counter() - started

    return one_pass


def _read_from_disk(file: Path, images: int) -> Callable[[], float]:
    """Seconds in which the disk gives all squares in random order; a file that is not mapped."""
    size = SQUARE * SQUARE * 3
    order = np.random.default_rng(0).permutation(images).tolist()
    square = bytearray(size)

    def run() -> float:
        os.sync()  # what has not been written cannot be forgotten
        with open(file, "rb", buffering=0) as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            started = time.perf_counter()
            for place in order:
                os.preadv(opened.fileno(), [square], HEADER_BYTES + place * size)
            return time.perf_counter() - started

    return run


def modelled(rates: Rates, images: int, cores: int = CORES) -> float:
    """Images a second that so many cores load from the page cache."""
    return min(cores * images / rates.one.median, images / rates.python.median)


def lines(rates: Rates, images: int) -> list[str]:
    """The table, and what the model says."""
    titles = {
        "Python of an image alone, one thread": rates.python,
        "prepared squares, one thread": rates.one,
        "prepared squares, two threads": rates.two,
        "the disk, squares in random order": rates.disk,
    }
    table = [f"{'':<40}{'images/s':>10}{'us/image':>10}"]
    for title, sample in titles.items():
        seconds = sample.median / images
        table.append(f"{title:<40}{1 / seconds:>10,.0f}{1e6 * seconds:>10.1f}")
    found = modelled(rates, images)
    verdict = "enough" if found >= GOAL else "too few"
    return [
        *table,
        "",
        f"{CORES} cores, by this model: {found:,.0f} images/s; {verdict} for {GOAL:,}, which are "
        "128 in 2.8 ms",
        f"{GOAL:,} images/s read {GOAL * SQUARE * SQUARE * 3 / 1e9:.1f} GB/s where memory does not "
        f"hold the data, and send {GOAL * CROP * CROP * 3 / 1e9:.1f} GB/s to the GPU",
    ]
