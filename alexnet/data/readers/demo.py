"""The demo set: ten classes of textures and shapes, drawn on demand.

Every image is a bright pattern on a darker background, in two random colors, at a random place,
size and small angle, with noise and uneven light on top. Mean colors say nothing about the class;
edges, orientations and their arrangement do, so conv1 has to learn the oriented filters that
AlexNet is known for.

An image depends on the seed, the split and its index alone.
"""

from collections.abc import Callable

import numpy as np

SIZE = 256
# Weights of red, green and blue in the brightness of a color (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MIN_CONTRAST = 60  # of the two colors' brightness, in gray levels

Grid = tuple[np.ndarray, np.ndarray]


def _grid(rng: np.random.Generator, spread: float, angle: float = 0) -> Grid:
    """Coordinates (u, v) in pixels from a random center, turned by `angle` and up to 0.2 rad."""
    center = SIZE / 2 + rng.uniform(-spread, spread, 2)
    angle += rng.uniform(-0.2, 0.2)
    y, x = np.ogrid[:SIZE, :SIZE]
    x, y = (x - center[0]).astype(np.float32), (y - center[1]).astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _edge(signed_distance: np.ndarray) -> np.ndarray:
    """1 inside (positive pixels), 0 outside, with an edge one pixel soft."""
    return np.clip(signed_distance + 0.5, 0, 1)


# -- textures: rng -> how much of the foreground color each pixel has, 0 to 1 ------------------


def _stripes(rng: np.random.Generator, angle: float) -> np.ndarray:
    u, _ = _grid(rng, SIZE / 2, angle)
    return 0.5 + 0.5 * np.sin(u * (2 * np.pi / rng.uniform(10, 40)))


def _vertical(rng: np.random.Generator) -> np.ndarray:
    return _stripes(rng, 0)


def _horizontal(rng: np.random.Generator) -> np.ndarray:
    return _stripes(rng, np.pi / 2)


def _diagonal(rng: np.random.Generator) -> np.ndarray:
    # Either way: a mirrored image stays in its class.
    return _stripes(rng, rng.choice([1, 3]) * np.pi / 4)


def _checkerboard(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 2)
    side = rng.uniform(14, 36)
    return (np.floor(u / side) + np.floor(v / side)) % 2


def _rings(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 4)
    return 0.5 + 0.5 * np.sin(np.hypot(u, v) * (2 * np.pi / rng.uniform(12, 40)))


def _rays(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 4)
    return (np.sin(np.arctan2(v, u) * rng.integers(6, 13)) > 0).astype(np.float32)


def _dots(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 2)
    pitch = rng.uniform(24, 48)
    return _edge(
        pitch * rng.uniform(0.25, 0.38) - np.hypot(u % pitch - pitch / 2, v % pitch - pitch / 2)
    )


# -- shapes -----------------------------------------------------------------------------------


def _disc(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 6)
    return _edge(rng.uniform(40, 80) - np.hypot(u, v))


def _triangle(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 6)
    # Distance to three lines whose normals are 120 degrees apart.
    sides = [u * np.float32(np.cos(a)) + v * np.float32(np.sin(a)) for a in np.arange(3) * 2.0944]
    return _edge(rng.uniform(28, 48) - np.maximum(np.maximum(sides[0], sides[1]), sides[2]))


def _cross(rng: np.random.Generator) -> np.ndarray:
    u, v = _grid(rng, SIZE / 6)
    length = rng.uniform(60, 90)
    width = length * rng.uniform(0.2, 0.35)
    bar = np.maximum(abs(u) - length, abs(v) - width)
    other = np.maximum(abs(v) - length, abs(u) - width)
    return _edge(-np.minimum(bar, other))


PATTERNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "checkerboard": _checkerboard,
    "cross": _cross,
    "diagonal stripes": _diagonal,
    "disc": _disc,
    "dots": _dots,
    "horizontal stripes": _horizontal,
    "rays": _rays,
    "rings": _rings,
    "triangle": _triangle,
    "vertical stripes": _vertical,
}


class DemoDataset:
    """Images of the demo set; the classes take turns, so every prefix is balanced.

    Args:
        split: "train" or "validation"; the two share no image.
        count: number of images; by default 1,000 for training and 400 for validation.
        seed: another seed draws another set.
    """

    counts = {"train": 1000, "validation": 400}

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

    def name(self, index: int) -> str:
        return f"image {index} of the demo set's {self.split} images"

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        """Image `index` as uint8 (256, 256, 3), RGB."""
        split = list(self.counts).index(self.split)
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, index, split]))
        pattern = PATTERNS[self.classes[self.labels[index]]](rng)
        foreground, background = _two_colors(rng)
        image = background + pattern[..., None] * (foreground - background)
        light = np.linspace(-1, 1, SIZE, dtype=np.float32) * np.float32(rng.uniform(-30, 30))
        noise = rng.standard_normal((SIZE, SIZE), np.float32) * np.float32(rng.uniform(4, 16))
        image += (noise + light[:, None])[..., None]
        return np.clip(image, 0, 255).astype(np.uint8)


def _two_colors(rng: np.random.Generator) -> np.ndarray:
    """A bright and a darker RGB color, float32 (2, 3) in gray levels."""
    while True:
        colors = rng.uniform(10, 245, (2, 3)).astype(np.float32)
        if (colors[0] - colors[1]) @ LUMA > MIN_CONTRAST:
            return colors
