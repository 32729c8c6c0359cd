"""Trainer: the loop over epochs and steps, with checkpoints and an exact continuation."""

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.columns import Column, own_state, whole_state
from alexnet.data.bad_images import collector
from alexnet.data.batch import Share, sent_ahead
from alexnet.data.identity import identity
from alexnet.data.loader import Loader, Timed
from alexnet.errors import CheckpointError, Diverged
from alexnet.inference.evaluation import evaluate
from alexnet.inference.results import Results
from alexnet.precision import products_in
from alexnet.run import checkpoint_files, progress
from alexnet.run.checkpoint import Checkpoint
from alexnet.run.metrics import MetricsLog, Row
from alexnet.training import divergence, optimizer_state
from alexnet.training.gradients import BatchGradients
from alexnet.training.loss import TrainingLoss
from alexnet.training.settings import Settings
from alexnet.training.state import Size, Step, TrainingState
from minigrad import backend, nn
from minigrad.distributed import by_all_processes
from minigrad.optim import ExponentialMovingAverage, Optimizer, Schedule
from minigrad.random import random_keys

# In a checkpoint with averaged parameters, before the names of those that learn.
OWN = "own."


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

    The processes of a team divide the parts of each batch among themselves. All of them then make
    the same update, so that they hold the same weights, those of a process that computes all parts
    itself. Rank 0 alone writes into the folder and has observers.

    Args:
        settings: from which everything else here was built; the trainer reads how a batch is
            divided, where it is computed, and which checkpoints are kept.
        optimizer: its first group of parameters is the one whose rate is reported.
        folder: an existing folder for metrics and checkpoints.
        show_progress: see `alexnet.run.progress`.
        observers: are told of every step and epoch.
        loss: that is minimized; by default plain cross-entropy.
        network: the whole one, where `model` is a `Column` of it; up to date after each epoch.

    Attributes:
        team, sharing: the processes that train together, and those that divide a batch.
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
        loss: TrainingLoss | None = None,
        network: nn.Module | None = None,
    ):
        self.settings = settings
        self.model = model
        self.network = network or model
        self.loss = loss or TrainingLoss()
        self.optimizer = optimizer
        self.schedule = schedule
        self.sharing = train_loader.team
        self.team = model.team if isinstance(model, Column) else self.sharing
        self.train_loader = train_loader
        self.val_loader = val_loader
        self.folder = folder
        self.show_progress = show_progress
        self.observers = observers
        self.backend = backend.get(settings.backend)
        self.bad_images = collector(train_loader.dataset)
        self._gradients = BatchGradients(
            *(model, self.loss, self.backend, self.sharing, settings.accumulate),
            cause=self._cause,
        )
        self.average = None
        if settings.ema is not None:
            self.average = ExponentialMovingAverage(model.parameters(), settings.ema)
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
                with self._averaged():
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
        begun_at, steps_before = state.step, self.schedule.steps
        shares = Timed(loader.shares(state.epoch, state.step))
        title = f"epoch {state.epoch + 1}"
        with (
            contextlib.closing(shares),
            self.show_progress(title, len(loader.dataset), state.loss.count) as report,
        ):
            started = clock = time.perf_counter()
            waited = 0.0
            for share in sent_ahead(shares, self.backend):
                sizes = self.agree_on(share)
                images = Size.sum(sizes).images
                if not images:
                    continue  # every image of the batch is skipped
                loss, top1 = self.step(share, sizes)
                now = time.perf_counter()
                seconds, waiting = now - clock, shares.seconds - waited
                clock, waited = now, shares.seconds
                state.seconds += seconds
                step = Step(
                    *(self.schedule.steps, state.epoch + 1, loss, top1, state.lr, images),
                    *(seconds, waiting),
                )
                for observer in self.observers:
                    observer.after_step(self, step)
                report(images, state.loss.value, state.top1.value, waited / (now - started))
                # The last step of an epoch is saved with its validation.
                if self._is_to_be_saved() and state.step < len(loader):
                    self._save(is_best=False)
        if begun_at == 0 and self.schedule.steps == steps_before:
            with by_all_processes():
                raise loader.nothing_usable()

    def agree_on(self, share: Share) -> list[Size]:
        """The size of each part of a batch, from the processes that have them.

        Raises:
            _Stop: some process is to stop before this batch.
            DataError: together they have skipped more images than they may.
        """
        labels = [[] if part is None else part.labels for part in share.parts]
        sizes = [self.loss.size_of(own) for own in labels]
        everyone = self.team.gather((sizes, self._is_to_stop(), self.bad_images.news()))
        self._hear([news for _, _, news in everyone])
        if any(stops for _, stops, _ in everyone) or self.schedule.steps >= self.max_steps:
            raise _Stop
        return [size for sizes, _, _ in everyone[: self.sharing.size] for size in sizes]

    def _hear(self, news: list[dict[str, str]]) -> None:
        """Note which images the processes have skipped."""
        del news[self.team.rank]  # its own
        with by_all_processes():
            for found in news:
                self.bad_images.hear(found)

    def _is_to_stop(self) -> bool:
        return self.interrupted or time.monotonic() >= self.deadline

    def _is_to_be_saved(self) -> bool:
        every = self.settings.save_every
        return every is not None and self.schedule.steps % every == 0

    def step(self, share: Share, sizes: list[Size]) -> tuple[float, float]:
        """Learn from a batch; returns its mean loss and accuracy.

        Args:
            share: what this process computes of it.
            sizes: of all its parts.
        """
        state, whole = self.state, Size.sum(sizes)
        with products_in(self.settings.precision):
            results = self._gradients.compute(share, sizes)
        total, correct = 0.0, 0
        for part in results:
            if part.problem:
                with by_all_processes():
                    raise Diverged(
                        f"the training loss is {part.loss} in epoch {state.epoch + 1}, "
                        f"step {state.step + 1}: {part.problem}"
                    )
            total += part.loss * part.size.weight
            correct += part.correct
        # A process without images has drawn no masks.
        random_keys.call = max(part.call for part in results)
        state.lr = self.optimizer.groups[0]["lr"]
        if self.settings.clip_grad_norm:
            parameters = self._gradients.parameters
            nn.utils.clip_grad_norm_(parameters, self.settings.clip_grad_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        self.schedule.step()
        state.loss.add(total * (whole.images / whole.weight), whole.images)
        state.top1.add(correct, whole.images)
        # Not one more: a batch may be left out, and a continued run begins with the one after this.
        state.step = share.number + 1
        return total / whole.weight, correct / whole.images

    def _cause(self, images: Any) -> str:
        """Why the loss on images, the network's input, is not finite."""
        self._update_network()
        return divergence.cause(self.network, images)

    def validate(self) -> Results:
        """Classify the validation set, without augmentation."""
        with self.show_progress("validation", len(self.val_loader.dataset), 0) as report:

            def report_unless_stopped(*amounts: float) -> None:
                if self.team.any(self._is_to_stop()):
                    raise _Stop
                report(*amounts)

            with products_in(self.settings.precision):
                results = evaluate(self.model, self.val_loader, self.backend, report_unless_stopped)
            self._hear(self.team.gather(self.bad_images.news()))
            return results

    def _end_epoch(self, validation: Results, validation_seconds: float) -> None:
        """Write the row of the epoch and its checkpoint, and tell the observers of both."""
        if not math.isfinite(validation.mean_loss):
            with by_all_processes():
                raise Diverged(
                    f"the validation loss is {validation.mean_loss} after epoch "
                    f"{self.state.epoch + 1}"
                )
        row = self.state.row(validation, validation_seconds)
        self.schedule.epoch_end(1 - row["val_top1"])
        self.state = self.state.next_epoch(row["val_top1"])
        if self.team.leads:
            self.log.append(row)
        with self._averaged():
            self._update_network()
            for observer in self.observers:
                observer.after_epoch(self, row)
        self._save(is_best=self.state.best_epoch == self.state.epoch)
        for observer in self.observers:
            observer.after_checkpoint(self, row)

    def _averaged(self) -> contextlib.AbstractContextManager:
        """A block in which the model has the averages of its parameters, if there are any."""
        return contextlib.nullcontext() if self.average is None else self.average.in_use()

    def _update_network(self) -> None:
        if self.network is not self.model:
            self.network.load_state_dict(whole_state(self.model, self.model.state_dict()))

    def _save(self, is_best: bool) -> None:
        # Of two columns each process has a half; else the leader has it all.
        has_a_part = self.team.leads or self.network is not self.model
        checkpoint = self.checkpoint() if has_a_part else None
        # No process goes on before the checkpoint is on the disk.
        if problem := self.team.from_leader(lambda: self._save_unless_broken(checkpoint, is_best)):
            with by_all_processes():
                raise Diverged(problem)

    def _save_unless_broken(self, checkpoint: Checkpoint, is_best: bool) -> str | None:
        """Save a checkpoint, or say which parameter is not finite."""
        state = self.state
        for name, array in checkpoint.model.items():
            if not np.isfinite(array).all():
                return f"{name} is not finite after {state.epoch} epochs and {state.step} steps"
        checkpoint_files.save(checkpoint, self.folder, self.settings.keep, is_best)
        return None

    def checkpoint(self) -> Checkpoint:
        """The run as it stands; the arrays share memory with the network on the CPU."""
        optimizer = whole_state(self.model, optimizer_state.get(self.model, self.optimizer))
        optimizer |= self._own_parameters()
        with self._averaged():
            self._update_network()
            model = self.network.state_dict()
        return Checkpoint(
            architecture=self.settings.arch,
            classes=list(self.train_loader.dataset.classes),
            preprocessing=self.train_loader.preprocessing,
            arguments=asdict(self.settings),
            data=self.data,
            training=asdict(self.state),
            schedule=self.schedule.state_dict(),
            random_keys={"seed": random_keys.seed, "call": random_keys.call},
            network=self.settings.network or {},
            model=model,
            optimizer=optimizer,
        )

    def _own_parameters(self) -> dict[str, np.ndarray]:
        """What a checkpoint with averages has as its model beside them, by names of their own."""
        if self.average is None or not self.average.has_begun:
            return {}
        return {f"{OWN}{name}": array for name, array in self.model.state_dict().items()}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, with the metrics of the epochs that are behind it.

        Raises:
            CheckpointError: it belongs to another network, other data or another optimizer.
        """
        checkpoint.require(self.settings.arch, self.train_loader.dataset.classes)
        checkpoint.require_data(self.data, "begin a new run with --init-from")
        checkpoint = checkpoint.converted(partial(own_state, self.model))
        checkpoint.restore(self.model)
        state, own = dict(checkpoint.optimizer), {}
        for name in [name for name in state if name.startswith(OWN)]:
            own[name.removeprefix(OWN)] = state.pop(name)
        try:
            if own:
                if self.average is not None:
                    self.average.load([p.numpy() for p in self.average.parameters])
                self.model.load_state_dict(own)
            optimizer_state.load(self.model, self.optimizer, state)
            self.schedule.load_state_dict(checkpoint.schedule)
            self.state = TrainingState.from_metadata(checkpoint.training)
            random_keys.seed = checkpoint.random_keys["seed"]
            random_keys.call = checkpoint.random_keys["call"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint does not fit the run: {error}") from error
        if self.team.leads:
            self.log.keep_until(self.state.epoch)
