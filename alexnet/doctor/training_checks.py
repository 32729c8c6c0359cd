"""The doctor's checks of training: stability, evaluation, overfitting a small batch, speed."""

import contextlib
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding
from alexnet.inference.layers import outputs
from alexnet.training.trainer import Trainer
from minigrad import Tensor, nn, no_grad, optim
from minigrad import functional as F

OVERFIT_STEPS, OVERFIT_WARMUP_STEPS = 400, 10
# Loss of the overfitted batch as a share of its first loss: memorized below, not learned above.
MEMORIZED_LOSS_SHARE, UNLEARNED_LOSS_SHARE = 0.1, 0.9
# Multiple of the rate that is tried where the rate itself does not memorize a batch.
HIGHER_RATE_FACTOR = 30
TIMED_STEPS = 2


def head_stability(model: nn.Module, images: Any, optimizer: optim.Optimizer) -> Finding:
    """Is the rate small enough for the last layer?

    The curvature of the loss in the last layer's weights, while the classes are equally probable,
    is the largest eigenvalue of E[h h'] / C for its input h, with dropout. Gradient descent with
    momentum m is stable while rate * curvature < 2 (1 + m).
    """
    features = before = None
    for _, layer, output in outputs(model, images, dropout=True):
        if isinstance(layer, nn.Linear):
            features, num_classes = before, layer.weight.shape[0]
        before = output.numpy().copy()
    group = optimizer.groups[0]
    largest = np.linalg.norm(features.reshape(len(features), -1), ord=2) ** 2 / len(features)
    curvature = float(largest) / num_classes
    limit = 2 * (1 + group["momentum"])
    product = group["initial_lr"] * curvature
    seen = f"rate * curvature of the last layer is {product:.2g}, stable below {limit:.2g}"
    if not product < limit:
        verdict = WARNING if product < 2 * limit else PROBLEM
        rate = limit / 4 / curvature
        return Finding(
            verdict, "stability", seen, f"--lr {rate:.1g}, or --init default: biases of 1 do this"
        )
    return Finding(OK, "stability", seen)


def evaluation(model: nn.Module, images: Any) -> Finding:
    """Does a network in evaluation mode give the same scores twice?"""
    model.eval()
    with no_grad():
        first, second = (model(Tensor(images)).numpy().copy() for _ in range(2))
    if not np.array_equal(first, second, equal_nan=True):
        return Finding(
            PROBLEM, "evaluation", "the same images get different scores twice", "dropout off"
        )
    return Finding(OK, "evaluation", "the same images get the same scores")


def overfit(
    model: nn.Module, optimizer: optim.Optimizer, images: Any, labels: Sequence[int]
) -> Finding:
    """Can the network memorize one small batch, with the run's optimizer and full rate?"""
    rate = optimizer.groups[0]["initial_lr"]
    steps, first, loss = _learn(model, optimizer, images, labels)
    seen = f"the loss of {len(labels)} images went from {first:.3f} to {loss:.3f} in {steps} steps"
    if not math.isfinite(loss) or loss > 1.2 * first:
        return Finding(PROBLEM, "overfitting", seen, f"a smaller rate, such as --lr {rate / 10:g}")
    if loss < MEMORIZED_LOSS_SHARE * first:
        return Finding(OK, "overfitting", seen)
    _, _, loss_at_higher_rate = _learn(model, optimizer, images, labels, HIGHER_RATE_FACTOR)
    if loss_at_higher_rate < MEMORIZED_LOSS_SHARE * first:
        return Finding(
            PROBLEM if loss > UNLEARNED_LOSS_SHARE * first else WARNING,
            "overfitting",
            f"{seen}; {HIGHER_RATE_FACTOR} times the rate learns them: --lr {rate:g} is too small",
            f"--lr {HIGHER_RATE_FACTOR / 3 * rate:.1g}",
        )
    if loss > UNLEARNED_LOSS_SHARE * first:
        return Finding(
            PROBLEM, "overfitting", f"{seen}: nothing is learned", "another --lr, --init default"
        )
    return Finding(WARNING, "overfitting", seen, f"what helps above; else --lr {rate * 10:g}")


def _learn(
    model: nn.Module,
    optimizer: optim.Optimizer,
    images: Any,
    labels: Sequence[int],
    factor: float = 1,
) -> tuple[int, float, float]:
    """Train on one batch with the full rate times a factor; steps made, first and last loss."""
    model.eval()  # no dropout
    first = loss = math.nan
    for step in range(OVERFIT_STEPS):
        for group in optimizer.groups:
            group["lr"] = factor * group["initial_lr"] * min(1, (step + 1) / OVERFIT_WARMUP_STEPS)
        tensor = F.cross_entropy(model(Tensor(images)), labels)
        loss = tensor.item()
        first = loss if step == 0 else first
        if not math.isfinite(loss) or loss < MEMORIZED_LOSS_SHARE * first:
            break
        optimizer.zero_grad()
        tensor.backward()
        optimizer.step()
    return step, first, loss


def speed(trainer: Trainer) -> Finding:
    """How many images does the network learn from in a second?"""
    loader, seconds, count = trainer.train_loader, 0.0, 0
    trainer.model.train()
    with contextlib.closing(loader.batches(epoch=0)) as batches:
        for number, batch in zip(range(TIMED_STEPS + 1), batches):
            started = time.perf_counter()
            logits = trainer.model(Tensor(batch.prepare(trainer.backend)))
            loss = F.cross_entropy(logits, batch.labels)
            trainer.optimizer.zero_grad()
            loss.backward()
            trainer.optimizer.step()
            loss.item()
            # The first step compiles kernels and takes memory.
            if number > 0 or len(loader) == 1:
                seconds += time.perf_counter() - started
                count += len(batch)
    rate = count / seconds
    epochs = trainer.settings.epochs
    epoch = timedelta(seconds=math.ceil(len(loader.dataset) / rate))
    run = timedelta(seconds=epoch.total_seconds() * epochs)
    return Finding(
        OK,
        "speed",
        f"{rate:.0f} images/s in batches of {loader.batch_size}: an epoch takes about {epoch}, "
        f"{epochs} epochs {run}, if the data come as fast",
    )
