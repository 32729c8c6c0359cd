"""Batches of a data set, decoded ahead by threads.

Which images a batch holds and how they are augmented is a function of the seed, the epoch and the
index of the image, so any number of workers gives the same batches, and an epoch can be entered at
any batch.
"""

import contextlib
import math
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from alexnet.data.dataset import Dataset
from alexnet.data.transforms import (
    ORDER_STREAM,
    Augmentation,
    Preprocessing,
    center_crop_offsets,
    draw,
    random_generator,
    resize_shorter_side,
)
from minigrad.backend import Backend

BATCHES_AHEAD_PER_WORKER = 2


@dataclass
class Batch:
    """Cropped images and what `prepare` has to do with them.

    Attributes:
        images: uint8 (N, S, S, 3).
        flips: bool (N,), which images to mirror.
        color_shift: float32 (N, 3), grey levels to add.
        labels: int64 (N,).
    """

    images: np.ndarray
    flips: np.ndarray
    color_shift: np.ndarray
    labels: np.ndarray
    preprocessing: Preprocessing
    _transfer: contextlib.AbstractContextManager | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def send(self, backend: Backend) -> None:
        """Begin to copy the images to the backend's device, for `prepare`."""
        self._transfer = backend.transfer(self.images)

    def prepare(self, backend: Backend) -> Any:
        """The network's input, float32 (N, 3, S, S) on the backend's device."""
        count, height, width, channels = self.images.shape
        output = backend.empty_images((count, channels, height, width), np.float32)
        with self._transfer or backend.transfer(self.images) as images:
            backend.kernels.prepare_images.forward(
                images,
                backend.asarray(np.zeros((count, 2), np.int32)),
                backend.asarray(self.flips),
                backend.asarray(self.color_shift),
                backend.asarray(np.array(self.preprocessing.mean, np.float32)),
                self.preprocessing.scale,
                output=output,
            )
        return output


def sent_ahead(batches: Iterator[Batch], backend: Backend) -> Iterator[Batch]:
    """The batches; the next one's images are on their way while one is worked on."""
    current = None
    for following in batches:
        following.send(backend)
        if current is not None:
            yield current
        current = following
    if current is not None:
        yield current


class Loader:
    """Batches of a data set; the last one of an epoch holds what is left.

    Args:
        dataset: where images and labels come from.
        preprocessing: size of the crops, and what turns them into the network's input.
        batch_size: images in a batch.
        seed: decides order and augmentation.
        augmentation: the random part, for training; without it the crop is the middle one.
        shuffle: a new random order in each epoch; otherwise the order of the data set.
        workers: threads that decode ahead; 0 decodes in the calling thread, when asked.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocessing: Preprocessing,
        batch_size: int,
        *,
        seed: int = 0,
        augmentation: Augmentation | None = None,
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
        self.shuffle = shuffle
        self.workers = workers

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on.

        What goes wrong in a worker is raised here. Closing the iterator ends the threads.
        """
        order = self._order(epoch)
        parts = [
            order[first : first + self.batch_size]
            for first in range(start * self.batch_size, len(order), self.batch_size)
        ]
        if self.workers == 0:
            return (self._load_batch(epoch, part) for part in parts)
        return self._load_ahead(epoch, parts)

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return random_generator(self.seed, ORDER_STREAM, epoch).permutation(len(self.dataset))

    def _load_ahead(self, epoch: int, parts: list[np.ndarray]) -> Iterator[Batch]:
        stop = threading.Event()
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        pending = deque()
        try:
            for part in parts:
                pending.append(executor.submit(self._load_batch, epoch, part, stop))
                if len(pending) > BATCHES_AHEAD_PER_WORKER * self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()
            executor.shutdown(cancel_futures=True)

    def _load_batch(
        self, epoch: int, indices: np.ndarray, stop: threading.Event | None = None
    ) -> Batch:
        count, size = len(indices), self.preprocessing.image_size
        batch = Batch(
            images=np.empty((count, size, size, 3), np.uint8),
            flips=np.zeros(count, np.bool_),
            color_shift=np.zeros((count, 3), np.float32),
            labels=self.dataset.labels[indices],
            preprocessing=self.preprocessing,
        )
        for i, index in enumerate(indices):
            if stop is not None and stop.is_set():
                raise CancelledError  # nobody waits for this batch any more
            image = resize_shorter_side(self.dataset.image(index), self.preprocessing.resize)
            height, width = image.shape[:2]
            if self.augmentation is None:
                top, left = center_crop_offsets(height, width, size)
            else:
                top, left, batch.flips[i], batch.color_shift[i] = draw(
                    self.augmentation, self.seed, epoch, index, height, width, self.preprocessing
                )
            batch.images[i] = image[top : top + size, left : left + size]
        return batch
