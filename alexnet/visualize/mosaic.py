"""Many small pictures in a large one."""

import math

import numpy as np


def mosaic(tiles: np.ndarray, columns: int, background: float) -> np.ndarray:
    """Pictures (N, H, W) or (N, H, W, 3) side by side, row by row, with space between them.

    Args:
        columns: pictures in a row.
        background: value of the space, and of unused places in the last row.
    """
    count, height, width = tiles.shape[:3]
    gap = max(1, height // 16)
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:])
    whole = np.full(shape, background)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        whole[top : top + height, left : left + width] = tile
    return whole
