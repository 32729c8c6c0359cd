"""Figures that the Python code of a page draws, beside those that the page shows."""

from pathlib import Path

import numpy as np
from PIL import Image

# Pixels of a side of the squares in which two figures are compared, and by how many of 256 gray
# levels the means of a square may differ. Another version of Matplotlib draws a letter's edge
# with other grays; what a page claims is larger than that.
SQUARE, LEVELS = 8, 24


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
        first, second = squares(stored), squares(new)
        assert first.shape == second.shape, f"{stored.name} has another size: {remedy}"
        different = (np.abs(first - second) > LEVELS).any(axis=-1).mean()
        assert different < 0.005, f"{different:.1%} of {stored.name} looks different: {remedy}"


def squares(path: Path) -> np.ndarray:
    """The mean colors (rows, columns, 3) of the squares of a picture, in gray levels."""
    picture = Image.open(path).convert("RGB")
    size = picture.width // SQUARE, picture.height // SQUARE
    return np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32)
