"""Data sets of arrays, and images, for tests."""

import numpy as np

from alexnet.errors import BadImage


class Images:
    """The given arrays, all of class 0 unless labels say otherwise; None is a damaged image."""

    def __init__(self, images, labels=None, classes=("a", "b")):
        self.classes = list(classes)
        self.images = images
        self.labels = np.zeros(len(images), np.int64) if labels is None else np.array(labels)

    def __len__(self):
        return len(self.images)

    def image(self, index, square=None):
        if self.images[index] is None:
            raise BadImage(f"{self.name(index)}: damaged")
        return self.images[index]

    def name(self, index):
        return f"image {index}"


def numbered(height, width):
    """An image (height, width, 3) that tells row and column in its red and green."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(height)[:, None]
    image[..., 1] = np.arange(width)
    return image
