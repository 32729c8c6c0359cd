"""The doctor's checks of parameters, signals and losses."""

import contextlib
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding
from alexnet.inference import layers as network_layers
from alexnet.training.trainer import Trainer
from alexnet.training.watch import dead_units
from minigrad import Tensor, nn, no_grad, optim
from minigrad import functional as F

# Initial loss as a multiple of ln(classes).
LARGE_LOSS, HUGE_LOSS = 1.5, 3
# Standard deviation over images of the class scores against their size.
SMALL_SHARE, TINY_SHARE = 0.02, 0.002
DEAD = 0.95
# How much stronger a response normalization divides than where there is no signal; 1.0 is usual.
STRONG_NORMALIZATION = 1.1
# What one step changes, mean |lr * gradient| / mean |weight|.
TINY_STEP = 1e-8
OVERFIT_STEPS, OVERFIT_WARMUP = 200, 10
# Loss of the overfitted batch as a share of the loss at its beginning.
OVERFITTED, NOT_LEARNT = 0.1, 0.9
# What is tried where a rate does not learn a batch by heart.
HIGHER_RATE = 30
STEPS_TIMED = 2


class Signal(NamedTuple):
    """A layer's output on a batch, and its weight's gradient.

    Attributes:
        layer: its name.
        size: root of the mean square of the output.
        share: standard deviation over the images, as a share of `size`.
        dead: share of units that are zero for every image.
        step: mean |lr * gradient| / mean |weight|; None for layers without weights.
        divided: by a response normalization, as a multiple of what it divides no signal by.
    """

    layer: str
    size: float
    share: float
    dead: float
    step: float | None
    divided: float = 1.0


def parameters(model: nn.Module, optimizer: optim.Optimizer) -> Finding:
    """Does the optimizer learn every parameter, and do the units of a layer differ?"""
    learnt = {id(p) for group in optimizer.groups for p in group["params"]}
    for name, layer in network_layers.named_layers(model).items():
        for kind, parameter in layer.named_parameters():
            if not parameter.requires_grad or id(parameter) not in learnt:
                why = (
                    "the optimizer does not have it"
                    if parameter.requires_grad
                    else "its requires_grad is False"
                )
                return Finding(
                    PROBLEM,
                    "parameters",
                    f"the {kind} of {name} is frozen: {why}",
                    "giving all parameters to the optimizer, with requires_grad",
                )
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weight = layer.weight.numpy()
            if (weight == weight.flat[0]).all():
                return Finding(
                    PROBLEM,
                    "parameters",
                    f"all weights of {name} are {weight.flat[0]:g}: its units "
                    "learn the same, or nothing",
                    "a random start: --init default",
                )
    return Finding(OK, "parameters", "the optimizer has all of them; the units of a layer differ")


def signals(
    model: nn.Module, images: Any, labels: np.ndarray, rate: float
) -> tuple[list[Signal], np.ndarray]:
    """Every layer's signal, without dropout, and the scores (N, C).

    Args:
        rate: learning rate of the weights.
    """
    model.eval()
    model.zero_grad()
    F.cross_entropy(model(Tensor(images)), labels).backward()
    found, values = [], None
    for name, layer, output in network_layers.outputs(model, images):
        values = output.numpy().copy()
        size = math.sqrt(np.square(values, dtype=np.float64).mean())
        spread = math.sqrt(values.var(axis=0, dtype=np.float64).mean())
        step = None
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weight, gradient = layer.weight.numpy(), layer.weight.grad
            step = 0.0
            if gradient is not None and (mean := np.abs(weight).mean()):
                step = float(rate * np.abs(gradient.numpy()).mean() / mean)
        divided = 1.0
        if isinstance(layer, nn.LocalResponseNorm) and size:
            divided = found[-1].size / size / layer.k**layer.beta
        dead = dead_units(values) if isinstance(layer, nn.ReLU) else 0.0
        found.append(Signal(name, size, spread / size if size else 0.0, dead, step, divided))
    model.zero_grad()
    return found, values


def table(found: list[Signal]) -> str:
    """The signals as text."""
    lines = [f"{'layer':<10}{'output size':>12}{'of it image':>13}{'dead':>7}{'step/weight':>13}"]
    for name, size, share, dead, step, _ in found:
        lines.append(
            f"{name:<10}{size:>12.2e}{share:>13.2%}{dead:>7.0%}"
            + ("" if step is None else f"{step:>13.1e}")
        )
    return "\n".join(lines)


def layers(found: list[Signal]) -> Finding:
    """Does the signal reach the last layer, and the gradient the first?"""
    help_start = "--init default with --scale 0.0156"
    for signal in found:
        if not signal.size > 0:
            seen = f"the output of {signal.layer} is zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.dead > DEAD:
            seen = f"{signal.dead:.0%} of the units of {signal.layer} are zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.divided > STRONG_NORMALIZATION:
            seen = f"{signal.layer} divides by {signal.divided:.2g} times its constant"
            return Finding(WARNING, "layers", seen, "a smaller alpha, or a smaller --scale")
    steps = {signal.layer: signal.step for signal in found if signal.step is not None}
    smallest = min(steps, key=steps.get)
    if steps[smallest] < TINY_STEP:
        seen = f"the gradient hardly reaches {smallest}: step/weight {steps[smallest]:.0e}"
        return Finding(PROBLEM, "layers", seen, help_start)
    return Finding(OK, "layers", f"step/weight {min(steps.values()):.0e} or more in every layer")


def initial_loss(scores: np.ndarray, labels: np.ndarray, num_classes: int) -> Finding:
    """Is it that of guessing, ln(classes), and can the last layer give any score?"""
    if scores.shape[1] != num_classes:
        return Finding(
            PROBLEM,
            "initial loss",
            f"the network scores {scores.shape[1]:,} classes, the data have {num_classes:,}",
            f"a last layer with {num_classes:,} outputs",
        )
    loss = F.cross_entropy(Tensor(scores), labels).item()
    guessing = math.log(scores.shape[1])
    seen = f"{loss:.3f}; guessing has ln({scores.shape[1]}) = {guessing:.3f}"
    if scores.min() >= 0 and (scores == 0).mean() > 0.1:
        return Finding(
            PROBLEM,
            "initial loss",
            f"{seen}; no class score is negative, {(scores == 0).mean():.0%} are exactly zero",
            "removing the ReLU after the last layer",
        )
    if not loss < LARGE_LOSS * guessing:
        verdict = WARNING if loss < HUGE_LOSS * guessing else PROBLEM
        return Finding(
            verdict,
            "initial loss",
            f"{seen}: the network begins sure of wrong answers",
            "a smaller --scale (0.0156 gives unit input), or --init default",
        )
    return Finding(OK, "initial loss", seen)


def image_share(scores: np.ndarray) -> Finding:
    """How much of the class scores depends on the image? What does not cannot be learnt from."""
    spread = math.sqrt(scores.var(axis=0, dtype=np.float64).mean())
    size = math.sqrt(np.square(scores, dtype=np.float64).mean())
    share = spread / size if size else 0.0
    seen = f"{share:.2%} of the class scores ({spread:.1e} of {size:.1e}) depend on the image"
    if share < SMALL_SHARE:
        verdict = WARNING if share >= TINY_SHARE else PROBLEM
        return Finding(
            verdict,
            "image share",
            f"{seen}: a long plateau at the loss of guessing",
            "--init default, or --init code2012 with --scale 1",
        )
    return Finding(OK, "image share", seen)


def head_stability(model: nn.Module, images: Any, optimizer: optim.Optimizer) -> Finding:
    """Is the rate small enough for the last layer?

    The curvature of the loss in the last layer's weights, while the classes are equally probable,
    is the largest eigenvalue of E[h h'] / C for its input h, with dropout. Gradient descent with
    momentum m is stable while rate * curvature < 2 (1 + m).
    """
    features = before = None
    for _, layer, output in network_layers.outputs(model, images, dropout=True):
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
    """Does a network in evaluation mode say the same twice?"""
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
    """Can the network learn one small batch by heart, with the run's optimizer and full rate?"""
    rate = optimizer.groups[0]["initial_lr"]
    steps, first, loss = _learn(model, optimizer, images, labels)
    seen = f"the loss of {len(labels)} images went from {first:.3f} to {loss:.3f} in {steps} steps"
    if not math.isfinite(loss) or loss > 1.2 * first:
        return Finding(PROBLEM, "overfitting", seen, f"a smaller rate, such as --lr {rate / 10:g}")
    if loss < OVERFITTED * first:
        return Finding(OK, "overfitting", seen)
    _, _, loss_at_higher_rate = _learn(model, optimizer, images, labels, HIGHER_RATE)
    if loss_at_higher_rate < OVERFITTED * first:
        return Finding(
            PROBLEM if loss > NOT_LEARNT * first else WARNING,
            "overfitting",
            f"{seen}; {HIGHER_RATE} times the rate learns them: --lr {rate:g} is too small",
            f"--lr {HIGHER_RATE / 3 * rate:.1g}",
        )
    if loss > NOT_LEARNT * first:
        return Finding(
            PROBLEM, "overfitting", f"{seen}: nothing is learnt", "another --lr, --init default"
        )
    return Finding(WARNING, "overfitting", seen, f"what helps above; else --lr {rate * 10:g}")


def _learn(
    model: nn.Module,
    optimizer: optim.Optimizer,
    images: Any,
    labels: Sequence[int],
    factor: float = 1,
) -> tuple[int, float, float]:
    """Steps made on a batch with the full rate times a factor, and the first and the last loss."""
    model.eval()  # no dropout
    first = loss = math.nan
    for step in range(OVERFIT_STEPS):
        for group in optimizer.groups:
            group["lr"] = factor * group["initial_lr"] * min(1, (step + 1) / OVERFIT_WARMUP)
        tensor = F.cross_entropy(model(Tensor(images)), labels)
        loss = tensor.item()
        first = loss if step == 0 else first
        if not math.isfinite(loss) or loss < OVERFITTED * first:
            break
        optimizer.zero_grad()
        tensor.backward()
        optimizer.step()
    return step, first, loss


def speed(trainer: Trainer) -> Finding:
    """How fast are batches made, and how fast learnt from?"""
    loader, learning, count = trainer.train_loader, 0.0, 0
    trainer.model.train()
    with contextlib.closing(loader.batches(epoch=0)) as batches:
        for number, batch in zip(range(STEPS_TIMED + 1), batches):
            started = time.perf_counter()
            logits = trainer.model(Tensor(batch.prepare(trainer.backend)))
            loss = F.cross_entropy(logits, batch.labels)
            trainer.optimizer.zero_grad()
            loss.backward()
            trainer.optimizer.step()
            loss.item()
            # The first step compiles kernels and takes memory.
            if number > 0 or len(loader) == 1:
                learning += time.perf_counter() - started
                count += len(batch)
    rate = count / learning
    epochs = trainer.settings.epochs
    epoch = timedelta(seconds=math.ceil(len(loader.dataset) / rate))
    run = timedelta(seconds=epoch.total_seconds() * epochs)
    return Finding(
        OK,
        "speed",
        f"{rate:.0f} images/s in batches of {loader.batch_size}: an epoch takes about {epoch}, "
        f"{epochs} epochs {run}, if the data come as fast",
    )
