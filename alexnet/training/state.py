"""Where a run stands, what a step and its parts have measured, and the results of an epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alexnet.inference.results import Results
from alexnet.run.metrics import Mean, Row


class Size(NamedTuple):
    """How large a part of a batch is.

    Attributes:
        images: their number.
        weight: what they count for in the mean loss: as many, or their weights, added up.
    """

    images: int
    weight: float

    @classmethod
    def sum(cls, sizes: Sequence["Size"]) -> "Size":
        """That of all parts together."""
        return cls(sum(size.images for size in sizes), sum(size.weight for size in sizes))


class PartResult(NamedTuple):
    """What a part of a batch has shown.

    Attributes:
        loss: mean over its images, see `TrainingLoss`.
        correct: images whose class has the highest score.
        problem: why the loss is not finite, in words; None if it is.
        call: of the next draw of random numbers.
    """

    loss: float
    size: Size
    correct: int
    problem: str | None
    call: int


class Step(NamedTuple):
    """What is known after a step.

    Attributes:
        number: steps made since the beginning of the run.
        epoch: the epoch it belongs to, from 1.
        loss, top1: mean over the images of the batch.
        lr: rate of the weights in this step.
        images: in the batch.
        seconds: since the last step, waiting for data included.
        waiting: seconds of these that were spent waiting for data.
    """

    number: int
    epoch: int
    loss: float
    top1: float
    lr: float
    images: int
    seconds: float
    waiting: float


@dataclass
class TrainingState:
    """Where a run stands, and what it has measured of an epoch that is not complete.

    Attributes:
        epoch: complete epochs.
        step: batches of the current epoch that are behind it, those left out included.
        loss, top1: running means of the current epoch.
        seconds: of training in the current epoch.
        lr: rate of the weights in the last step.
        best_top1, best_epoch: the best validation result so far; -1 and 0 before the first.
    """

    epoch: int = 0
    step: int = 0
    loss: Mean = field(default_factory=Mean)
    top1: Mean = field(default_factory=Mean)
    seconds: float = 0.0
    lr: float = 0.0
    best_top1: float = -1.0
    best_epoch: int = 0

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> "TrainingState":
        """The inverse of `dataclasses.asdict`."""
        means = {name: Mean(**metadata[name]) for name in ("loss", "top1")}
        return cls(**{**metadata, **means})

    def row(self, validation: Results, validation_seconds: float) -> Row:
        """The row of the metrics for the current epoch, whose steps are all made."""
        return {
            "epoch": self.epoch + 1,
            "train_loss": self.loss.value,
            "train_top1": self.top1.value,
            "val_loss": validation.mean_loss,
            "val_top1": validation.accuracy(1).value,
            "val_top5": validation.accuracy(5).value,
            "lr": self.lr,
            "images_per_s": round(self.loss.count / self.seconds, 2),
            "seconds": round(self.seconds + validation_seconds, 2),
        }

    def next_epoch(self, top1: float) -> "TrainingState":
        """The state at the beginning of the next epoch; `top1` is this one's validation result."""
        epoch, is_best = self.epoch + 1, top1 > self.best_top1
        return TrainingState(
            epoch=epoch,
            lr=self.lr,
            best_top1=top1 if is_best else self.best_top1,
            best_epoch=epoch if is_best else self.best_epoch,
        )
