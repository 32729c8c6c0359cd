"""Batches of images, which become the network's input on its device."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from alexnet.data.gathering import Squares, copy_crops
from alexnet.data.transforms import NO_SHIFT, Place, Preprocessing, View, Views
from minigrad.autocast import type_of_images
from minigrad.backend import Backend
from minigrad.kernels.prepare_images import taps

# Makes an uninitialized array of a shape and a type, as `np.empty` and `Backend.host_empty` do.
Allocate = Callable[[tuple[int, ...], Any], np.ndarray]


@dataclass
class Batch:
    """N images in V views each, and how `prepare` turns them into the network's input.

    Small images of one size stay small until `prepare` enlarges them: fewer bytes go to a GPU, and
    the CPU takes a quarter of the time that Pillow does.

    Attributes:
        images: uint8 (N * V, S, S, 3), all views of an image one after the other; or, with
            `places`, squares (N * V, s, s, 3) to be enlarged.
        flips: bool (N * V,), which views to mirror.
        color_shift: float32 (N * V, 3), gray levels to add.
        labels: int64 (N,).
        indices: int64 (N,), which images of the data set they are.
        number: its place among the batches of the epoch, from 0.
        places: int32 (N * V, 2), the crops' first rows and columns in the enlarged squares.
    """

    images: np.ndarray
    flips: np.ndarray
    color_shift: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    preprocessing: Preprocessing
    number: int = 0
    places: np.ndarray | None = None
    _transfer: contextlib.AbstractContextManager | None = None

    @classmethod
    def from_views(
        cls,
        views: list[View],
        labels: np.ndarray,
        indices: np.ndarray,
        preprocessing: Preprocessing,
        number: int = 0,
        allocate: Allocate = np.empty,
    ) -> "Batch":
        """A batch of N * V views, all views of an image one after the other.

        Args:
            allocate: makes the array of the images.
        """
        pixels, flips, color_shifts, places = zip(*views)
        are_small = None not in places and len({square.shape for square in pixels}) == 1
        return cls(
            _stacked(pixels if are_small else [view.crop for view in views], allocate),
            np.array(flips, np.bool_),
            np.array(color_shifts),
            labels,
            indices,
            preprocessing,
            number,
            np.array([place[1:3] for place in places], np.int32) if are_small else None,
        )

    @classmethod
    def from_squares(
        cls,
        squares: Squares,
        views: Views,
        labels: np.ndarray,
        indices: np.ndarray,
        preprocessing: Preprocessing,
        number: int = 0,
        allocate: Allocate = np.empty,
    ) -> "Batch":
        """A batch of N squares in one view each; no larger than `preprocessing.resize`.

        It is that of `from_views`, made without a step of Python for each image.
        """
        is_small = squares.side < preprocessing.resize
        size = squares.side if is_small else preprocessing.image_size
        images = allocate((len(indices), size, size, 3), np.uint8)
        tops, lefts = views[:2]
        copy_crops(squares, *([0 * tops] * 2 if is_small else (tops, lefts)), images)
        places = np.stack([tops, lefts], axis=1).astype(np.int32) if is_small else None
        others = views.flips, views.color_shifts, labels, indices, preprocessing, number
        return cls(images, *others, places)

    def __len__(self) -> int:
        return len(self.labels)

    def crop(self, number: int) -> np.ndarray:
        """A view before it is mirrored, uint8 (S, S, 3)."""
        if self.places is None:
            return self.images[number]
        preprocessing = self.preprocessing
        top, left = self.places[number].tolist()
        place = Place(preprocessing.resize, top, left, preprocessing.image_size)
        return View(self.images[number], False, NO_SHIFT, place).crop

    def send(self, backend: Backend) -> None:
        """Start copying the images to the backend's device, for `prepare`."""
        self._transfer = backend.transfer(self.images)

    def prepare(self, backend: Backend) -> Any:
        """The network's input, (N * V, 3, S, S) on the backend's device.

        float32; on a GPU, within `autocast`, bfloat16.
        """
        preprocessing = self.preprocessing
        size = preprocessing.image_size
        output = backend.empty((len(self.images), size, size, 3), type_of_images(backend))
        mean = preprocessing.mean_image
        if mean is None:
            mean = np.array(preprocessing.mean, np.float32)
        scale = np.full(3, preprocessing.scale, np.float32)
        others = map(backend.asarray, (self.flips, self.color_shift, mean, scale))
        with self._transfer or backend.transfer(self.images) as images:
            if self.places is None:
                backend.kernels.prepare_images.forward(images, *others, output=output)
            else:
                enlarging = self.places, *taps(self.images.shape[1], preprocessing.resize)
                backend.kernels.prepare_images.forward_enlarged(
                    images, *map(backend.asarray, enlarging), *others, output=output
                )
        return backend.channels_first(output)


def _stacked(images: Sequence[np.ndarray], allocate: Allocate) -> np.ndarray:
    """Images of one size in one array, which `np.stack` would put into new memory."""
    stacked = allocate((len(images), *images[0].shape), images[0].dtype)
    for i, image in enumerate(images):
        stacked[i] = image
    return stacked


@dataclass
class Share:
    """What a process computes of a batch: some of its parts, one after the other.

    Attributes:
        number: the place of the batch among those of the epoch, from 0.
        first: the number of the first of these parts among all parts of the batch.
        parts: None for one without images: each of its images is skipped, or the batch has more
            parts than images.
    """

    number: int
    first: int
    parts: list[Batch | None]

    def send(self, backend: Backend) -> None:
        """Start copying the images to the device; several parts are small, and sent when needed."""
        if len(self.parts) == 1 and self.parts[0] is not None:
            self.parts[0].send(backend)


Sendable = TypeVar("Sendable", Batch, Share)


def sent_ahead(batches: Iterator[Sendable], backend: Backend) -> Iterator[Sendable]:
    """The batches; while one is in use, the images of the next are being copied."""
    current = None
    for following in batches:
        following.send(backend)
        if current is not None:
            yield current
        current = following
    if current is not None:
        yield current
