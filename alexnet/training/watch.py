"""A watch on training: it sees a network that does not learn, and says so, once, in plain words.

It costs next to nothing: every `PERIOD` steps it compares a sample of the weights before and after
an update, and at the end of an epoch it sends a few validation images through the network.
"""

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

# The loss is stuck if, in a window of so many images of each class and of so many steps, its mean
# is still that of guessing, and the second half of the window is no better than the first.
IMAGES_OF_A_CLASS, LEAST_STEPS = 500, 200
STUCK, NO_FALL = 0.99, 0.995
# The loss explodes if its mean over so many steps is so many times that of guessing.
EXPLOSION_STEPS, EXPLODED = 20, 2.0
PERIOD = 100
SAMPLE = 2**14
# Mean |update| / mean |weight| of a layer in a step; 0.001 is usual, but not in the first steps:
# the last layer begins near zero.
SMALLEST_UPDATE, LARGEST_UPDATE = 1e-6, 0.1
# Updates are judged while the rate is at least this share of what the run was set to: schedules
# begin and end near zero.
RATE_SHARE = 0.3
PROBE_IMAGES = 32
DEAD = 0.95
# Learnt by heart: this far below the loss of guessing, and no better than guessing on new images.
BY_HEART = 0.7
MOST = 0.6


class Change(NamedTuple):
    """What one step did to the weights of a layer: means over a sample of absolute values.

    Attributes:
        learnt: the update without its part along the weights, which is all that decay does.
    """

    layer: str
    weight: float
    update: float
    learnt: float


def on_stderr(text: str) -> None:
    """A line that does not run into the bar of the progress."""
    tqdm.write(text, file=sys.stderr)


class Watch(Observer):
    """Says what is wrong with a run that does not learn.

    Args:
        say: is given what was seen, and a second line about what helps.
        table_every: say mean |weight|, mean |update| and their ratio of each layer after every so
            many steps, as the 2012 code did; 0 for never.
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
            dataset = trainer.train_loader.dataset
            self._guessing = loss_of_guessing(dataset.labels)
            self._look_at_labels(trainer.train_loader)
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
        if len(self._last_losses) == EXPLOSION_STEPS and recent > EXPLODED * max(guessing, 0.5):
            self._warn(
                "explosion",
                f"the loss of the last {EXPLOSION_STEPS} steps is {recent:.3g}, where guessing has "
                f"{guessing:.3g}: the steps are too large",
                f"--lr {step.lr / 10:.1g} instead of {step.lr:.1g}, --init default, --scale 0.0156",
            )
        if step.number <= trainer.schedule.warmup_steps:
            return
        self._window.append(step.loss)
        images = IMAGES_OF_A_CLASS * len(loader.dataset.classes)
        length = max(LEAST_STEPS, math.ceil(images / loader.batch_size))
        if len(self._window) < length:
            return
        first, second = np.mean(self._window[: length // 2]), np.mean(self._window[length // 2 :])
        del self._window[: length // 2]
        if guessing > 0 and second > max(STUCK * guessing, NO_FALL * first):
            self._warn(
                "stuck",
                f"the loss has been {second:.4g} for {length:,} steps, as good as guessing "
                f"({guessing:.4g}): the network learns nothing",
                "python -m alexnet.doctor with the same options finds the reason: mostly the start "
                "(--init default), the rate, or labels that do not belong to their images",
            )

    def _look_at_updates(self, trainer: Trainer, step: Step) -> None:
        due = [n for n in (PERIOD, self.table_every) if n]
        if self._before:
            changes = compare(self._before, trainer.model)
            self._before = {}
            if self.table_every and step.number % self.table_every == 0:
                self.say(f"step {step.number}, lr {step.lr:.3g}\n{table(changes)}")
            full_rate = trainer.optimizer.groups[0]["initial_lr"]
            if step.number % PERIOD == 0 and step.lr >= RATE_SHARE * full_rate:
                self._judge(changes)
        if any((step.number + 1) % n == 0 for n in due):
            self._before = sampled_weights(trainer.model)

    def _judge(self, changes: list[Change]) -> None:
        for change in changes:
            if change.learnt < SMALLEST_UPDATE * change.weight:
                self._warn(
                    "vanishing",
                    f"the weights of {change.layer} do not learn: an update is "
                    f"{change.learnt / change.weight:.0e} of them, decay not counted",
                    "--init default, a larger --lr, and a look at the layers after it",
                )
            elif change.update > LARGEST_UPDATE * change.weight:
                self._warn(
                    "exploding",
                    f"an update changes the weights of {change.layer} by "
                    f"{change.update / max(change.weight, 1e-30):.0%} in one step; 0.1% is usual",
                    "a smaller --lr",
                )

    def _look_at_results(self, trainer: Trainer, row: Row) -> None:
        labels = trainer.val_loader.dataset.labels
        share = np.bincount(labels).max() / len(labels)
        luck = 3 * math.sqrt(share * (1 - share) / len(labels))
        # Where most images are of one class, a network may be good and hardly better than it.
        if (
            share <= MOST
            and row["train_loss"] < BY_HEART * self._guessing
            and row["val_top1"] < share + luck
        ):
            self._warn(
                "by heart",
                f"the training loss is {row['train_loss']:.3g}, but the validation images are "
                f"recognized as badly as by guessing ({row['val_top1']:.1%})",
                "checking that the labels of both sets are right (python -m alexnet.data check "
                "--picture FILE.png), and more training images",
            )

    def _look_at_outputs(self, trainer: Trainer, row: Row) -> None:
        images, labels = layers.sample_batch(trainer.val_loader, PROBE_IMAGES, trainer.backend)
        scores = None
        for name, layer, output in layers.outputs(trainer.model, images):
            scores = output.numpy()
            if isinstance(layer, nn.ReLU):
                dead = dead_units(scores)
                if dead > DEAD:
                    self._warn(
                        "dead",
                        f"{dead:.0%} of the units of {name} are zero for each "
                        f"of {len(images)} images: they are dead and cannot recover",
                        "starting again with a smaller --lr, or with --init default",
                    )
        if row["epoch"] == 1 or trainer.schedule.steps < LEAST_STEPS:
            return  # many a network begins with one class for all images
        chosen = scores.argmax(axis=1)
        if len(labels) >= PROBE_IMAGES and (chosen == chosen[0]).all() and len(set(labels)) > 1:
            self._warn(
                "constant",
                f"each of {len(labels)} validation images of {len(set(labels))} classes is taken "
                f"for {trainer.val_loader.dataset.classes[chosen[0]]!r}",
                "python -m alexnet.doctor with the same options; --init default, another --lr",
            )


def loss_of_guessing(labels: np.ndarray) -> float:
    """The least loss without a look at the images: the entropy of the labels, at most ln(C)."""
    shares = np.bincount(labels) / len(labels)
    return -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())


def dead_units(outputs: np.ndarray) -> float:
    """Share of the units (channels; hidden units) that are zero everywhere for all images."""
    axes = (0, *range(2, outputs.ndim))
    return float((outputs <= 0).all(axis=axes).mean())


def sampled_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Up to about `SAMPLE` evenly spaced weights of each layer that has weights, by name."""
    samples = {}
    for name, layer in layers.named_layers(model).items():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            flat = layer.weight.data.reshape(-1)[:: math.ceil(layer.weight.numel() / SAMPLE)]
            samples[name] = Tensor(flat).numpy().copy()
    return samples


def compare(before: dict[str, np.ndarray], model: nn.Module) -> list[Change]:
    """What happened to the weights since their samples were taken."""
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
