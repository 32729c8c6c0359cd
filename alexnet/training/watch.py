"""Watch: an observer that warns, once and in plain words, when a network does not learn.

It costs next to nothing: every `UPDATE_CHECK_STEPS` steps it compares a sample of the weights
before and after an update, and at the end of an epoch it sends a few validation images through the
network.
"""

import contextlib
import math
import sys
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from alexnet.data.loader import Loader
from alexnet.inference import layers
from alexnet.run.metrics import Row
from alexnet.training.state import Step
from alexnet.training.trainer import Observer, Trainer
from minigrad import Tensor, nn

# The loss is stuck if, over a window of IMAGES_PER_CLASS images per class and at least MIN_STEPS
# steps, its mean is at least the first share of the loss of guessing, and the mean of the second
# half is at least the second share of that of the first half.
IMAGES_PER_CLASS, MIN_STEPS = 500, 200
STUCK_SHARE_OF_GUESSING, STUCK_SHARE_OF_FIRST_HALF = 0.99, 0.995
# The loss explodes if its mean over this many steps is this multiple of the loss of guessing.
EXPLOSION_STEPS, EXPLOSION_FACTOR = 20, 2.0
# Steps from one look at the updates to the next, and about how many weights of a layer are sampled.
UPDATE_CHECK_STEPS = 100
SAMPLED_WEIGHTS = 2**14
# Mean |update| / mean |weight| of a layer in a step; 0.001 is usual, but not in the first steps:
# the last layer starts near zero.
MIN_UPDATE_RATIO, MAX_UPDATE_RATIO = 1e-6, 0.1
# Updates are judged while the rate is at least this share of the run's --lr: schedules start and
# end near zero.
MIN_RATE_SHARE = 0.3
# Validation images sent through the network after each epoch.
PROBE_IMAGES = 32
# Share of a layer's units that are zero for all images.
MAX_DEAD_SHARE = 0.95
# The training set is memorized if the training loss is below this share of the loss of guessing
# while validation is no better than guessing. Not judged where one class has more than the
# majority share of the images: there a good network may be hardly better than guessing.
MEMORIZED_LOSS_SHARE = 0.7
MAX_MAJORITY_SHARE = 0.6


class Change(NamedTuple):
    """What one step did to the weights of a layer: means of absolute values over a sample.

    Attributes:
        layer: its name.
        learned: the update without its component along the weights, which is all that decay does.
    """

    layer: str
    weight: float
    update: float
    learned: float


def on_stderr(text: str) -> None:
    """Print a line that does not run into the progress bar, if anybody can read it."""
    with contextlib.suppress(OSError):
        tqdm.write(text, file=sys.stderr)


class Watch(Observer):
    """Says what is wrong with a run that does not learn.

    Args:
        say: receives each warning, with a second line about what helps.
        table_every: steps between tables of mean |weight|, mean |update| and their ratio for each
            layer, as the 2012 code printed them; 0 for none.
    """

    def __init__(self, say: Callable[[str], None] = on_stderr, table_every: int = 0):
        self.say = say
        self.table_every = table_every
        self._said: set[str] = set()
        self._last_losses: deque[float] = deque(maxlen=EXPLOSION_STEPS)
        self._window: list[float] = []
        self._before: dict[str, np.ndarray] = {}
        self._guessing = math.nan

    def after_step(self, trainer: Trainer, step: Step) -> None:
        if not self._last_losses:
            loader = trainer.train_loader
            classes = len(loader.dataset.classes)
            self._guessing = trainer.loss.of_guessing(loader.labels(epoch=0), classes)
            self._look_at_labels(loader)
        self._look_at_loss(trainer, step)
        self._look_at_updates(trainer, step)

    def after_epoch(self, trainer: Trainer, row: Row) -> None:
        self._look_at_results(trainer, row)
        self._look_at_outputs(trainer, row)

    def _warn(self, kind: str, seen: str, helps: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self.say(f"warning: {seen}\n         what usually helps: {helps}")

    def _look_at_labels(self, loader: Loader) -> None:
        labels, size = loader.dataset.labels, loader.batch_size
        if (labels == labels[0]).all():
            self._warn(
                "labels",
                f"all {len(labels):,} training images have the label "
                f"{loader.dataset.classes[labels[0]]!r}",
                "images of every class in the training set; python -m alexnet.data check counts",
            )
        elif not loader.shuffle and size > 1:
            batches = [labels[i : i + size] for i in range(0, len(labels), size)]
            alike = sum((batch == batch[0]).all() for batch in batches)
            if alike > len(batches) / 2:
                self._warn(
                    "labels",
                    f"{alike:,} of {len(batches):,} batches hold images of one class only",
                    "shuffling the training images",
                )

    def _look_at_loss(self, trainer: Trainer, step: Step) -> None:
        loader, guessing = trainer.train_loader, self._guessing
        self._last_losses.append(step.loss)
        recent = np.mean(self._last_losses)
        if len(self._last_losses) == EXPLOSION_STEPS and recent > EXPLOSION_FACTOR * max(
            guessing, 0.5
        ):
            self._warn(
                "explosion",
                f"the loss of the last {EXPLOSION_STEPS} steps is {recent:.3g}, where guessing has "
                f"{guessing:.3g}: the steps are too large",
                f"--lr {step.lr / 10:.1g} instead of {step.lr:.1g}, --init default",
            )
        if step.number <= trainer.schedule.warmup_steps:
            return
        self._window.append(step.loss)
        images = IMAGES_PER_CLASS * len(loader.dataset.classes)
        length = max(MIN_STEPS, math.ceil(images / loader.batch_size))
        if len(self._window) < length:
            return
        first, second = np.mean(self._window[: length // 2]), np.mean(self._window[length // 2 :])
        del self._window[: length // 2]
        if guessing > 0 and second > max(
            STUCK_SHARE_OF_GUESSING * guessing, STUCK_SHARE_OF_FIRST_HALF * first
        ):
            self._warn(
                "stuck",
                f"the loss has been {second:.4g} for {length:,} steps, as good as guessing "
                f"({guessing:.4g}): the network learns nothing",
                "python -m alexnet.doctor with the same options finds the reason: mostly the start "
                "(--init default), the rate, or labels that do not belong to their images",
            )

    def _look_at_updates(self, trainer: Trainer, step: Step) -> None:
        due = [n for n in (UPDATE_CHECK_STEPS, self.table_every) if n]
        if self._before:
            changes = compare(self._before, trainer.model)
            self._before = {}
            if self.table_every and step.number % self.table_every == 0:
                self.say(f"step {step.number}, lr {step.lr:.3g}\n{table(changes)}")
            full_rate = trainer.optimizer.groups[0]["initial_lr"]
            if step.number % UPDATE_CHECK_STEPS == 0 and step.lr >= MIN_RATE_SHARE * full_rate:
                frozen = trainer.settings.freeze or []
                self._judge([change for change in changes if change.layer not in frozen])
        if any((step.number + 1) % n == 0 for n in due):
            self._before = sampled_weights(trainer.model)

    def _judge(self, changes: list[Change]) -> None:
        for change in changes:
            if change.learned < MIN_UPDATE_RATIO * change.weight:
                self._warn(
                    "vanishing",
                    f"the weights of {change.layer} do not learn: an update is "
                    f"{change.learned / change.weight:.0e} of them, decay not counted",
                    "--init default, a larger --lr, and a look at the layers after it",
                )
            elif change.update > MAX_UPDATE_RATIO * change.weight:
                self._warn(
                    "exploding",
                    f"an update changes the weights of {change.layer} by "
                    f"{change.update / max(change.weight, 1e-30):.0%} in one step; 0.1% is usual",
                    "a smaller --lr",
                )

    def _look_at_results(self, trainer: Trainer, row: Row) -> None:
        if trainer.train_loader.balanced or trainer.loss.class_weights is not None:
            return  # the losses are not of the same mixture of classes
        labels = trainer.val_loader.dataset.labels
        share = np.bincount(labels).max() / len(labels)
        luck = 3 * math.sqrt(share * (1 - share) / len(labels))
        if (
            share + luck < 1  # else there are too few images to tell
            and share <= MAX_MAJORITY_SHARE
            and row["train_loss"] < MEMORIZED_LOSS_SHARE * self._guessing
            and row["val_top1"] < share + luck
        ):
            self._warn(
                "memorized",
                f"the training loss is {row['train_loss']:.3g}, but the validation images are "
                f"recognized as badly as by guessing ({row['val_top1']:.1%})",
                "checking that the labels of both sets are right (python -m alexnet.data check "
                "--picture FILE.png), and more training images",
            )

    def _look_at_outputs(self, trainer: Trainer, row: Row) -> None:
        images, labels = layers.sample_batch(trainer.val_loader, PROBE_IMAGES, trainer.backend)
        scores = None
        for name, layer, output in layers.outputs(trainer.network, images):
            scores = output.numpy()
            if isinstance(layer, nn.ReLU):
                dead = dead_units(scores)
                if dead > MAX_DEAD_SHARE:
                    self._warn(
                        "dead",
                        f"{dead:.0%} of the units of {name} are zero for each "
                        f"of {len(images)} images: they are dead and cannot recover",
                        "starting again with a smaller --lr, or with --init default",
                    )
        if row["epoch"] == 1 or trainer.schedule.steps < MIN_STEPS:
            return  # many networks start out with one class for all images
        chosen = scores.argmax(axis=1)
        if len(labels) >= PROBE_IMAGES and (chosen == chosen[0]).all() and len(set(labels)) > 1:
            self._warn(
                "constant",
                f"each of {len(labels)} validation images of {len(set(labels))} classes is taken "
                f"for {trainer.val_loader.dataset.classes[chosen[0]]!r}",
                "python -m alexnet.doctor with the same options; --init default, another --lr",
            )


def dead_units(outputs: np.ndarray) -> float:
    """Share of the units (channels; hidden units) that are zero everywhere for all images."""
    axes = (0, *range(2, outputs.ndim))
    return float((outputs <= 0).all(axis=axes).mean())


def sampled_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """About `SAMPLED_WEIGHTS` evenly spaced weights, or all, of each layer that has some."""
    samples = {}
    for name, layer in layers.named_layers(model).items():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            flat = layer.weight.data.reshape(-1)[
                :: math.ceil(layer.weight.numel() / SAMPLED_WEIGHTS)
            ]
            samples[name] = Tensor(flat).numpy().copy()
    return samples


def compare(before: dict[str, np.ndarray], model: nn.Module) -> list[Change]:
    """How the weights have changed since their samples were taken."""
    changes = []
    for name, after in sampled_weights(model).items():
        weight = before[name].astype(np.float64)
        update = after - weight
        along = (update @ weight) / max(weight @ weight, 1e-300) * weight
        sizes = (np.abs(values).mean() for values in (weight, update, update - along))
        changes.append(Change(name, *map(float, sizes)))
    return changes


def table(changes: list[Change]) -> str:
    """One line a layer, as text."""
    lines = [f"{'layer':<10}{'mean |w|':>12}{'mean |update|':>15}{'ratio':>10}"]
    for name, weight, update, _ in changes:
        ratio = update / weight if weight else math.inf
        lines.append(f"{name:<10}{weight:>12.2e}{update:>15.2e}{ratio:>10.1e}")
    return "\n".join(lines)
