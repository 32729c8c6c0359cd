"""Trainer: the loop over epochs, with results, checkpoints and an exact continuation."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from alexnet.data.identity import identity
from alexnet.data.loader import Batch, Loader, Timed, sent_ahead
from alexnet.errors import CheckpointError, Diverged
from alexnet.inference.evaluation import Evaluation, Scores, predict
from alexnet.run import checkpoint_files, progress
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.metrics import Mean, MetricsLog, Row, topk_correct
from alexnet.training import divergence
from alexnet.visualize import figures
from minigrad import Tensor, backend, nn
from minigrad import functional as F
from minigrad.optim import Optimizer, Schedule
from minigrad.random import random_keys


class Step(NamedTuple):
    """What is known after a step.

    Attributes:
        number: steps made since the beginning of the run.
        epoch: the epoch it belongs to, from 1.
        loss, top1: mean over the images of the batch.
        lr: rate of the weights in this step.
        images: in the batch.
        seconds: since the last step, waiting for data included.
        waiting: of them, spent waiting for data.
    """

    number: int
    epoch: int
    loss: float
    top1: float
    lr: float
    images: int
    seconds: float
    waiting: float


class Observer(Protocol):
    """Something that follows a run: a log, a watch, a picture."""

    def after_step(self, trainer: "Trainer", step: Step) -> None:
        """The parameters are updated; their gradients are still there."""
        ...

    def after_epoch(self, trainer: "Trainer", row: Row) -> None:
        """The epoch is validated and its row written; its checkpoint is not yet."""
        ...


class _Stop(Exception):
    """Leaves the loops between two steps."""


@dataclass
class TrainingState:
    """Where a run stands, and what it has measured of an epoch that is not complete.

    Attributes:
        epoch: complete epochs.
        step: steps made in the current epoch.
        loss, top1: running means of the current epoch.
        seconds: of training in the current epoch.
        lr: rate of the weights in the last step.
        best_top1, best_epoch: the best validation result so far; -1 before the first.
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


class Trainer:
    """Trains a network and leaves results, pictures and checkpoints in a folder.

    A run is a function of its checkpoint: stopped between any two steps, saved, loaded and
    continued, it ends with the same weights, bit for bit. Data order and augmentation follow
    from the epoch, dropout from the number of draws, the rate from the schedule's counters.

    Args:
        optimizer: its first group of parameters is the one whose rate is reported.
        folder: an existing folder for metrics, curves and checkpoints.
        architecture, arguments: what the checkpoints tell about the network and the run.
        device: where the network is and batches are prepared.
        keep: how many checkpoints before the last one stay.
        save_every: save after every so many steps too, not only after an epoch.
        show_progress: see `alexnet.run.progress`.
        observers: are told of every step and epoch.
        accumulate: the parts in which a batch is processed, for the memory of a part. Their
            gradients add up to those of the batch; dropout draws a mask for each.
        on_epoch: called with the row of every complete epoch.

    Attributes:
        state: position in the run and running means.
        log: the rows of the complete epochs.
        interrupted: set it (from a signal handler, say) to stop after the current step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        schedule: Schedule,
        train_loader: Loader,
        val_loader: Loader,
        folder: Path,
        *,
        architecture: str,
        arguments: dict[str, Any] | None = None,
        device: str = "cpu",
        keep: int = 1,
        save_every: int | None = None,
        show_progress: progress.Progress = progress.silent,
        observers: Sequence[Observer] = (),
        accumulate: int = 1,
        on_epoch: Callable[[Row], None] = lambda row: None,
    ):
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.train_loader = train_loader
        self.val_loader = val_loader
        self.folder = folder
        self.architecture = architecture
        self.arguments = arguments or {}
        self.backend = backend.get(device)
        self.keep = keep
        self.save_every = save_every
        self.show_progress = show_progress
        self.observers = observers
        self.accumulate = accumulate
        self.on_epoch = on_epoch
        self.data = {
            "training": identity(train_loader.dataset),
            "validation": identity(val_loader.dataset),
        }
        self.state = TrainingState()
        self.log = MetricsLog(folder)
        self.max_steps = self.deadline = math.inf
        self.interrupted = False

    def fit(
        self,
        epochs: int,
        max_steps: float = math.inf,
        *,
        deadline: float = math.inf,
        patience: float = math.inf,
    ) -> bool:
        """Train until `epochs` are complete, counted from the beginning of the run.

        Args:
            max_steps: stop after this many optimizer steps since the beginning of the run.
            deadline: stop after the step in which `time.monotonic` reaches this.
            patience: so many epochs without a better validation top-1 are the last ones.

        Returns:
            whether the run is complete: all epochs, or those that `patience` allows. If not, it
            was stopped by `max_steps`, `deadline` or `interrupted`, and the last checkpoint holds
            the point that it reached.

        Raises:
            Diverged: the loss or a parameter became NaN or infinite; the last checkpoint is not touched.
            OSError: the folder cannot be written.
        """
        self.max_steps, self.deadline = max_steps, deadline
        try:
            while self.state.epoch < epochs and self.epochs_without_improvement < patience:
                self.train_one_epoch()
                started = time.perf_counter()
                validation = self.evaluate()
                self._end_epoch(validation, time.perf_counter() - started)
        except _Stop:
            self._save(is_best=False)
            return False
        return True

    @property
    def epochs_without_improvement(self) -> int:
        """Complete epochs since the one with the best validation top-1."""
        return self.state.epoch - self.state.best_epoch

    def _stop_if_asked(self) -> None:
        if self.interrupted or time.monotonic() >= self.deadline:
            raise _Stop

    def train_one_epoch(self) -> None:
        """Make the remaining steps of the current epoch."""
        state, loader = self.state, self.train_loader
        self.model.train()
        batches = Timed(loader.batches(state.epoch, state.step))
        title, images = f"epoch {state.epoch + 1}", len(loader.dataset)
        with (
            contextlib.closing(batches),
            self.show_progress(title, images, state.loss.count) as report,
        ):
            started = clock = time.perf_counter()
            waited = 0.0
            # Parts of a batch are small, and sent when they are needed.
            ahead = batches if self.accumulate > 1 else sent_ahead(batches, self.backend)
            for batch in ahead:
                self._stop_if_asked()
                if self.schedule.steps >= self.max_steps:
                    raise _Stop
                loss, top1 = self._step(batch)
                now = time.perf_counter()
                step = Step(
                    *(self.schedule.steps, state.epoch + 1, loss, top1, state.lr, len(batch)),
                    *(now - clock, batches.seconds - waited),
                )
                state.seconds += step.seconds
                clock, waited = now, batches.seconds
                for observer in self.observers:
                    observer.after_step(self, step)
                waiting = batches.seconds / (now - started)
                report(len(batch), state.loss.value, state.top1.value, waiting)
                # The last step of an epoch is saved with its validation.
                if self._is_to_be_saved() and state.step < len(loader):
                    self._save(is_best=False)

    def _is_to_be_saved(self) -> bool:
        return self.save_every is not None and self.schedule.steps % self.save_every == 0

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Learn from a batch; returns its mean loss and accuracy."""
        state, total, correct = self.state, 0.0, 0
        for number, part in enumerate(batch.split(self.accumulate)):
            images = part.prepare(self.backend)
            logits = self.model(Tensor(images))
            loss = F.cross_entropy(logits, part.labels)
            # All that is read from the device is read here, so that it need not wait for the rest.
            value, scores = loss.item(), logits.numpy()
            if not math.isfinite(value):
                raise Diverged(
                    f"the training loss is {value} in epoch {state.epoch + 1}, "
                    f"step {state.step + 1}: {divergence.cause(self.model, images)}"
                )
            if number == 0:
                self.optimizer.zero_grad()
            # The mean over the batch is the mean over its parts, weighted by their sizes.
            (loss * (len(part) / len(batch))).backward()
            total += value * len(part)
            correct += topk_correct(scores, part.labels, 1)
        state.lr = self.optimizer.groups[0]["lr"]
        self.optimizer.step()
        self.schedule.step()
        state.loss.add(total, len(batch))
        state.top1.add(correct, len(batch))
        state.step += 1
        return total / len(batch), correct / len(batch)

    def seconds_per_step(self) -> float:
        """Make two steps of the next batch and time the second; the run is spoilt by it."""
        self.model.train()
        with contextlib.closing(self.train_loader.batches(self.state.epoch)) as batches:
            batch = next(batches)
        self._step(batch)  # compiles kernels, and touches memory for the first time
        started = time.perf_counter()
        self._step(batch)
        return time.perf_counter() - started

    def evaluate(self) -> Evaluation:
        """Loss, top-1 and top-5 accuracy on the validation set, without augmentation."""
        scores = Scores()
        batches = Timed(self.val_loader.batches(epoch=0))
        with (
            contextlib.closing(batches),
            self.show_progress("validation", len(self.val_loader.dataset), 0) as report,
        ):
            started = time.perf_counter()
            for batch, log_probabilities in predict(self.model, batches, self.backend):
                self._stop_if_asked()
                scores.add(log_probabilities, batch.labels)
                waiting = batches.seconds / (time.perf_counter() - started)
                report(len(batch), scores.loss.value, scores.top1.value, waiting)
        return scores.result()

    def _end_epoch(self, validation: Evaluation, seconds: float) -> None:
        state = self.state
        if not math.isfinite(validation.loss):
            raise Diverged(
                f"the validation loss is {validation.loss} after epoch {state.epoch + 1}"
            )
        row = {
            "epoch": state.epoch + 1,
            "train_loss": state.loss.value,
            "train_top1": state.top1.value,
            "val_loss": validation.loss,
            "val_top1": validation.top1,
            "val_top5": validation.top5,
            "lr": state.lr,
            "images_per_s": round(state.loss.count / state.seconds, 2),
            "seconds": round(state.seconds + seconds, 2),
        }
        self.schedule.epoch_end(1 - validation.top1)
        improved = validation.top1 > state.best_top1
        self.state = TrainingState(
            epoch=row["epoch"],
            lr=state.lr,
            best_top1=validation.top1 if improved else state.best_top1,
            best_epoch=row["epoch"] if improved else state.best_epoch,
        )
        self.log.append(row)
        for observer in self.observers:
            observer.after_epoch(self, row)
        self._save(is_best=improved)
        num_classes = len(self.train_loader.dataset.classes)
        figures.training_curves(self.log.rows, num_classes, self.folder / "training_curves.png")
        self.on_epoch(row)

    def _save(self, is_best: bool) -> None:
        checkpoint, state = self.checkpoint(), self.state
        for name, array in checkpoint.model.items():
            if not np.isfinite(array).all():
                raise Diverged(
                    f"{name} is not finite after {state.epoch} epochs and {state.step} steps"
                )
        checkpoint_files.save(checkpoint, self.folder, self.keep, is_best)

    def checkpoint(self) -> Checkpoint:
        """The run as it stands; the arrays share memory with the network on the CPU."""
        return Checkpoint(
            architecture=self.architecture,
            classes=list(self.train_loader.dataset.classes),
            preprocessing=self.train_loader.preprocessing,
            arguments=self.arguments,
            data=self.data,
            training=asdict(self.state),
            schedule=self.schedule.state_dict(),
            random_keys={"seed": random_keys.seed, "call": random_keys.call},
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, with the metrics of the epochs it has behind it.

        Raises:
            CheckpointError: it belongs to another network, other data or another optimizer.
        """
        checkpoint.require(self.architecture, self.train_loader.dataset.classes)
        checkpoint.require_data(self.data)
        checkpoint.restore(self.model)
        try:
            self.optimizer.load_state_dict(checkpoint.optimizer)
            self.schedule.load_state_dict(checkpoint.schedule)
            self.state = TrainingState.from_metadata(checkpoint.training)
            random_keys.seed = checkpoint.random_keys["seed"]
            random_keys.call = checkpoint.random_keys["call"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint does not fit the run: {error}") from error
        self.log.keep_until(self.state.epoch)
