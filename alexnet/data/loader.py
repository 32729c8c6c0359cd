"""Batches of a data set, decoded ahead by threads.

The images of a batch and their augmentation depend on the seed, the epoch and the draw of the image
alone: any number of workers gives the same batches, and an epoch can begin at any batch. A draw is
the index of an image; where an epoch has an image again, its number of images is added each time,
so that the augmentation is another one.
Images stay uint8 until `Batch.prepare` turns them into the network's input, on its device.
"""

import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import numpy as np

from alexnet.data.bad_images import Skipping, underlying
from alexnet.data.batch import Allocate, Batch, Share
from alexnet.data.dataset import Dataset
from alexnet.data.gathering import Squares
from alexnet.data.transforms import (
    ORDER_STREAM,
    Augmentation,
    KeyedGenerator,
    Preprocessing,
    RandomViews,
    View,
    central_view,
    central_views,
    ten_views,
)
from alexnet.errors import DataError
from minigrad.distributed import Team

BATCHES_AHEAD_PER_WORKER = 2
# What is loaded at once: batches, or parts of one, each its number and the draws of its images.
Job = list[tuple[int, np.ndarray]]


class Timed:
    """An iterator that measures how long its user waits for it.

    Attributes:
        seconds: total time spent in `next`.
    """

    def __init__(self, iterator: Iterator):
        self._iterator = iterator
        self.seconds = 0.0

    def __iter__(self) -> "Timed":
        return self

    def __next__(self) -> Any:
        started = time.perf_counter()
        try:
            return next(self._iterator)
        finally:
            self.seconds += time.perf_counter() - started

    def close(self) -> None:
        self._iterator.close()


class Loader:
    """Batches of a data set; the last one of an epoch holds what is left.

    Args:
        dataset: where images and labels come from; skipped images make a batch smaller, or leave
            it out.
        preprocessing: size of the crops, and how they become the network's input.
        batch_size: images in a batch.
        seed: decides order and augmentation.
        augmentation: random views, for training; without it, the center of each image.
        ten_views: the ten views of the paper's tests instead of one.
        shuffle: a new random order in each epoch; otherwise the order of the data set.
        balanced: with `shuffle`, an epoch has as many images of each class that there is, give or
            take one, and none of its images once more than another: of a large class it leaves some
            out, others each time. The number of all images stays.
        workers: threads that decode ahead; with 0, the calling thread decodes each batch itself.
        parts: of a batch, which `shares` divides among the processes of a team; their sizes differ
            by one image at most, skipped images counted.
        team: whose processes share the work; each reads only what it computes.
        allocate: makes the arrays that images are put into, such as `Backend.host_empty` of the
            device that they go to.
    """

    def __init__(
        self,
        dataset: Dataset | Skipping,
        preprocessing: Preprocessing,
        batch_size: int,
        *,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        ten_views: bool = False,
        shuffle: bool = False,
        balanced: bool = False,
        workers: int = 2,
        parts: int = 1,
        team: Team | None = None,
        allocate: Allocate = np.empty,
    ):
        if batch_size < 1 or workers < 0:
            raise ValueError(
                "batch_size must be at least 1 and workers at least 0, "
                f"got batch_size={batch_size} and workers={workers}"
            )
        self.dataset = dataset
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = augmentation
        self.ten_views = ten_views
        # "resized" crops may come from anywhere in the image, all others from its central square.
        whole = augmentation is not None and augmentation.crop == "resized"
        self._square = None if whole else preprocessing.resize
        self.shuffle = shuffle
        self.balanced = balanced
        self.workers = workers
        self.parts = parts
        self.team = team or Team()
        self._allocate = allocate

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, beginning with number `start`; of a team, every N-th one.

        A batch of which every image is skipped is left out; the numbers of the others stay.
        Errors in a worker are raised here. Closing the iterator ends the threads.

        Raises:
            DataError: an image cannot be used, and is not to be skipped; or all are skipped, of
                which a team has to make sure itself.
        """
        numbers = range(start + self.team.rank, len(self), self.team.size)
        order, found = self._order(epoch), False
        jobs = [[(number, self._images_of(order, number))] for number in numbers]
        with contextlib.closing(self._load(epoch, jobs)) as loaded:
            for (batch,) in loaded:
                if batch is not None:
                    found = True
                    yield batch
        if len(self) and start == 0 and self.team.size == 1 and not found:
            raise self.nothing_usable()

    def shares(self, epoch: int, start: int = 0) -> Iterator[Share]:
        """This process's share of each batch of an epoch, beginning with number `start`.

        Raises:
            DataError: an image cannot be used, and is not to be skipped.
        """
        team, order = self.team, self._order(epoch)
        own = slice(team.rank * self.parts // team.size, (team.rank + 1) * self.parts // team.size)
        numbers = range(start, len(self))
        jobs = [
            [(n, part) for part in self._divided(self._images_of(order, n))[own]] for n in numbers
        ]
        with contextlib.closing(self._load(epoch, jobs)) as loaded:
            for number, parts in zip(numbers, loaded):
                yield Share(number, own.start, parts)

    def labels(self, epoch: int) -> np.ndarray:
        """Of the images of an epoch, in their order; int64."""
        return self.dataset.labels[self._order(epoch) % len(self.dataset)]

    def nothing_usable(self) -> DataError:
        """The error of an epoch without any batch."""
        return DataError(
            f"none of the {len(self.dataset)} images of a set can be used; "
            "python -m alexnet.data check lists what is wrong with the data"
        )

    def _images_of(self, order: np.ndarray, number: int) -> np.ndarray:
        """The draws of the images of a batch."""
        return order[number * self.batch_size : (number + 1) * self.batch_size]

    def _divided(self, draws: np.ndarray) -> list[np.ndarray]:
        """The draws of a batch in parts; the last ones are empty where there are too few."""
        filled = min(self.parts, len(draws))
        edges = [len(draws) * min(part, filled) // filled for part in range(self.parts + 1)]
        return [draws[first:end] for first, end in itertools.pairwise(edges)]

    def _order(self, epoch: int) -> np.ndarray:
        """The draws of an epoch."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        generator = KeyedGenerator(self.seed, ORDER_STREAM).at(epoch)
        if self.balanced:
            return _balanced_draws(self.dataset.labels, generator)
        return generator.permutation(len(self.dataset))

    def _load(self, epoch: int, jobs: list[Job]) -> Generator[list[Batch | None]]:
        """What `_load_batch` makes of each pair of a job."""

        def load(job: Job, stop: threading.Event | None = None) -> list[Batch | None]:
            return [self._load_batch(epoch, *pair, stop) for pair in job]

        if self.workers == 0:
            return (load(job) for job in jobs)
        return _loaded_ahead(load, jobs, self.workers)

    def _load_batch(
        self, epoch: int, number: int, draws: np.ndarray, stop: threading.Event | None = None
    ) -> Batch | None:
        """A batch, or a part of it, with these images; None where every one is skipped."""
        squares = self._squares_of(draws)
        if squares is not None:
            return self._batch_of_squares(squares, epoch, number, draws)
        views_of = self._views(epoch, draws.tolist())
        # Integers of Python, which are faster one by one.
        indices = (draws % len(self.dataset)).tolist()
        used, views = [], []
        for position, index in enumerate(indices):
            if stop is not None and stop.is_set():
                raise CancelledError  # nobody waits for this batch any more
            try:
                image = self.dataset.image(index, self._square)
                if image is not None:
                    used.append(index)
                    views += views_of(position, image)
            except DataError:
                raise  # its message is complete
            except Exception as error:
                # A data set of one's own may lack what is asked for here, too.
                with contextlib.suppress(Exception):
                    error.add_note(f"while loading {self.dataset.name(index)}")
                raise
        if not views:
            return None
        return Batch.from_views(
            views,
            self.dataset.labels[used],
            np.array(used),
            self.preprocessing,
            number,
            self._allocate,
        )

    def _squares_of(self, draws: np.ndarray) -> Squares | None:
        """The images of a batch, if they can be copied at once, as they lie in memory."""
        find = getattr(underlying(self.dataset), "squares", None)
        if find is None or self._square is None or self.ten_views or not len(draws):
            return None
        squares = find(draws % len(self.dataset))
        fits = squares is not None and squares.side <= self._square
        return squares if fits else None

    def _batch_of_squares(
        self, squares: Squares, epoch: int, number: int, draws: np.ndarray
    ) -> Batch:
        indices, preprocessing = draws % len(self.dataset), self.preprocessing
        if self.augmentation is None:
            views = central_views(len(draws), preprocessing)
        else:
            augmented = preprocessing, self.augmentation, self.seed, epoch, draws.tolist()
            views = RandomViews(*augmented).of_squares()
        others = self.dataset.labels[indices], indices, preprocessing, number, self._allocate
        return Batch.from_squares(squares, views, *others)

    def _views(self, epoch: int, draws: list[int]) -> Callable[[int, np.ndarray], list[View]]:
        """A function from a position in `draws` and its image to the views of the image."""
        preprocessing, augmentation = self.preprocessing, self.augmentation
        if self.ten_views:
            return lambda position, image: ten_views(image, preprocessing)
        if augmentation is None:
            return lambda position, image: [central_view(image, preprocessing)]
        random_views = RandomViews(preprocessing, augmentation, self.seed, epoch, draws)
        return lambda position, image: [random_views.view(position, image)]


def _balanced_draws(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """As many draws as there are images, in random order, of each class the same number."""
    classes = generator.permutation(np.unique(labels))
    edges = [len(labels) * place // len(classes) for place in range(len(classes) + 1)]
    draws = []
    for label, count in zip(classes, np.diff(edges)):
        members = np.flatnonzero(labels == label)
        rounds = range(-(-count // len(members)))
        draws.append(
            np.concatenate([generator.permutation(members) + n * len(labels) for n in rounds])[
                :count
            ]
        )
    return generator.permutation(np.concatenate(draws))


def _loaded_ahead(
    load: Callable[[Job, threading.Event], list[Batch | None]], jobs: list[Job], workers: int
) -> Generator[list[Batch | None]]:
    """The results of jobs, which threads do ahead of their use."""
    stop = threading.Event()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    pending = deque()
    try:
        for job in jobs:
            pending.append(executor.submit(load, job, stop))
            if len(pending) > BATCHES_AHEAD_PER_WORKER * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)
