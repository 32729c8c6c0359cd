"""The demo set: ten classes of textures and shapes, drawn when they are asked for.

Every image is a pattern in two random colours at a random place, size and rotation, with
noise and uneven light on top. Mean colours tell nothing about the class; edges, orientations
and their arrangement do, so conv1 has to grow the oriented filters that AlexNet is known for.

An image is a function of the seed, the split and its index alone.
"""

from collections.abc import Callable

import numpy as np

SIZE = 256

Grid = tuple[np.ndarray, np.ndarray]


def _rotated_grid(rng: np.random.Generator, spread: float) -> Grid:
    """Coordinates (u, v) in pixels around a random centre, turned by a random angle."""
    centre = SIZE / 2 + rng.uniform(-spread, spread, 2)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.ogrid[:SIZE, :SIZE]
    x, y = (x - centre[0]).astype(np.float32), (y - centre[1]).astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _edge(signed_distance: np.ndarray) -> np.ndarray:
    """1 inside (positive pixels), 0 outside, with an edge one pixel soft."""
    return np.clip(signed_distance + 0.5, 0, 1)


# -- textures: rng -> how much of the foreground colour each pixel has, 0 to 1 ------------------


def _grating(rng: np.random.Generator) -> np.ndarray:
    u, _ = _rotated_grid(rng, SIZE / 2)
    return 0.5 + 0.5 * np.sin(u * (2 * np.pi / rng.uniform(10, 40)))


def _checkerboard(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 2)
    side = rng.uniform(14, 36)
    return (np.floor(u / side) + np.floor(v / side)) % 2


def _rings(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 4)
    return 0.5 + 0.5 * np.sin(np.hypot(u, v) * (2 * np.pi / rng.uniform(12, 40)))


def _rays(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 4)
    return (np.sin(np.arctan2(v, u) * rng.integers(6, 13)) > 0).astype(np.float32)


def _dots(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 2)
    pitch = rng.uniform(24, 48)
    return _edge(
        pitch * rng.uniform(0.25, 0.38) - np.hypot(u % pitch - pitch / 2, v % pitch - pitch / 2)
    )


def _clouds(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.random((rng.integers(6, 14),) * 2).astype(np.float32)
    at = np.linspace(0, len(coarse) - 1.001, SIZE).astype(np.float32)
    low, part = at.astype(int), at % 1
    rows = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


# -- shapes -----------------------------------------------------------------------------------


def _disc(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 6)
    return _edge(rng.uniform(40, 80) - np.hypot(u, v))


def _square(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 6)
    return _edge(rng.uniform(40, 70) - np.maximum(abs(u), abs(v)))


def _triangle(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 6)
    # Distance to three lines whose normals are 120 degrees apart.
    sides = [u * np.float32(np.cos(a)) + v * np.float32(np.sin(a)) for a in np.arange(3) * 2.0944]
    return _edge(rng.uniform(28, 48) - np.maximum(np.maximum(sides[0], sides[1]), sides[2]))


def _cross(rng: np.random.Generator) -> np.ndarray:
    u, v = _rotated_grid(rng, SIZE / 6)
    length = rng.uniform(60, 90)
    width = length * rng.uniform(0.2, 0.35)
    bar = np.maximum(abs(u) - length, abs(v) - width)
    other = np.maximum(abs(v) - length, abs(u) - width)
    return _edge(-np.minimum(bar, other))


PATTERNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "checkerboard": _checkerboard,
    "clouds": _clouds,
    "cross": _cross,
    "disc": _disc,
    "dots": _dots,
    "grating": _grating,
    "rays": _rays,
    "rings": _rings,
    "square": _square,
    "triangle": _triangle,
}


class DemoDataset:
    """Images of the demo set; the classes take turns, so every prefix is balanced.

    Args:
        split: "train" or "validation"; the two share no image.
        count: number of images; by default 1,500 for training and 500 for validation.
        seed: another seed draws another set.
    """

    counts = {"train": 1500, "validation": 500}

    def __init__(self, split: str, count: int | None = None, seed: int = 0):
        if split not in self.counts:
            raise ValueError(f"split must be 'train' or 'validation', got {split!r}")
        self.split = split
        self.seed = seed
        self.classes = list(PATTERNS)
        count = self.counts[split] if count is None else count
        self.labels = np.arange(count, dtype=np.int64) % len(self.classes)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (256, 256, 3), RGB."""
        split = list(self.counts).index(self.split)
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, index, split]))
        pattern = PATTERNS[self.classes[self.labels[index]]](rng)
        foreground, background = _two_colours(rng)
        image = background + pattern[..., None] * (foreground - background)
        light = np.linspace(-1, 1, SIZE, dtype=np.float32) * np.float32(rng.uniform(-30, 30))
        noise = rng.standard_normal((SIZE, SIZE), np.float32) * np.float32(rng.uniform(4, 16))
        image += (noise + light[:, None])[..., None]
        return np.clip(image, 0, 255).astype(np.uint8)


def _two_colours(rng: np.random.Generator) -> np.ndarray:
    """Two RGB colours, float32 (2, 3) in grey levels, that can be told apart."""
    while True:
        colours = rng.uniform(10, 245, (2, 3)).astype(np.float32)
        if np.linalg.norm(colours[0] - colours[1]) > 90:
            return colours
