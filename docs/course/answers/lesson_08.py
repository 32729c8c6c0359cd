"""Answer to exercise 8: dropout of whole channels."""

from collections.abc import Callable

import numpy as np

Random = Callable[[np.ndarray], np.ndarray]


def channel_dropout(images: np.ndarray, p: float, random: Random, first: int) -> np.ndarray:
    """The images (N, C, H, W) without the channels that are dropped."""
    N, C = images.shape[:2]
    places = first * C + np.arange(N * C)
    kept = random(places) >= round(p * 2**32)
    return images * (kept / (1 - p)).reshape(N, C, 1, 1)


def channel_dropout_gradient(
    grad_output: np.ndarray, p: float, random: Random, first: int
) -> np.ndarray:
    """The gradient of the images, for a gradient (N, C, H, W) of the output."""
    return channel_dropout(grad_output, p, random, first)
