"""Preprocessing and augmentation: from an image to the views that the network gets.

Section 2 of the paper: the image is reduced to a square of 256 pixels, and the mean gray levels
are subtracted. Section 4.1, in training only: a smaller square is cut out at a random place, half
of the images are mirrored, and a random color along the principal components of the training
set's colors is added. In tests, the mean over ten views of the image (`ten_views`).
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from alexnet.data.resizing import central_square, resized, shorter_side

ORDER_STREAM, AUGMENTATION_STREAM = 0, 1
CROPS = ("random", "resized", "center")
COLOR_NOISE_FORMS = ("2012", "paper", "pytorch")
# Of a random resized crop (Szegedy et al. 2015): share of the image's area, width / height.
AREA_SHARE = (0.08, 1.0)
ASPECT_RATIO = (3 / 4, 4 / 3)


# Of the numbers in `Preprocessing`, by name: the shapes that they can have.
_SHAPES = {
    "image_size": [()],
    "resize": [()],
    "mean": [(3,)],
    "scale": [(), (3,)],
    "eigenvectors": [(3, 3)],
    "standard_deviations": [(3,)],
}


def default_resize(image_size: int) -> int:
    """Height and width of the central square, in the paper's proportion to those of the crop."""
    return round(image_size * 256 / 227)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How every image becomes the network's input; checkpoints store it.

    The input is (crop + color shift - mean) * scale, in gray levels of 0 to 255.

    Attributes:
        image_size: height and width of the network's input.
        resize: height and width of the central square that crops are taken from; 256 for the
            paper's crop of 227, and in that proportion by default.
        mean: gray level to subtract from red, green and blue.
        mean_image: float32 (3, image_size, image_size) to subtract instead of `mean`.
        scale: factor after the subtraction; 1 in the paper. Three of them, for red, green and blue,
            where another program divides by the standard deviation of each.
        eigenvectors: column i is the i-th principal component of the colors (3, 3).
        standard_deviations: of the colors along each component, in gray levels.
    """

    image_size: int
    resize: int | None = None
    mean: tuple[float, float, float]
    mean_image: np.ndarray | None = field(default=None, compare=False)
    scale: float | tuple[float, float, float] = 1.0
    eigenvectors: tuple[tuple[float, float, float], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    standard_deviations: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        if self.resize is None:
            object.__setattr__(self, "resize", default_resize(self.image_size))
        if not 1 <= self.image_size <= self.resize:
            raise ValueError(
                f"cannot crop {self.image_size} pixels from images resized to {self.resize}; "
                "resize must be at least image_size, and image_size at least 1"
            )
        shape = (3, self.image_size, self.image_size)
        if self.mean_image is not None and self.mean_image.shape != shape:
            raise ValueError(f"mean_image must have the shape {shape}, got {self.mean_image.shape}")
        if np.shape(self.scale) not in ((), (3,)):
            raise ValueError(f"scale must be one number or three, got {self.scale}")

    def to_metadata(self) -> dict[str, Any]:
        """All fields except the mean image, as a dict for JSON."""
        return asdict(self) | {"mean_image": None}

    @classmethod
    def from_metadata(
        cls, metadata: dict[str, Any], mean_image: np.ndarray | None = None
    ) -> "Preprocessing":
        """The inverse of `to_metadata`, also after a round trip through JSON.

        Raises:
            KeyError, TypeError, ValueError: a field is missing, unknown, or cannot be what it is.
        """
        for name, shapes in _SHAPES.items():
            array = np.asarray(metadata[name])
            kinds = "i" if name in ("image_size", "resize") else "if"
            of_kind = array.dtype.kind in kinds and array.shape in shapes
            if not of_kind or not np.isfinite(array).all():
                raise ValueError(f"{name} cannot be {metadata[name]!r}")
        fields = metadata | {"mean_image": mean_image}
        fields["mean"] = tuple(fields["mean"])
        if isinstance(fields["scale"], list):
            fields["scale"] = tuple(fields["scale"])
        fields["eigenvectors"] = tuple(tuple(row) for row in fields["eigenvectors"])
        fields["standard_deviations"] = tuple(fields["standard_deviations"])
        return cls(**fields)


@dataclass(frozen=True)
class Augmentation:
    """The random part of a training view: place of the crop, mirroring, and color noise.

    Attributes:
        crop: "random", a square of the network's size from the central square; "resized", any
            rectangle of the image, scaled to the network's size; "center", no randomness.
        flip: mirror half of the images.
        color_noise: standard deviation of the factors a_i of the paper; 0 turns it off.
        color_noise_form: what the factors multiply, see `color_deviations`.
    """

    crop: str = "random"
    flip: bool = True
    color_noise: float = 0.1
    color_noise_form: str = "2012"


class Place(NamedTuple):
    """Where a crop lies in a square that is enlarged.

    Attributes:
        square: height and width of the enlarged square.
        top, left: of the crop.
        size: height and width of the crop.
    """

    square: int
    top: int
    left: int
    size: int


class View(NamedTuple):
    """What the network sees of an image.

    Attributes:
        pixels: the crop, uint8 (S, S, 3); or, with `place`, a square (s, s, 3) to be enlarged.
        flip: whether to mirror the crop.
        color_shift: gray levels (3,) to add to its colors.
        place: of the crop in the enlarged square.
    """

    pixels: np.ndarray
    flip: bool
    color_shift: np.ndarray
    place: Place | None = None

    @property
    def crop(self) -> np.ndarray:
        """The crop, uint8 (S, S, 3)."""
        if self.place is None:
            return self.pixels
        square, top, left, size = self.place
        return _cut(resized(self.pixels, square, square), top, left, size)


class Views(NamedTuple):
    """Views of N squares: what `View` has of one, as arrays.

    Attributes:
        tops, lefts: of the crops in the squares scaled to `resize`, integers (N,).
        flips: bool (N,).
        color_shifts: float32 (N, 3).
    """

    tops: np.ndarray
    lefts: np.ndarray
    flips: np.ndarray
    color_shifts: np.ndarray


NO_SHIFT = np.zeros(3, np.float32)


class KeyedGenerator:
    """Random numbers that depend on seed, stream, epoch and index alone, not on earlier draws.

    The four are key and counter of Philox (Salmon et al., 2011): there is no state to save, and
    neither the order of the draws nor the thread matters. A generator is set to them in a
    tenth of the time that making one takes. Each thread needs its own.
    """

    def __init__(self, seed: int, stream: int):
        self._key = seed % 2**64, stream
        self._philox = np.random.Philox(key=np.array(self._key, np.uint64))
        self._generator = np.random.Generator(self._philox)

    def at(self, epoch: int, index: int = 0) -> np.random.Generator:
        """The generator at its first number for the epoch and the index, until the next call."""
        self._philox.state = {
            "bit_generator": "Philox",
            "state": {"counter": (0, 0, epoch, index), "key": self._key},
            "buffer": (0, 0, 0, 0),
            "buffer_pos": 4,  # nothing is left in the buffer
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self._generator


def color_deviations(preprocessing: Preprocessing, form: str) -> np.ndarray:
    """Gray levels (3,) by which a factor of 1 moves a color along each principal component.

    With standard deviations s_i of the colors, in gray levels:

        "2012"      s_i, as in the authors' code
        "paper"     s_i^2, the eigenvalues, as section 4.1 is written; thousands of gray levels
        "pytorch"   s_i^2 / 255, the eigenvalues of colors between 0 and 1, as in the many
                    replications that came with Torch and PyTorch
    """
    deviations = np.array(preprocessing.standard_deviations)
    return {"2012": deviations, "paper": deviations**2, "pytorch": deviations**2 / 255}[form]


class RandomViews:
    """Random views of images, for training.

    The view of an image depends on the image, its draw, the epoch, the seed, the preprocessing and
    the augmentation alone. Its color shift is sum_i a_i * d_i * e_i over the principal components
    e_i of the colors, with d_i from `color_deviations` and a_i ~ N(0, color_noise).

    The random numbers of all images are drawn together, which is several times faster.

    Args:
        draws: numbers of N images of the epoch, see `alexnet.data.loader`.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        seed: int,
        epoch: int,
        draws: list[int],
    ):
        self._preprocessing, self._augmentation = preprocessing, augmentation
        uniform, normal = np.empty((2, len(draws), 3))
        self._rectangles = []
        keyed = KeyedGenerator(seed, AUGMENTATION_STREAM)
        for draw, places, factors in zip(draws, uniform, normal):
            generator = keyed.at(epoch, draw)
            # All numbers are always drawn, so turning one augmentation off does not change the
            # others.
            generator.random(out=places)
            generator.standard_normal(out=factors)
            if augmentation.crop == "resized":
                self._rectangles.append(_random_rectangles(generator))
        self._places = uniform[:, :2]
        self._flips = augmentation.flip & (uniform[:, 2] < 0.5)
        deviations = color_deviations(preprocessing, augmentation.color_noise_form)
        shifts = augmentation.color_noise * normal * deviations
        # N products with a vector, not one with a matrix: its sums may depend on N in their bits.
        shifts = np.asarray(preprocessing.eigenvectors) @ shifts[:, :, np.newaxis]
        self._color_shifts = shifts[:, :, 0].astype(np.float32)

    def of_squares(self) -> Views:
        """The views of all images; not of "resized" crops, which may lie outside of the squares."""
        preprocessing = self._preprocessing
        room = preprocessing.resize - preprocessing.image_size
        if self._augmentation.crop == "random":
            tops, lefts = (self._places * (room + 1)).astype(np.int64).T
        else:
            tops, lefts = np.full((2, len(self._places)), room // 2)
        return Views(tops, lefts, self._flips, self._color_shifts)

    def view(self, number: int, image: np.ndarray) -> View:
        """The view of `image`, whose draw is `draws[number]`."""
        preprocessing, crop = self._preprocessing, self._augmentation.crop
        size, (down, right) = preprocessing.image_size, self._places[number].tolist()
        flip, shift = bool(self._flips[number]), self._color_shifts[number]
        if crop == "resized":
            height, width = _fitting_size(*image.shape[:2], self._rectangles[number])
            top = int(down * (image.shape[0] - height + 1))
            left = int(right * (image.shape[1] - width + 1))
            pixels = resized(image[top : top + height, left : left + width], size, size)
            return View(pixels, flip, shift)
        if crop == "random":
            places = preprocessing.resize - size + 1
            top, left = int(down * places), int(right * places)
        else:
            top = left = (preprocessing.resize - size) // 2
        return _view(_square(image, preprocessing), preprocessing, top, left, flip, shift)


def central_views(count: int, preprocessing: Preprocessing) -> Views:
    """The centers of squares, not mirrored."""
    middle = np.full((2, count), (preprocessing.resize - preprocessing.image_size) // 2)
    return Views(*middle, np.zeros(count, np.bool_), np.tile(NO_SHIFT, (count, 1)))


def central_view(image: np.ndarray, preprocessing: Preprocessing) -> View:
    """The center of an image, not mirrored."""
    middle = (preprocessing.resize - preprocessing.image_size) // 2
    return _view(_square(image, preprocessing), preprocessing, middle, middle)


def ten_views(image: np.ndarray, preprocessing: Preprocessing) -> list[View]:
    """The four corners and the center of an image, then the same mirrored (section 4.1)."""
    square = _square(image, preprocessing)
    last = preprocessing.resize - preprocessing.image_size
    places = [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]
    return [
        _view(square, preprocessing, top, left, flip)
        for flip in (False, True)
        for top, left in places
    ]


def _square(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The central square of an image, scaled to `resize` unless it is smaller."""
    return central_square(image, min(preprocessing.resize, shorter_side(image)))


def _view(
    square: np.ndarray,
    preprocessing: Preprocessing,
    top: int,
    left: int,
    flip: bool = False,
    color_shift: np.ndarray = NO_SHIFT,
) -> View:
    """The view at a place in a square scaled to `resize`, which is left to do for a smaller one."""
    size, resize = preprocessing.image_size, preprocessing.resize
    if len(square) < resize:
        return View(square, flip, color_shift, Place(resize, top, left, size))
    return View(_cut(square, top, left, size), flip, color_shift)


def _cut(image: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    return image[top : top + size, left : left + size]


def _random_rectangles(generator: np.random.Generator) -> list[list[float]]:
    """Ten random rectangles: share of the image's area, and logarithm of width / height."""
    low, high = zip(AREA_SHARE, np.log(ASPECT_RATIO))
    return generator.uniform(low, high, (10, 2)).tolist()


def _fitting_size(height: int, width: int, rectangles: list[list[float]]) -> tuple[int, int]:
    """Height and width of the first of the rectangles that fits the image."""
    for share, log_ratio in rectangles:
        area, ratio = height * width * share, math.exp(log_ratio)
        size = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 1 <= size[0] <= height and 1 <= size[1] <= width:
            return size
    side = min(height, width)
    return side, side
