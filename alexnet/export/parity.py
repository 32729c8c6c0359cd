"""How far the logits of two programs are apart, for the same network and the same images."""

from dataclasses import dataclass

import numpy as np

from alexnet.data.batch import Batch
from alexnet.data.readers.demo import DemoDataset
from alexnet.data.transforms import NO_SHIFT, Preprocessing, View, central_view
from alexnet.run.checkpoint import Checkpoint
from minigrad import Tensor, backend, no_grad

IMAGES = 8  # that a conversion compares
# Sums in another order differ by 1e-6 or so of the largest logit, another network by far more.
LARGEST_RELATIVE = 1e-4


@dataclass(frozen=True)
class Parity:
    """What a comparison has found.

    Attributes:
        other: the other program, such as "onnxruntime 1.23.2".
        images: number of images compared.
        difference: largest absolute difference of a logit.
        largest: largest absolute value of our logits.
        same_top1: number of images for which both find the same class most probable.
    """

    other: str
    images: int
    difference: float
    largest: float
    same_top1: int

    @classmethod
    def of(cls, other: str, own_logits: np.ndarray, other_logits: np.ndarray) -> "Parity":
        """Compare the logits (N, C) of this project with those of another program."""
        own, others = (logits.astype(np.float64) for logits in (own_logits, other_logits))
        same_top1 = own.argmax(axis=1) == others.argmax(axis=1)
        difference, largest = np.abs(own - others).max(), np.abs(own).max()
        return cls(other, len(own), float(difference), float(largest), int(same_top1.sum()))

    @property
    def relative(self) -> float:
        """The largest difference as a share of the largest logit."""
        return self.difference / self.largest if self.largest else self.difference

    @property
    def is_close(self) -> bool:
        """Whether the two programs compute the same but for rounding."""
        return self.relative <= LARGEST_RELATIVE

    def __str__(self) -> str:
        return (
            f"against {self.other}: logits of {self.images} images differ by at most "
            f"{self.difference:.1e} of {self.largest:.3g} ({self.relative:.1e} relative), the same "
            f"top-1 class for {self.same_top1} of {self.images}"
        )


def demo_images(preprocessing: Preprocessing, count: int = IMAGES) -> np.ndarray:
    """The first validation images of the demo set as uint8 (N, S, S, 3), cut as predict does."""
    dataset = DemoDataset("validation", count)
    return np.stack([central_view(dataset.image(i), preprocessing).crop for i in range(count)])


def prepared(preprocessing: Preprocessing, images: np.ndarray) -> np.ndarray:
    """The network's input, float32 (N, 3, S, S), from images of uint8 (N, S, S, 3)."""
    indices = np.arange(len(images))
    views = [View(image, False, NO_SHIFT) for image in images]
    return Batch.from_views(views, indices, indices, preprocessing).prepare(backend.get("cpu"))


def logits(checkpoint: Checkpoint, images: np.ndarray) -> np.ndarray:
    """What this project computes, float32 (N, C), from images of uint8 (N, S, S, 3)."""
    with no_grad():
        return checkpoint.build()(Tensor(prepared(checkpoint.preprocessing, images))).numpy()
