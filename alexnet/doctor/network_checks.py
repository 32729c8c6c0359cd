"""The doctor's checks of an untrained network: parameters, signals, class scores."""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding
from alexnet.inference import normalizations
from alexnet.inference.layers import named_layers, outputs
from alexnet.model import PAPER_NORM
from alexnet.model.layers import RESPONSE_NORMS
from alexnet.training.settings import Settings
from alexnet.training.watch import MAX_DEAD_SHARE, dead_units
from minigrad import Tensor, nn, optim
from minigrad import functional as F

# Initial loss as a multiple of ln(classes).
WARNING_LOSS_FACTOR, PROBLEM_LOSS_FACTOR = 1.5, 3
# Standard deviation of the class scores over the images, as a share of their size.
WARNING_IMAGE_SHARE, PROBLEM_IMAGE_SHARE = 0.02, 0.002
# How much more a response normalization divides by than where there is no signal. With alpha for
# the scale of the input, norm1 has 1.0 to 2.5 at the start, and 4 to 8 with ten times that alpha.
MAX_NORMALIZATION_FACTOR = 3.5
# The smallest alpha that a form of the normalization has, as a part of the paper's.
MIN_ALPHA_DIVISOR = 20
# What one step changes, mean |lr * gradient| / mean |weight|.
MIN_STEP_RATIO = 1e-8


class Signal(NamedTuple):
    """A layer's output on a batch, and its weight's gradient.

    Attributes:
        layer: its name.
        size: root of the mean square of the output.
        share: standard deviation over the images, as a share of `size`.
        dead: share of the units that are zero for every image.
        step: mean |lr * gradient| / mean |weight|; None for layers without weights.
        divided: what a response normalization divides by, as a multiple of its constant.
    """

    layer: str
    size: float
    share: float
    dead: float
    step: float | None
    divided: float = 1.0


def parameters(
    model: nn.Module, optimizer: optim.Optimizer, frozen: Collection[str] = ()
) -> Finding:
    """Does the optimizer update every parameter, and do the units of a layer differ?

    Args:
        frozen: the layers that are not to learn.
    """
    updated = {id(p) for group in optimizer.groups for p in group["params"]}
    for name, layer in named_layers(model).items():
        for kind, parameter in layer.named_parameters():
            if name in frozen:
                continue
            if not parameter.requires_grad or id(parameter) not in updated:
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
    for name, layer, output in outputs(model, images):
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
        if isinstance(layer, RESPONSE_NORMS) and size:
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
    help_start = f"--init default with --scale {Settings.scale:.3g}"
    for signal in found:
        if not signal.size > 0:
            seen = f"the output of {signal.layer} is zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.dead > MAX_DEAD_SHARE:
            seen = f"{signal.dead:.0%} of the units of {signal.layer} are zero for all images"
            return Finding(PROBLEM, "layers", seen, help_start)
        if signal.divided > MAX_NORMALIZATION_FACTOR:
            seen = f"{signal.layer} divides by {signal.divided:.2g} times its constant"
            return Finding(
                WARNING, "layers", seen, f"a smaller alpha, as with --scale {Settings.scale:.3g}"
            )
    steps = {signal.layer: signal.step for signal in found if signal.step is not None}
    smallest = min(steps, key=steps.get)
    if steps[smallest] < MIN_STEP_RATIO:
        seen = f"the gradient hardly reaches {smallest}: step/weight {steps[smallest]:.0e}"
        return Finding(PROBLEM, "layers", seen, help_start)
    return Finding(OK, "layers", f"step/weight {min(steps.values()):.0e} or more in every layer")


def normalization(model: nn.Module, images: Any, scale: float) -> Finding:
    """Does a response normalization normalize, or do all of them only multiply by a constant?

    The first one sees the scale of the input. A later one may be a constant at the start: so is
    norm2 of the paper, with weights of N(0, 0.01^2), until they have grown.

    Args:
        scale: of the input: what gray levels were multiplied by.
    """
    norms = {
        name: layer
        for name, layer in named_layers(model).items()
        # Without alpha or beta it is a constant because somebody wants one.
        if isinstance(layer, RESPONSE_NORMS) and layer.alpha and layer.beta
    }
    found = [pairs for pairs in normalizations.pairs(model, images) if pairs.layer in norms]
    alive = [pairs.layer for pairs in found if not pairs.is_constant]
    if alive or not found:
        seen = "there is none"
        if alive:
            seen = f"the output of {' and of '.join(alive)} depends on the activations around"
        return Finding(OK, "normalization", seen)
    alpha = min(layer.alpha for layer in norms.values())
    for_gray_levels = getattr(model, "default_norm", PAPER_NORM)["alpha"]
    wanted = for_gray_levels / scale**2
    seen = f"{' and '.join(norms)} multiply by {found[0].constant:.3f} and do nothing else"
    if alpha < wanted / MIN_ALPHA_DIVISOR:
        return Finding(
            WARNING,
            "normalization",
            f"{seen}: alpha {alpha:.2g} is too small for gray levels times {scale:.3g}",
            f"alpha {wanted:.3g}, the paper's {for_gray_levels:g} / {scale:.3g}²",
        )
    return Finding(
        WARNING,
        "normalization",
        f"{seen}: the activations are too small for alpha {alpha:.2g}",
        "--init default with --scale 0.0156: larger weights in conv1",
    )


def initial_loss(scores: np.ndarray, labels: np.ndarray, num_classes: int) -> Finding:
    """Is the loss that of guessing, ln(classes), and can the last layer give any score?"""
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
    if not loss < WARNING_LOSS_FACTOR * guessing:
        verdict = WARNING if loss < PROBLEM_LOSS_FACTOR * guessing else PROBLEM
        return Finding(
            verdict,
            "initial loss",
            f"{seen}: the network starts out sure of wrong answers",
            "a smaller --scale, or --init default",
        )
    return Finding(OK, "initial loss", seen)


def image_share(scores: np.ndarray) -> Finding:
    """How much of the class scores depends on the image? The rest teaches the network nothing."""
    spread = math.sqrt(scores.var(axis=0, dtype=np.float64).mean())
    size = math.sqrt(np.square(scores, dtype=np.float64).mean())
    share = spread / size if size else 0.0
    seen = f"{share:.2%} of the class scores ({spread:.1e} of {size:.1e}) depend on the image"
    if share < WARNING_IMAGE_SHARE:
        verdict = WARNING if share >= PROBLEM_IMAGE_SHARE else PROBLEM
        return Finding(
            verdict,
            "image share",
            f"{seen}: a long plateau at the loss of guessing",
            "--init default, or --init code2012 with --scale 1",
        )
    return Finding(OK, "image share", seen)
