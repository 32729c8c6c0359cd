"""The checks of ``python -m alexnet.doctor``: each looks at one thing and gives a `Finding`."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from alexnet import probe
from alexnet.data import Dataset
from alexnet.watch import dead_units
from minigrad import Tensor, nn, no_grad, optim
from minigrad import functional as F

OK, WARNING, PROBLEM = "OK", "WARNING", "PROBLEM"
DATA_CHECK = "python -m alexnet.data check says more"

LARGE_IMBALANCE, FEW_IMAGES = 10, 10
# Standard deviation of the input that a start of the weights was made for: unit variance, or the
# paper's grey levels of 0 to 255.
INPUT_SIZES = {
    "default": (0.2, 5),
    "torch": (0.2, 5),
    "paper": (10, 200),
    "code2012": (10, 200),
}
# Initial loss as a multiple of ln(classes).
LARGE_LOSS, HUGE_LOSS = 1.5, 3
# Standard deviation over images of the class scores against their size.
SMALL_SHARE, TINY_SHARE = 0.02, 0.002
DEAD = 0.95
# How much stronger a response normalization divides than where there is no signal; 1.0 is usual.
STRONG_NORMALIZATION = 1.1
# What one step changes, mean |lr * gradient| / mean |weight|.
TINY_STEP = 1e-8
OVERFIT_STEPS, OVERFIT_WARMUP = 60, 10
# Loss of the overfitted batch as a share of the loss at its beginning.
OVERFITTED, NOT_LEARNT = 0.1, 0.9


class Finding(NamedTuple):
    """What a check saw; `helps` is empty where all is well."""

    verdict: str
    check: str
    seen: str
    helps: str = ""


class Signal(NamedTuple):
    """A layer's output on a batch, and its weight's gradient.

    Attributes:
        title: name and kind.
        size: root of the mean square of the output.
        share: standard deviation over the images, as a share of `size`.
        dead: share of units that are zero for every image.
        step: mean |lr * gradient| / mean |weight|; None for layers without weights.
        divided: by a response normalization, as a multiple of what it divides no signal by.
    """

    title: str
    size: float
    share: float
    dead: float
    step: float | None
    divided: float = 1.0


def labels(train: Dataset, validation: Dataset) -> Finding:
    """Are there images of all classes, and enough?"""
    counts = np.bincount(train.labels, minlength=len(train.classes))
    seen = (
        f"{len(train):,} training images of {len(train.classes)} classes, {counts.min():,} to "
        f"{counts.max():,} each; {len(validation):,} for validation"
    )
    if np.count_nonzero(counts) < 2:
        only = train.classes[counts.argmax()]
        return Finding(PROBLEM, "data", f"{seen}: all are {only!r}", DATA_CHECK)
    if missing := [name for name, count in zip(train.classes, counts) if count == 0]:
        return Finding(WARNING, "data", f"{seen}: no image of {', '.join(missing[:5])}", DATA_CHECK)
    if counts.min() < FEW_IMAGES:
        rarest = train.classes[counts.argmin()]
        return Finding(WARNING, "data", f"{seen}: few of {rarest!r}", f"more images; {DATA_CHECK}")
    if counts.max() > LARGE_IMBALANCE * counts.min():
        return Finding(
            WARNING,
            "data",
            f"{seen}: guessing {train.classes[counts.argmax()]!r} is right for "
            f"{counts.max() / len(train):.0%}",
            f"more images of the rare classes; {DATA_CHECK}",
        )
    return Finding(OK, "data", seen)


def network_input(images: np.ndarray, init: str) -> Finding:
    """Is the input centred, and of the size that the start of the weights was made for?"""
    mean, deviation = float(images.mean()), float(images.std())
    seen = f"mean {mean:.3g}, standard deviation {deviation:.3g}"
    if deviation == 0 or (images == images[0]).all():
        return Finding(PROBLEM, "input", f"{seen}: all images are the same", DATA_CHECK)
    if abs(mean) > deviation:
        return Finding(WARNING, "input", f"{seen}: not centred", "subtracting the mean")
    least, most = INPUT_SIZES[init]
    if not least <= deviation <= most:
        good = 1 / 64 if most < 10 else 1
        return Finding(
            WARNING,
            "input",
            f"{seen}; --init {init} is made for {least:g} to {most:g}",
            f"--scale {good:.3g}",
        )
    return Finding(OK, "input", seen)


def signals(
    model: nn.Module, images: Any, labels: np.ndarray, rate: float
) -> tuple[list[Signal], np.ndarray, np.ndarray]:
    """Every layer's signal, without dropout.

    Args:
        rate: learning rate of the weights.

    Returns:
        the signals; the input of the last layer (N, features); its output, the scores (N, C).
    """
    model.eval()
    model.zero_grad()
    F.cross_entropy(model(Tensor(images)), labels).backward()
    found, features, values = [], None, None
    for name, layer, output in probe.outputs(model, images):
        features = values if isinstance(layer, nn.Linear) else features
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
        title = probe.title(name, layer)
        found.append(Signal(title, size, spread / size if size else 0.0, dead, step, divided))
    model.zero_grad()
    return found, features, values


def table(found: list[Signal]) -> str:
    """The signals as text."""
    lines = [f"{'layer':<34}{'output size':>12}{'of it image':>13}{'dead':>7}{'step/weight':>13}"]
    for title, size, share, dead, step, _ in found:
        lines.append(
            f"{title:<34}{size:>12.2e}{share:>13.2%}{dead:>7.0%}"
            + ("" if step is None else f"{step:>13.1e}")
        )
    return "\n".join(lines)


def layers(found: list[Signal]) -> Finding:
    """Does the signal reach the last layer, and the gradient the first?"""
    help_start = "--init default with --scale 0.0156"
    for signal in found:
        if not signal.size > 0:
            seen = f"the output of {signal.title} is zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.dead > DEAD:
            seen = f"{signal.dead:.0%} of the units of {signal.title} are zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.divided > STRONG_NORMALIZATION:
            seen = f"{signal.title} divides by {signal.divided:.2g} times its constant"
            return Finding(WARNING, "layers", seen, "a smaller alpha, or a smaller --scale")
    steps = {signal.title: signal.step for signal in found if signal.step is not None}
    smallest = min(steps, key=steps.get)
    if steps[smallest] < TINY_STEP:
        seen = f"the gradient hardly reaches {smallest}: step/weight {steps[smallest]:.0e}"
        return Finding(PROBLEM, "layers", seen, help_start)
    return Finding(OK, "layers", f"step/weight {min(steps.values()):.0e} or more in every layer")


def initial_loss(scores: np.ndarray, labels: np.ndarray) -> Finding:
    """Is it that of guessing, ln(classes), and can the last layer give any score?"""
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


def head_stability(features: np.ndarray, num_classes: int, optimizer: optim.Optimizer) -> Finding:
    """Is the rate small enough for the last layer?

    The curvature of the loss in the last layer's weights, while the classes are equally probable,
    is the largest eigenvalue of E[h h'] / C for its input h. Gradient descent with momentum m is
    stable while rate * curvature < 2 (1 + m).
    """
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
    model.eval()  # no dropout
    first = loss = math.nan
    for step in range(OVERFIT_STEPS):
        for group in optimizer.groups:
            group["lr"] = group["initial_lr"] * min(1, (step + 1) / OVERFIT_WARMUP)
        tensor = F.cross_entropy(model(Tensor(images)), labels)
        loss = tensor.item()
        first = loss if step == 0 else first
        if not math.isfinite(loss) or loss < OVERFITTED * first:
            break
        optimizer.zero_grad()
        tensor.backward()
        optimizer.step()
    rate = optimizer.groups[0]["initial_lr"]
    seen = f"the loss of {len(labels)} images went from {first:.3f} to {loss:.3f} in {step} steps"
    if not math.isfinite(loss) or loss > 1.2 * first:
        return Finding(PROBLEM, "overfitting", seen, f"a smaller rate, such as --lr {rate / 10:g}")
    if loss > NOT_LEARNT * first:
        return Finding(
            PROBLEM, "overfitting", f"{seen}: nothing is learnt", "another --lr, --init default"
        )
    if loss >= OVERFITTED * first:
        return Finding(WARNING, "overfitting", seen, f"what helps above; else --lr {rate * 10:g}")
    return Finding(OK, "overfitting", seen)
