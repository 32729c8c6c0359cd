"""Whether the images of two computers are the same: a digest of their labels and some pixels."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.dataset import Dataset
from alexnet.data.identity import identity
from alexnet.data.resizing import central_square
from alexnet.errors import DataError
from alexnet.experiments.arm_settings import Computing, resolved
from alexnet.experiments.experiment import Experiment
from alexnet.training.data import load_sets, with_sizes

# Digests of the validation sets' classes and labels, the same whatever the form of the data.
LABELS = {"cifar10": "0e309c624dc1", "imagenette": "89754c9c466a"}
IMAGES = 64  # of each set, whose pixels are compared


def data_digest(experiment: Experiment, computing: Computing) -> str:
    """Twelve hexadecimal digits of both sets: classes, labels, and the pixels of some images.

    The images are those that the first arm's training takes its crops from: the central square at
    the size of `resize`. So original data and data prepared at that size have the same digest,
    and an original in another size has another one.

    Raises:
        DataError: the data cannot be used, or are not those of the experiment.
    """
    settings = resolved(experiment, next(iter(experiment.arms)), 0, computing)
    # The whole set: a subset of it depends on the seed.
    train, validation = load_sets(replace(settings, subset=None))
    labels, name = identity(validation)["sha256"][:12], experiment.data
    if LABELS.get(name, labels) != labels:
        raise DataError(
            f"{computing.data_root}: these images are not {name}, which {experiment.name} is "
            f"about: give the folder that holds {name}"
        )
    square = with_sizes(settings, Skipping(train, BadImages(skip=False, limit=0))).resize
    assert square is not None  # as `with_sizes` finds one
    digest = hashlib.sha256()
    for dataset in (train, validation):
        digest.update(identity(dataset)["sha256"].encode())
        for pixels in _squares(dataset, square):
            digest.update(f"{pixels.shape}".encode())
            digest.update(pixels.tobytes())
    return digest.hexdigest()[:12]


def _squares(dataset: Dataset, square: int) -> Iterator[np.ndarray]:
    """Central squares of images from all over a data set, always the same ones."""
    count = min(len(dataset), IMAGES)
    for index in np.linspace(0, len(dataset) - 1, count).astype(int):
        yield central_square(dataset.image(int(index), square), square)
