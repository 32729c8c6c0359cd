"""The image patches that excite a channel most: what the kernels of later layers look for."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from alexnet.data.batch import Batch, sent_ahead
from alexnet.data.dataset import Dataset
from alexnet.data.transforms import Preprocessing, central_view
from alexnet.visualize.receptive_fields import Box, receptive_field
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend

UNSEEN = 128  # gray level of what an activation cannot depend on


class Strongest(NamedTuple):
    """The highest activations of some channels, each from another image, in falling order.

    Attributes:
        activation: float32 (channels, count); -inf where there are fewer images.
        image: int64 (channels, count), index into the data set.
        position: int64 (channels, count, 2), row and column in the output of the layer.
    """

    activation: np.ndarray
    image: np.ndarray
    position: np.ndarray


def strongest(
    part: nn.Module,
    batches: Iterator[Batch],
    channels: list[int],
    count: int,
    backend: Backend,
) -> Strongest:
    """Look through images for the highest activations of each channel, one an image.

    Args:
        part: the network up to the layer, see `alexnet.inference.layers.up_to`.
    """
    shape = (len(channels), count)
    activation = np.full(shape, -np.inf, np.float32)
    image = np.zeros(shape, np.int64)
    position = np.zeros((*shape, 2), np.int64)
    part.eval()
    for batch in sent_ahead(batches, backend):
        with no_grad():
            output = part(Tensor(batch.prepare(backend))).numpy()
        maps = output[:, channels].transpose(1, 0, 2, 3)
        flat = maps.reshape(*maps.shape[:2], -1)
        where = flat.argmax(axis=2)
        highest = np.take_along_axis(flat, where[:, :, np.newaxis], axis=2)[:, :, 0]
        places = np.stack(np.unravel_index(where, maps.shape[2:]), axis=2)
        activation = np.concatenate([activation, highest], axis=1)
        image = np.concatenate(
            [image, np.broadcast_to(batch.indices, (len(channels), len(batch)))], axis=1
        )
        position = np.concatenate([position, places], axis=1)
        # Of equal activations the earlier image stays.
        order = np.argsort(-activation, axis=1, kind="stable")[:, :count]
        activation = np.take_along_axis(activation, order, axis=1)
        image = np.take_along_axis(image, order, axis=1)
        position = np.take_along_axis(position, order[:, :, np.newaxis], axis=1)
    return Strongest(activation, image, position)


def patch(
    dataset: Dataset,
    index: int,
    position: tuple[int, int],
    windows: list[tuple[int, int, int]],
    preprocessing: Preprocessing,
) -> np.ndarray:
    """The part of an image that an activation depends on, uint8 (H, W, 3), always of one size.

    It is cut from the image as the network gets it, with its own colors, and as large as the
    receptive field, or as the image where that is smaller. What the activation cannot have seen
    is gray: beyond the border of the image, or beyond the receptive field.
    """
    image = dataset.image(index, preprocessing.resize)
    crop = central_view(image, preprocessing).crop
    shown = receptive_field(windows, *position)
    if shown.bottom - shown.top > preprocessing.image_size:
        shown = Box(0, 0, preprocessing.image_size, preprocessing.image_size)
    seen = receptive_field(windows, *position, preprocessing.image_size)
    result = np.full((shown.bottom - shown.top, shown.right - shown.left, 3), UNSEEN, np.uint8)
    result[
        seen.top - shown.top : seen.bottom - shown.top,
        seen.left - shown.left : seen.right - shown.left,
    ] = crop[seen.top : seen.bottom, seen.left : seen.right]
    return result
