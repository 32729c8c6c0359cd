"""A network looked at layer by layer: what each makes of a batch."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexnet.data.loader import Loader
from minigrad import Tensor, nn, no_grad
from minigrad.backend import Backend


def layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers that compute something, by name, in the order in which they are defined.

    That is the order in which the networks of this project apply them.
    """
    return [(name, m) for name, m in model.named_modules() if not list(m.named_children())]


def title(name: str, layer: nn.Module) -> str:
    """A layer for people: "features.4 (Conv2d)"."""
    return f"{name} ({type(layer).__name__})"


def outputs(
    model: nn.Module, images: Any, dropout: bool = False
) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Send a prepared batch (N, 3, S, S) through the layers one by one, as in evaluation.

    Args:
        dropout: as in training.

    An output is to be looked at before the next one is asked for: a ReLU may overwrite it.
    """
    was_training = model.training
    model.train(dropout)
    try:
        with no_grad():
            values = Tensor(images)
            for name, layer in layers(model):
                values = layer(values)
                yield name, layer, values
    finally:
        model.train(was_training)


def batch(loader: Loader, count: int, backend: Backend) -> tuple[Any, np.ndarray]:
    """A few images of a loader's set, of mixed classes and without augmentation.

    Returns:
        the network's input (N, 3, S, S) with N at most `count`, and the labels (N,).
    """
    few = Loader(
        loader.dataset,
        loader.preprocessing,
        min(count, len(loader.dataset)),
        bad_images=loader.bad_images,
        shuffle=True,
        workers=0,
    )
    with contextlib.closing(few.batches(epoch=0)) as batches:
        images = next(batches)
    return images.prepare(backend), images.labels
