"""What is done to an image on its way into the network, and the random part of it.

Section 2 of the paper: the shorter side is scaled to 256, a square is cropped, the mean grey
levels are subtracted. Section 4.1, in training only: the place of the crop is random, half of the
images are mirrored, and a random colour along the principal components of the training set's
colours is added.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alexnet.data.dataset import Dataset

ORDER_STREAM, AUGMENTATION_STREAM = 0, 1
STATISTICS_GRID = 256


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The fixed part of the way from an image to the network's input; checkpoints store it.

    The input is (crop + colour shift - mean) * scale, in grey levels of 0 to 255.

    Attributes:
        image_size: height and width of the network's input.
        resize: length of the shorter side before the crop; 256 for the paper's crop of 227,
            and in that proportion by default.
        mean: grey level to subtract from red, green and blue.
        scale: factor after the subtraction; 1 in the paper.
        eigenvectors: column i is the i-th principal component of the colours (3, 3).
        standard_deviations: of the colours along each component, in grey levels.
    """

    image_size: int
    resize: int | None = None
    mean: tuple[float, float, float]
    scale: float = 1.0
    eigenvectors: tuple[tuple[float, float, float], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    standard_deviations: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self):
        if self.resize is None:
            object.__setattr__(self, "resize", round(self.image_size * 256 / 227))
        if not 1 <= self.image_size <= self.resize:
            raise ValueError(
                f"cannot crop {self.image_size} pixels from images resized to {self.resize}; "
                "resize must be at least image_size, and image_size at least 1"
            )

    def to_metadata(self) -> dict[str, Any]:
        """All fields as a dict that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> "Preprocessing":
        """The inverse of `to_metadata`, also after a way through JSON."""
        fields = dict(metadata)
        fields["mean"] = tuple(fields["mean"])
        fields["eigenvectors"] = tuple(tuple(row) for row in fields["eigenvectors"])
        fields["standard_deviations"] = tuple(fields["standard_deviations"])
        return cls(**fields)


@dataclass(frozen=True)
class Augmentation:
    """The random part: place of the crop, mirroring, and strength of the colour noise.

    `color_noise` is the standard deviation of the factors a_i of the paper; 0 turns it off.
    """

    crop: bool = True
    flip: bool = True
    color_noise: float = 0.1


class ColorStatistics(NamedTuple):
    """Mean and principal components of a data set's colours, as `Preprocessing` takes them."""

    mean: tuple[float, float, float]
    eigenvectors: tuple[tuple[float, float, float], ...]
    standard_deviations: tuple[float, float, float]


def random_generator(seed: int, stream: int, epoch: int, index: int = 0) -> np.random.Generator:
    """Random numbers that are a function of the four arguments and of nothing drawn before.

    The arguments are key and counter of Philox (Salmon et al., 2011), so no state has to be
    saved, and neither the order of the draws nor the thread that makes them matters.
    """
    key = np.array([seed % 2**64, stream], np.uint64)
    counter = np.array([0, 0, epoch, index], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def draw(
    augmentation: Augmentation,
    seed: int,
    epoch: int,
    index: int,
    height: int,
    width: int,
    preprocessing: Preprocessing,
) -> tuple[int, int, bool, np.ndarray]:
    """The random decisions for image `index` in `epoch`: a function of the arguments alone.

    The colour shift is sum_i a_i * s_i * e_i over the principal components e_i with standard
    deviations s_i, a_i ~ N(0, color_noise). Section 4.1 writes the eigenvalues s_i^2 there; the
    authors' code multiplies by s_i, and only that has the size of a grey level.

    Args:
        height, width: of the resized image that is going to be cropped.

    Returns:
        top and left of the crop, whether to mirror it, and the colour shift (3,) in grey levels.
    """
    generator = random_generator(seed, AUGMENTATION_STREAM, epoch, index)
    # All numbers are always drawn: turning one augmentation off leaves the others as they were.
    down, right, side = generator.random(3)
    factors = augmentation.color_noise * generator.standard_normal(3)

    size = preprocessing.image_size
    if augmentation.crop:
        top, left = int(down * (height - size + 1)), int(right * (width - size + 1))
    else:
        top, left = center_crop_offsets(height, width, size)
    flip = augmentation.flip and side < 0.5
    deviations = factors * preprocessing.standard_deviations
    color_shift = np.asarray(preprocessing.eigenvectors) @ deviations
    return top, left, flip, color_shift.astype(np.float32)


def resize_shorter_side(image: np.ndarray, size: int) -> np.ndarray:
    """Scale an image (H, W, 3) so that its shorter side is `size`, bilinear with antialiasing."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    if shorter == size:
        return image
    shape = (round(width * size / shorter), round(height * size / shorter))
    return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR))


def center_crop_offsets(height: int, width: int, size: int) -> tuple[int, int]:
    """Top and left of the square of `size` pixels in the middle of an image."""
    return (height - size) // 2, (width - size) // 2


def color_statistics(dataset: Dataset, count: int = 1000) -> ColorStatistics:
    """Mean and principal components of the colours of `count` evenly spaced images.

    Every image has the same weight; of a large one, a grid of pixels is used. The components
    come with the largest standard deviation first, and with the sign that makes the entry of
    largest magnitude positive.
    """
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    mean, second_moment = np.zeros(3), np.zeros((3, 3))
    for index in indices:
        image = dataset.image(index)
        step = max(1, min(image.shape[:2]) // STATISTICS_GRID)
        # Sums of integers are exact in float64, so the threads of the BLAS cannot change them.
        pixels = image[::step, ::step].reshape(-1, 3).astype(np.float64)
        mean += pixels.sum(axis=0) / len(pixels)
        second_moment += pixels.T @ pixels / len(pixels)
    mean /= len(indices)
    covariance = second_moment / len(indices) - np.outer(mean, mean)

    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(3)])
    deviations = np.sqrt(np.maximum(variances, 0.0))
    return ColorStatistics(
        tuple(mean.tolist()),
        tuple(tuple(row) for row in vectors.tolist()),
        tuple(deviations.tolist()),
    )
