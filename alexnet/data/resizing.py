"""Scaling of images and their central squares, for arrays and for images of Pillow alike."""

import numpy as np
from PIL import Image


def central_square(image: np.ndarray | Image.Image, size: int) -> np.ndarray:
    """The central square of an image (H, W, 3), scaled to (size, size, 3).

    An image of Pillow is cut and scaled before it becomes an array: the rest is never copied. Of
    an array that needs no scaling the result is a view.
    """
    height, width = _shape(image)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    if isinstance(image, Image.Image):
        square = image.crop((left, top, left + side, top + side))
    else:
        square = image[top : top + side, left : left + side]
    return resized(square, size, size)


def resized(image: np.ndarray | Image.Image, height: int, width: int) -> np.ndarray:
    """An image scaled to (height, width, 3), bilinear with antialiasing.

    An array that has this size already is returned itself.
    """
    if _shape(image) == (height, width):
        return np.asarray(image)
    if not isinstance(image, Image.Image):
        # Pillow wants the rows of an array without gaps.
        image = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def shorter_side(image: np.ndarray | Image.Image) -> int:
    """The smaller one of height and width, in pixels."""
    return min(_shape(image))


def _shape(image: np.ndarray | Image.Image) -> tuple[int, int]:
    """Height and width in pixels."""
    return (image.height, image.width) if isinstance(image, Image.Image) else image.shape[:2]
