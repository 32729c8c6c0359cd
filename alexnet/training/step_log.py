"""Logs of single steps: steps.csv and steps.jsonl, and scalars for TensorBoard."""

from pathlib import Path

from alexnet.run.metrics import Row, RowLog
from alexnet.training.state import Step
from alexnet.training.trainer import Observer, Trainer

COLUMNS = ("step", "epoch", "loss", "top1", "lr", "images_per_s", "waiting")
# How long events for TensorBoard may wait in the memory of the process.
FLUSH_SECONDS = 5


class StepLog(Observer):
    """steps.csv and steps.jsonl of a run folder: a row every `every` steps.

    Columns: step, counted from the beginning of the run; epoch, from 1; loss and top1 of the
    step's batch, before its update; lr, the rate of the weights in it; images_per_s, and the
    share of the time that was spent waiting for data, since the last row. All but these two
    repeat digit for digit when a command is repeated.
    """

    def __init__(self, folder: Path, every: int):
        self._files = RowLog(folder, "steps", COLUMNS)
        self.every = every
        self._images, self._seconds, self._waiting = 0, 0.0, 0.0

    def keep_until(self, step: int) -> None:
        """Continue the files of an interrupted run, without the rows after `step`."""
        self._files.keep_until(step)

    def after_step(self, trainer: Trainer, step: Step) -> None:
        self._images += step.images
        self._seconds += step.seconds
        self._waiting += step.waiting
        if step.number % self.every:
            return
        self._files.append(
            {
                "step": step.number,
                "epoch": step.epoch,
                "loss": step.loss,
                "top1": step.top1,
                "lr": step.lr,
                "images_per_s": round(self._images / self._seconds, 2),
                "waiting": round(self._waiting / self._seconds, 3),
            }
        )
        self._images, self._seconds, self._waiting = 0, 0.0, 0.0


class TensorBoard(Observer):
    """Event files in a run folder, for ``tensorboard --logdir``.

    Scalars "step/loss", "step/top1" and "step/lr" of every `every`-th step, and "epoch/..." with
    the columns of metrics.csv, both over the steps of the run.

    Args:
        steps: made in the run before; what a stopped run wrote about later ones does not count.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path, every: int, steps: int = 0):
        from tensorboardX import SummaryWriter

        self.every = every
        self._writer = SummaryWriter(
            str(folder),
            # TensorBoard forgets the scalars of earlier files from this step on.
            purge_step=steps + 1 if steps else None,
            flush_secs=FLUSH_SECONDS,
            # Files are named by the second, in which a run may stop and be continued.
            filename_suffix=f".{steps}",
        )

    def after_step(self, trainer: Trainer, step: Step) -> None:
        if step.number % self.every == 0:
            for name in ("loss", "top1", "lr"):
                self._writer.add_scalar(f"step/{name}", getattr(step, name), step.number)

    def after_epoch(self, trainer: Trainer, row: Row) -> None:
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"epoch/{name}", value, trainer.schedule.steps)

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()
