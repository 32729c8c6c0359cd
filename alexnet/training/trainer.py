"""Trainer: the loop over epochs and steps, with checkpoints and an exact continuation."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from alexnet.data.identity import identity
from alexnet.data.loader import Batch, Loader, Timed, sent_ahead
from alexnet.errors import CheckpointError, Diverged
from alexnet.inference.evaluation import evaluate
from alexnet.inference.results import Results
from alexnet.run import checkpoint_files, progress
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.metrics import MetricsLog, Row, topk_correct
from alexnet.training import divergence
from alexnet.training.settings import Settings
from alexnet.training.state import Step, TrainingState
from minigrad import Tensor, backend, nn
from minigrad import functional as F
from minigrad.optim import Optimizer, Schedule
from minigrad.random import random_keys


class Observer:
    """Is told of every step and epoch of a run; does nothing unless a method is overridden."""

    def after_step(self, trainer: "Trainer", step: Step) -> None:
        """The parameters are updated; their gradients are still there."""

    def after_epoch(self, trainer: "Trainer", row: Row) -> None:
        """The epoch is validated and its row written; its checkpoint is not saved yet.

        What is written here exists wherever the checkpoint does, and may be written again by a
        run that is continued from before it.
        """

    def after_checkpoint(self, trainer: "Trainer", row: Row) -> None:
        """The checkpoint of the epoch is saved."""


class _Stop(Exception):
    """Leaves the loops between two steps."""


class Trainer:
    """Trains a network, and leaves its metrics and checkpoints in a folder.

    A run is a function of its checkpoint: stopped between any two steps, saved, loaded and
    continued, it ends with the same weights, bit for bit. Data order and augmentation follow
    from the epoch, dropout from the number of draws, the rate from the schedule's counters.

    Args:
        settings: from which everything else here was built; the trainer reads how a batch is
            divided, where it is computed, and which checkpoints are kept.
        optimizer: its first group of parameters is the one whose rate is reported.
        folder: an existing folder for metrics and checkpoints.
        show_progress: see `alexnet.run.progress`.
        observers: are told of every step and epoch.

    Attributes:
        state: position in the run and running means.
        log: the rows of the complete epochs.
        interrupted: set it, for example from a signal handler, to stop after the current step.
    """

    def __init__(
        self,
        settings: Settings,
        model: nn.Module,
        optimizer: Optimizer,
        schedule: Schedule,
        train_loader: Loader,
        val_loader: Loader,
        folder: Path,
        *,
        show_progress: progress.Progress = progress.silent,
        observers: Sequence[Observer] = (),
    ):
        self.settings = settings
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.train_loader = train_loader
        self.val_loader = val_loader
        self.folder = folder
        self.show_progress = show_progress
        self.observers = observers
        self.backend = backend.get(settings.backend)
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
            patience: end after this many epochs without a better validation top-1.

        Returns:
            whether the run is complete: all epochs, or those that `patience` allows. If not, it
            was stopped by `max_steps`, `deadline` or `interrupted`, and the last checkpoint holds
            the point that it reached.

        Raises:
            Diverged: the loss or a parameter became NaN or infinite; the last checkpoint is not
                touched.
            OSError: the folder cannot be written.
        """
        self.max_steps, self.deadline = max_steps, deadline
        try:
            while self.state.epoch < epochs and self.epochs_without_improvement < patience:
                self.train_one_epoch()
                started = time.perf_counter()
                validation = self.validate()
                self._end_epoch(validation, time.perf_counter() - started)
        except _Stop:
            self._save(is_best=False)
            return False
        return True

    @property
    def epochs_without_improvement(self) -> int:
        """Complete epochs since the one with the best validation top-1."""
        return self.state.epoch - self.state.best_epoch

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
            for batch in self._on_device_ahead(batches):
                self._stop_if_asked()
                if self.schedule.steps >= self.max_steps:
                    raise _Stop
                loss, top1 = self.step(batch)
                now = time.perf_counter()
                seconds, waiting = now - clock, batches.seconds - waited
                clock, waited = now, batches.seconds
                state.seconds += seconds
                step = Step(
                    *(self.schedule.steps, state.epoch + 1, loss, top1, state.lr, len(batch)),
                    *(seconds, waiting),
                )
                for observer in self.observers:
                    observer.after_step(self, step)
                report(len(batch), state.loss.value, state.top1.value, waited / (now - started))
                # The last step of an epoch is saved with its validation.
                if self._is_to_be_saved() and state.step < len(loader):
                    self._save(is_best=False)

    def _on_device_ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches, sent to the device one ahead of their use."""
        # Parts of a batch are small, and sent when they are needed.
        return batches if self.settings.accumulate > 1 else sent_ahead(batches, self.backend)

    def _stop_if_asked(self) -> None:
        if self.interrupted or time.monotonic() >= self.deadline:
            raise _Stop

    def _is_to_be_saved(self) -> bool:
        every = self.settings.save_every
        return every is not None and self.schedule.steps % every == 0

    def step(self, batch: Batch) -> tuple[float, float]:
        """Learn from a batch; returns its mean loss and accuracy."""
        state, total, correct = self.state, 0.0, 0
        for number, part in enumerate(batch.split(self.settings.accumulate)):
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
        # Not one more: a batch may be left out, and a continued run begins with the one after this.
        state.step = batch.number + 1
        return total / len(batch), correct / len(batch)

    def validate(self) -> Results:
        """Classify the validation set, without augmentation."""
        with self.show_progress("validation", len(self.val_loader.dataset), 0) as report:

            def report_unless_stopped(*amounts: float) -> None:
                self._stop_if_asked()
                report(*amounts)

            return evaluate(self.model, self.val_loader, self.backend, report_unless_stopped)

    def _end_epoch(self, validation: Results, validation_seconds: float) -> None:
        """Write the row of the epoch and its checkpoint, and tell the observers of both."""
        if not math.isfinite(validation.mean_loss):
            raise Diverged(
                f"the validation loss is {validation.mean_loss} after epoch {self.state.epoch + 1}"
            )
        row = self.state.row(validation, validation_seconds)
        self.schedule.epoch_end(1 - row["val_top1"])
        self.state = self.state.next_epoch(row["val_top1"])
        self.log.append(row)
        for observer in self.observers:
            observer.after_epoch(self, row)
        self._save(is_best=self.state.best_epoch == self.state.epoch)
        for observer in self.observers:
            observer.after_checkpoint(self, row)

    def _save(self, is_best: bool) -> None:
        checkpoint, state = self.checkpoint(), self.state
        for name, array in checkpoint.model.items():
            if not np.isfinite(array).all():
                raise Diverged(
                    f"{name} is not finite after {state.epoch} epochs and {state.step} steps"
                )
        checkpoint_files.save(checkpoint, self.folder, self.settings.keep, is_best)

    def checkpoint(self) -> Checkpoint:
        """The run as it stands; the arrays share memory with the network on the CPU."""
        return Checkpoint(
            architecture=self.settings.arch,
            classes=list(self.train_loader.dataset.classes),
            preprocessing=self.train_loader.preprocessing,
            arguments=asdict(self.settings),
            data=self.data,
            training=asdict(self.state),
            schedule=self.schedule.state_dict(),
            random_keys={"seed": random_keys.seed, "call": random_keys.call},
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, with the metrics of the epochs that are behind it.

        Raises:
            CheckpointError: it belongs to another network, other data or another optimizer.
        """
        checkpoint.require(self.settings.arch, self.train_loader.dataset.classes)
        checkpoint.require_data(self.data, "begin a new run with --init-from")
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
