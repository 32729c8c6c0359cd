"""Images of classes that a narrow network can learn by heart."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(root: Path, classes: int, count: int, seed: int = 0) -> Path:
    """A folder a class: spots at places of the class's own, of any color, in noise."""
    for c in range(classes):
        spots = np.random.default_rng(c).uniform(-60, 60, (6, 6, 1)).repeat(14, 0).repeat(14, 1)
        spots += spots[:, ::-1]  # mirrored, it is the same class
        rng = np.random.default_rng([seed, c])
        (root / f"class{c}").mkdir(parents=True)
        for i in range(count):
            colors = rng.uniform(70, 180, 3) + rng.uniform(0.4, 1) * spots
            pixels = np.clip(colors + rng.normal(0, 15, (84, 84, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"class{c}" / f"{i}.png")
    return root
