"""The activations of a layer for many images, as arrays that can be compared."""

import contextlib
from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from alexnet.data.batch import Batch, sent_ahead
from alexnet.inference import layers
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend


class Features(NamedTuple):
    """The features of N images.

    Attributes:
        values: float32 (N, D), or (N, C, H, W), the activations.
        labels: int64 (N,).
        indices: int64 (N,), which images they are; skipped images are missing.
    """

    values: np.ndarray
    labels: np.ndarray
    indices: np.ndarray


def features(
    model: nn.Module,
    batches: Generator[Batch],
    count: int,
    backend: Backend,
    layer: str | None = None,
) -> Features:
    """The activations of a layer for all images of some batches, in evaluation mode.

    Args:
        batches: with one view of each image.
        count: of the images, those that are skipped included.
        layer: by default the last hidden one.

    Raises:
        DivergedNetwork: an activation is not finite.
    """
    model.eval()
    layer = layer or layers.last_hidden(model)
    network = layers.up_to(model, layer)
    values = None
    labels, indices, done = [], [], 0
    with (
        contextlib.closing(batches),
        # disable=None: shown on a terminal only.
        tqdm(total=count, desc=layer, unit=" images", leave=False, disable=None) as bar,
    ):
        for batch in sent_ahead(batches, backend):
            with no_grad():
                output = network(Tensor(batch.prepare(backend))).numpy()
            if values is None:
                # Filled batch by batch: to join a list of parts would need the memory twice.
                values = np.empty((count, *output.shape[1:]), np.float32)
            layers.require_finite(output, layer)
            values[done : done + len(batch)] = output
            done += len(batch)
            labels.append(batch.labels)
            indices.append(batch.indices)
            bar.update(len(batch))
    return Features(values[:done], np.concatenate(labels), np.concatenate(indices))
