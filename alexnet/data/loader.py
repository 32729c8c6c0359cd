"""Batches of a data set, decoded ahead by threads.

The images of a batch and their augmentation depend on the seed, the epoch and the index of the
image alone: any number of workers gives the same batches, and an epoch can begin at any batch.
Images stay uint8 until `Batch.prepare` turns them into the network's input, on its device.
"""

import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.data.bad_images import Skipping
from alexnet.data.dataset import Dataset
from alexnet.data.transforms import (
    ORDER_STREAM,
    Augmentation,
    Preprocessing,
    View,
    central_view,
    random_generator,
    ten_views,
    training_view,
)
from alexnet.errors import DataError
from minigrad.backend import Backend

BATCHES_AHEAD_PER_WORKER = 2


@dataclass
class Batch:
    """N images in V views each, and how `prepare` turns them into the network's input.

    Attributes:
        images: uint8 (N * V, S, S, 3), all views of an image one after the other.
        flips: bool (N * V,), which views to mirror.
        color_shift: float32 (N * V, 3), gray levels to add.
        labels: int64 (N,).
        indices: int64 (N,), which images of the data set they are.
        number: its place among the batches of the epoch, from 0.
    """

    images: np.ndarray
    flips: np.ndarray
    color_shift: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    preprocessing: Preprocessing
    number: int = 0
    _transfer: contextlib.AbstractContextManager | None = None

    @classmethod
    def from_views(
        cls,
        views: list[View],
        labels: np.ndarray,
        indices: np.ndarray,
        preprocessing: Preprocessing,
        number: int = 0,
    ) -> "Batch":
        """A batch of N * V views, all views of an image one after the other."""
        crops, flips, color_shifts = zip(*views)
        return cls(
            np.stack(crops),
            np.array(flips, np.bool_),
            np.stack(color_shifts),
            labels,
            indices,
            preprocessing,
            number,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, parts: int) -> list["Batch"]:
        """The batch in at most `parts` parts, whose sizes differ by one image at most."""
        if parts == 1:
            return [self]
        parts, views = min(parts, len(self)), len(self.images) // len(self)
        view_arrays = self.images, self.flips, self.color_shift
        edges = [len(self) * part // parts for part in range(parts + 1)]
        return [
            Batch(
                *(array[views * first : views * end] for array in view_arrays),
                self.labels[first:end],
                self.indices[first:end],
                self.preprocessing,
                self.number,
            )
            for first, end in itertools.pairwise(edges)
        ]

    def send(self, backend: Backend) -> None:
        """Start copying the images to the backend's device, for `prepare`."""
        self._transfer = backend.transfer(self.images)

    def prepare(self, backend: Backend) -> Any:
        """The network's input, float32 (N * V, 3, S, S) on the backend's device."""
        count, height, width, channels = self.images.shape
        output = backend.empty((count, height, width, channels), np.float32)
        mean = self.preprocessing.mean_image
        if mean is None:
            mean = np.array(self.preprocessing.mean, np.float32)
        with self._transfer or backend.transfer(self.images) as images:
            backend.kernels.prepare_images.forward(
                images,
                backend.asarray(self.flips),
                backend.asarray(self.color_shift),
                backend.asarray(mean),
                self.preprocessing.scale,
                output=output,
            )
        return backend.channels_first(output)


def sent_ahead(batches: Iterator[Batch], backend: Backend) -> Iterator[Batch]:
    """The batches; while one is in use, the images of the next are being copied."""
    current = None
    for following in batches:
        following.send(backend)
        if current is not None:
            yield current
        current = following
    if current is not None:
        yield current


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
        workers: threads that decode ahead; with 0, the calling thread decodes each batch itself.
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
        workers: int = 2,
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
        self.workers = workers

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, beginning with number `start`.

        A batch of which every image is skipped is left out; the numbers of the others stay.
        Errors in a worker are raised here. Closing the iterator ends the threads.

        Raises:
            DataError: an image cannot be used, and is not to be skipped; or all are skipped.
        """
        order, found = self._order(epoch), False
        parts = [
            (number, order[number * self.batch_size : (number + 1) * self.batch_size])
            for number in range(start, len(self))
        ]
        if self.workers == 0:
            loaded = (self._load_batch(epoch, *part) for part in parts)
        else:
            loaded = self._load_ahead(epoch, parts)
        with contextlib.closing(loaded):
            for batch in loaded:
                if batch is not None:
                    found = True
                    yield batch
        if parts and start == 0 and not found:
            raise DataError(
                f"none of the {len(order)} images of a set can be used; "
                "python -m alexnet.data check lists what is wrong with the data"
            )

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return random_generator(self.seed, ORDER_STREAM, epoch).permutation(len(self.dataset))

    def _load_ahead(
        self, epoch: int, parts: list[tuple[int, np.ndarray]]
    ) -> Generator[Batch | None]:
        stop = threading.Event()
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        pending = deque()
        try:
            for part in parts:
                pending.append(executor.submit(self._load_batch, epoch, *part, stop))
                if len(pending) > BATCHES_AHEAD_PER_WORKER * self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()
            executor.shutdown(cancel_futures=True)

    def _load_batch(
        self, epoch: int, number: int, indices: np.ndarray, stop: threading.Event | None = None
    ) -> Batch | None:
        """The batch of these images, or None if every one is skipped."""
        used, views = [], []
        for index in indices:
            if stop is not None and stop.is_set():
                raise CancelledError  # nobody waits for this batch any more
            try:
                image = self.dataset.image(index, self._square)
                if image is not None:
                    used.append(index)
                    views += self._views(image, epoch, index)
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
            views, self.dataset.labels[used], np.array(used), self.preprocessing, number
        )

    def _views(self, image: np.ndarray, epoch: int, index: int) -> list[View]:
        if self.ten_views:
            return ten_views(image, self.preprocessing)
        if self.augmentation is None:
            return [central_view(image, self.preprocessing)]
        return [
            training_view(image, self.preprocessing, self.augmentation, self.seed, epoch, index)
        ]
