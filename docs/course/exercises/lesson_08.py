"""Exercise 8: dropout of whole channels.

Images have the shape (N, C, H, W). One decision is made for each image and channel: to drop all of
its pixels with probability p, or to keep and scale them, so that the expectation stays the same.

`random` is a function without a state: random(n) gives, for an array n of places, an array of
random integers from 0 to 2 ** 32 - 1. Channel c of image number i has the place i * C + c, where
images are counted in the whole batch: `images` may be a part of it, which begins with the image
number `first`. A channel is kept where random(place) >= round(p * 2 ** 32).
"""

from collections.abc import Callable

import numpy as np

Random = Callable[[np.ndarray], np.ndarray]


def channel_dropout(images: np.ndarray, p: float, random: Random, first: int) -> np.ndarray:
    """The images (N, C, H, W) without the channels that are dropped."""
    raise NotImplementedError


def channel_dropout_gradient(
    grad_output: np.ndarray, p: float, random: Random, first: int
) -> np.ndarray:
    """The gradient of the images, for a gradient (N, C, H, W) of the output."""
    raise NotImplementedError
