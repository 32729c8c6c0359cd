"""What follows a run without taking part in it: logs, pictures, warnings."""

from typing import TYPE_CHECKING, NamedTuple

from alexnet.run.metrics import Row

if TYPE_CHECKING:
    from alexnet.training.trainer import Trainer


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


class Observer:
    """Is told of every step and every epoch of a run; does nothing unless a method is overridden."""

    def after_step(self, trainer: "Trainer", step: Step) -> None:
        """The parameters are updated; their gradients are still there."""

    def after_epoch(self, trainer: "Trainer", row: Row) -> None:
        """The epoch is validated and its row written; its checkpoint is not saved yet.

        What is written here exists wherever the checkpoint does, and may be written again by a
        run that is continued from before it.
        """

    def after_checkpoint(self, trainer: "Trainer", row: Row) -> None:
        """The checkpoint of the epoch is saved."""
