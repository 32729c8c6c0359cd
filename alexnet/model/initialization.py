"""How the parameters of a network begin."""

import contextlib
import math
from collections.abc import Callable

from alexnet.model.base import ImageClassifier
from minigrad import nn
from minigrad.nn import init as fill

# Hidden units of size 1 for each class, with which the last layer is stable at the default rate.
UNITS_PER_CLASS = 50


def learned_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and fully connected layers from input to output."""
    return [m for _, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def layer_initialization(init: str) -> contextlib.AbstractContextManager:
    """Layers made in this block initialize themselves only if `initialize` leaves them so."""
    return contextlib.nullcontext() if init == "torch" else fill.skipped()


def _default(model: ImageClassifier, input_std: float) -> None:
    """He et al. (2015) for every layer but the last, zero biases, a small last layer.

    Keeps the scale of the activations from layer to layer in training, where dropout scales up the
    units that it keeps, so that learning begins with the first step. The last layer starts with
    logits near zero, where the loss is ln(num_classes). Before a tanh, which lets all of a small
    signal pass, the variance is half as large.

    With few classes the last hidden layer is made smaller. The curvature of the loss in the last
    layer's weights is |h|^2 / num_classes for its input h: with thousands of hidden units of size
    1 and ten classes a rate of 0.01 with momentum 0.9 is at the edge of stability or beyond it,
    and the loss explodes before it falls.
    """
    first, *_, last_hidden, last = learned_layers(model)
    small = min(1, math.sqrt(UNITS_PER_CLASS * len(last.weight) / last.weight.shape[1]))
    kept = 1.0  # fraction of its inputs that dropout keeps
    has_tanh = any(isinstance(module, nn.Tanh) for _, module in model.named_modules())
    variance = 0.5 if has_tanh else 1.0  # as a multiple of He's
    for _, layer in model.named_modules():
        if isinstance(layer, nn.Dropout):
            kept = 1 - layer.p
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            gain = math.sqrt(variance * kept)
            if layer is first:
                gain /= input_std
            elif layer is last_hidden:
                gain *= small
            fill.kaiming_normal_(layer.weight, gain)
            if layer.bias is not None:
                fill.constant_(layer.bias, 0)
            kept = 1.0
    fill.normal_(last.weight, std=0.001)


def _paper(model: ImageClassifier, input_std: float) -> None:
    """Section 5: N(0, 0.01^2), bias 1 in conv2, conv4, conv5 and the hidden layers."""
    for layer in learned_layers(model):
        fill.normal_(layer.weight, std=0.01)
    _fill_biases(model, 1, others=0)


def _code2012(model: ImageClassifier, input_std: float) -> None:
    """The deviations of the authors' configuration: for AlexNet 0.03 in conv3-5.

    AlexNet's biases are 0.1 instead of 1: with few classes a bias of 1 makes the last layer
    unstable.
    """
    for name, layer in zip(model.layer_names, learned_layers(model), strict=True):
        fill.normal_(layer.weight, std=model.code2012_deviations[name])
    _fill_biases(model, model.code2012_bias, others=0)


def _torch(model: ImageClassifier, input_std: float) -> None:
    """PyTorch's default, that of the layers themselves: uniform in +-1 / sqrt(fan_in)."""


# Each fills every parameter, but "torch" leaves them as the layers filled them.
INITIALIZERS: dict[str, Callable[[ImageClassifier, float], None]] = {
    "default": _default,
    "paper": _paper,
    "code2012": _code2012,
    "torch": _torch,
}


def initialize(
    model: ImageClassifier, name: str, bias: float | None = None, input_std: float = 1.0
) -> None:
    """Fill the parameters of a network as an entry of `INITIALIZERS` does.

    Args:
        bias: instead of its values, for the biases that the paper begins with 1.
        input_std: standard deviation of the network's input; "default" makes the first layer's
            output as large as that of the others for it.
    """
    if name not in INITIALIZERS:
        raise ValueError(f"unknown init {name!r}: expected one of {', '.join(INITIALIZERS)}")
    INITIALIZERS[name](model, input_std)
    if bias is not None:
        _fill_biases(model, bias)


def _fill_biases(model: ImageClassifier, value: float, others: float | None = None) -> None:
    """Fill the biases that the paper begins with 1; the others, too, unless that is None."""
    for name, layer in zip(model.layer_names, learned_layers(model), strict=True):
        filled = value if name in model.positive_biases else others
        if layer.bias is not None and filled is not None:
            fill.constant_(layer.bias, filled)
