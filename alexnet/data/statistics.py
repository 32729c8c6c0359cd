"""Statistics of a training set: mean color, principal components of the colors, mean image."""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from alexnet.data.bad_images import Skipping
from alexnet.data.dataset import Dataset
from alexnet.data.resizing import central_square, shorter_side
from alexnet.errors import DataError

# Side in pixels of the square that an image is reduced to, here and in prepared data.
SQUARE = 256


class ColorStatistics(NamedTuple):
    """Mean and principal components of a data set's colors, as `Preprocessing` takes them."""

    mean: tuple[float, float, float]
    eigenvectors: tuple[tuple[float, float, float], ...]
    standard_deviations: tuple[float, float, float]


def reduced_square(image: np.ndarray, size: int = SQUARE) -> np.ndarray:
    """The central square of an image, scaled down to `size` pixels; a smaller one as it is."""
    return central_square(image, min(size, shorter_side(image)))


def color_statistics(dataset: Dataset | Skipping, count: int = 1000) -> ColorStatistics:
    """Mean and principal components of the colors of `count` evenly spaced images.

    Every image has the same weight. The component with the largest standard deviation comes
    first; the sign of each makes its entry of largest magnitude positive.
    """
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    images, mean, second_moment = 0, np.zeros(3), np.zeros((3, 3))
    for index in indices:
        image = dataset.image(index, SQUARE)
        if image is None:
            continue
        # Sums of integers are exact in float64: they do not depend on the BLAS's threads.
        pixels = reduced_square(image).reshape(-1, 3).astype(np.float64)
        mean += pixels.sum(axis=0) / len(pixels)
        second_moment += pixels.T @ pixels / len(pixels)
        images += 1
    if images == 0:
        raise DataError("none of the training images looked at can be used")
    mean /= images
    covariance = second_moment / images - np.outer(mean, mean)

    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(3)])
    deviations = np.sqrt(np.maximum(variances, 0.0))
    return ColorStatistics(
        tuple(mean.tolist()),
        tuple(tuple(row) for row in vectors.tolist()),
        tuple(deviations.tolist()),
    )


def mean_image(dataset: Dataset | Skipping, size: int) -> np.ndarray:
    """The mean over all images of their central squares, float32 (3, size, size), gray levels.

    Prepared data come with it, for the size they were prepared with.
    """
    prepared = getattr(dataset, "mean_image", None)
    if prepared is not None and prepared.shape[1] == size:
        return prepared
    total, images = np.zeros((size, size, 3), np.int64), 0
    progress = tqdm(
        range(len(dataset)), "mean image", unit=" images", delay=2, leave=False, disable=None
    )
    for index in progress:
        image = dataset.image(index, size)
        if image is not None:
            total += central_square(image, size)
            images += 1
    if images == 0:
        raise DataError("none of the training images can be used")
    return (total / images).astype(np.float32).transpose(2, 0, 1)
