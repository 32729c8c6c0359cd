"""Figures that the Python code of a page draws, beside those that the page shows."""

from pathlib import Path

import numpy as np
from PIL import Image

# Two figures are compared by the mean colors of squares of so many pixels, which may differ by
# LEVELS of 256. Another version of Matplotlib sets its letters elsewhere by a pixel, of which
# larger squares see less: with version 3.9 beside 3.11 no square of 24 pixels differs by 20.
SQUARE, SQUARE_OF_OTHER_VERSIONS = 8, 24
LEVELS = 24
# What a network has learned: a processor without fused multiply-adds rounds differently, and 500
# steps make another network of that, in which 7.5% of the squares differ.
ALLOWED_SHARE = {"10-kernels.png": 0.15}


def require_drawn(shown: list[Path], folder: Path) -> None:
    """Raise AssertionError unless a page's code has drawn the figures that the page shows.

    Args:
        shown: the files that the page shows.
        folder: where its code has written its own, under the same names.
    """
    drawn = {path.name for path in folder.glob("*.png")}
    assert drawn == {path.name for path in shown}, f"drawn: {sorted(drawn)}"
    for stored in shown:
        new = folder / stored.name
        remedy = f"look at both; if the new one is right: cp {new} {stored}"
        with Image.open(stored) as first, Image.open(new) as second:
            assert first.size == second.size, f"{stored.name} has another size: {remedy}"
            is_same_version = first.info.get("Software") == second.info.get("Software")
            side = SQUARE if is_same_version else SQUARE_OF_OTHER_VERSIONS
            differences = np.abs(squares(first, side) - squares(second, side))
        different = (differences > LEVELS).any(axis=-1).mean()
        message = f"{different:.1%} of {stored.name} looks different: {remedy}"
        assert different <= ALLOWED_SHARE.get(stored.name, 0), message


def squares(picture: Image.Image, side: int) -> np.ndarray:
    """The mean colors (rows, columns, 3) of the squares of a picture, in levels of 256."""
    size = picture.width // side, picture.height // side
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX), np.float32)
