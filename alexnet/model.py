"""AlexNet as in the paper, and its "one weird trick" successor as in torchvision."""

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad import Tensor, nn
from minigrad.nn import init as fill

# Of section 3.3. The paper's alpha multiplies the sum of squares, ours their mean over 5 channels.
PAPER_NORM: dict[str, Any] = {"size": 5, "alpha": 5 * 1e-4, "beta": 0.75, "k": 2.0}

# Far beyond any network; float32 has room for what is computed with it.
LARGEST_NORM_CONSTANT = 1e6


class AlexNet(nn.Module):
    """The network of Krizhevsky, Sutskever and Hinton (2012), section 3.5.

    The two columns that the paper computes on two GPUs are one network with two groups:
    conv2, conv4 and conv5 see the channels of their own column only, conv3 and the fully
    connected layers see both. With images of 224 pixels, the size in the paper, conv1 could not
    give the 55x55 output that the paper states; with 227 pixels it does.

    60,965,224 parameters at 227 pixels and 1000 classes.

    Args:
        num_classes: 2 or more.
        image_size: height and width of the input, at least 67 pixels.
        dropout: probability after fc6 and fc7 (section 4.2).
        init: a name in `INITIALIZERS`.
        width: multiplies the number of channels and hidden units, for experiments and tests.
        norm: constants of both normalizations that are not the paper's, by their names in
            `nn.LocalResponseNorm`, which divides alpha by size.
        pool_before_norm: pool first, then normalize, as Caffe's CaffeNet does.

    Attributes:
        variants: the arguments that make another network of the same parameters; a checkpoint
            of such a network stores them.
    """

    default_image_size = 227
    minimum_image_size = 67
    variants = ("norm", "pool_before_norm")

    def __init__(
        self,
        num_classes: int = 1000,
        image_size: int = 227,
        dropout: float = 0.5,
        init: str = "default",
        width: float = 1.0,
        norm: Mapping[str, Any] = PAPER_NORM,
        pool_before_norm: bool = False,
    ):
        _check(self, num_classes, image_size)
        require_variant("alexnet", {"norm": norm, "pool_before_norm": pool_before_norm})
        c1, c2, c3, c4, c5, hidden = (_scaled(c, width) for c in (96, 256, 384, 384, 256, 4096))

        def norm_and_pool() -> list[nn.Module]:
            normalize = nn.LocalResponseNorm(**{**PAPER_NORM, **norm})
            pool = nn.MaxPool2d(kernel_size=3, stride=2)
            return [pool, normalize] if pool_before_norm else [nn.Fused(normalize, pool)]

        with _layer_initialization(init):
            self.features = nn.Sequential(
                nn.Fused(nn.Conv2d(3, c1, kernel_size=11, stride=4), nn.ReLU()),
                *norm_and_pool(),
                nn.Fused(nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=2), nn.ReLU()),
                *norm_and_pool(),
                nn.Fused(nn.Conv2d(c2, c3, kernel_size=3, padding=1), nn.ReLU()),
                nn.Fused(nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=2), nn.ReLU()),
                nn.Fused(nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=2), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.classifier = nn.Sequential(
                nn.Flatten(),
                nn.Linear(_feature_count(self.features, image_size), hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(hidden, hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(hidden, num_classes),
            )
        initialize(self, init)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, image_size, image_size) to class scores (N, num_classes)."""
        return self.classifier(self.features(images))


class AlexNetOWT(nn.Module):
    """The one-column network of Krizhevsky (2014), "One weird trick", without normalization.

    Layers, their order and the parameter names are torchvision's `alexnet`; so is the dropout
    before, not after, the hidden layers. 61,100,840 parameters at 1000 classes.

    Args: as for `AlexNet`; image_size is at least 63 pixels.
    """

    default_image_size = 224
    minimum_image_size = 63
    variants = ()

    def __init__(
        self,
        num_classes: int = 1000,
        image_size: int = 224,
        dropout: float = 0.5,
        init: str = "default",
        width: float = 1.0,
    ):
        _check(self, num_classes, image_size)
        c1, c2, c3, c4, c5, hidden = (_scaled(c, width) for c in (64, 192, 384, 256, 256, 4096))
        with _layer_initialization(init):
            self.features = nn.Sequential(
                nn.Fused(nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Fused(nn.Conv2d(c1, c2, kernel_size=5, padding=2), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Fused(nn.Conv2d(c2, c3, kernel_size=3, padding=1), nn.ReLU()),
                nn.Fused(nn.Conv2d(c3, c4, kernel_size=3, padding=1), nn.ReLU()),
                nn.Fused(nn.Conv2d(c4, c5, kernel_size=3, padding=1), nn.ReLU()),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.flatten = nn.Flatten()
            self.classifier = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(c5 * 6 * 6, hidden),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(hidden, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, num_classes),
            )
        initialize(self, init)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, image_size, image_size) to class scores (N, num_classes)."""
        return self.classifier(self.flatten(self.avgpool(self.features(images))))


ARCHITECTURES: dict[str, type[AlexNet] | type[AlexNetOWT]] = {"alexnet": AlexNet, "owt": AlexNetOWT}


def _check(model: AlexNet | AlexNetOWT, num_classes: int, image_size: int) -> None:
    name = type(model).__name__
    if num_classes < 2:
        raise ValueError(f"{name}: num_classes must be at least 2, got {num_classes}")
    if image_size < model.minimum_image_size:
        raise ValueError(
            f"{name}: image_size must be at least {model.minimum_image_size}, got {image_size}"
        )


def require_variant(architecture: str, variant: Mapping[str, Any]) -> None:
    """Raise ValueError unless the arguments in `variant` make a network of an architecture.

    Args:
        architecture: name of an entry of `ARCHITECTURES`.
        variant: values of arguments that its class has in `variants`, by name.
    """
    known = ARCHITECTURES[architecture].variants if architecture in ARCHITECTURES else ()
    for name, value in variant.items():
        if name not in known:
            raise ValueError(f"the network {architecture!r} has no variants in {name!r}")
        if name == "norm":
            _require_norm(value)
        elif not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, got {value!r}")


def _require_norm(norm: Any) -> None:
    if not isinstance(norm, Mapping) or norm.keys() - PAPER_NORM.keys():
        raise ValueError(f"norm must have values for some of {', '.join(PAPER_NORM)}, got {norm!r}")
    for name, value in norm.items():
        is_number = type(value) is int or (type(value) is float and name != "size")
        is_positive = is_number and (value > 0 or (value == 0 and name in ("alpha", "beta")))
        if not is_positive or value > LARGEST_NORM_CONSTANT:
            raise ValueError(f"norm: {name} cannot be {value!r}")


def _scaled(channels: int, width: float) -> int:
    """Channels at this width: even, because two groups share them, and at least 8."""
    return max(8, 2 * round(channels * width / 2))


def _feature_count(features: nn.Sequential, image_size: int) -> int:
    """Elements that the convolutional part gives for an image."""
    shape = 1, 3, image_size, image_size
    for layer in features:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            shape = layer.output_shape(shape)
    return math.prod(shape)


def _layer_initialization(init: str) -> contextlib.AbstractContextManager:
    """Layers made in this block initialize themselves only if `initialize` leaves them so."""
    return contextlib.nullcontext() if init == "torch" else fill.skipped()


def learned_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and fully connected layers from input to output."""
    return [m for _, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


# Hidden units of size 1 for each class, with which the last layer is stable at the default rate.
UNITS_PER_CLASS = 50


def _default(model: nn.Module) -> None:
    """He et al. (2015) for every layer but the last, zero biases, a small last layer.

    Keeps the scale of the activations from layer to layer in training, where dropout scales up the
    units that it keeps, so that learning begins with the first step. The last layer starts with
    logits near zero, where the loss is ln(num_classes).

    With few classes the last hidden layer is made smaller. The curvature of the loss in the last
    layer's weights is |h|^2 / num_classes for its input h: with thousands of hidden units of size
    1 and ten classes a rate of 0.01 with momentum 0.9 is at the edge of stability or beyond it,
    and the loss explodes before it falls.
    """
    *_, last_hidden, last = learned_layers(model)
    small = min(1, math.sqrt(UNITS_PER_CLASS * len(last.weight) / last.weight.shape[1]))
    kept = 1.0  # fraction of its inputs that dropout keeps
    for _, layer in model.named_modules():
        if isinstance(layer, nn.Dropout):
            kept = 1 - layer.p
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            gain = math.sqrt(kept) * (small if layer is last_hidden else 1)
            fill.kaiming_normal_(layer.weight, gain)
            if layer.bias is not None:
                fill.constant_(layer.bias, 0)
            kept = 1.0
    fill.normal_(last.weight, std=0.001)


def _fixed(model: nn.Module, stds: tuple[float, ...], ones: float) -> None:
    biases = (0, ones, 0, ones, ones, ones, ones, 0)
    for layer, std, bias in zip(learned_layers(model), stds, biases):
        fill.normal_(layer.weight, std=std)
        if layer.bias is not None:
            fill.constant_(layer.bias, bias)


def _paper(model: nn.Module) -> None:
    """Section 5: N(0, 0.01^2), bias 1 in conv2, conv4, conv5 and the hidden layers."""
    _fixed(model, (0.01,) * 8, ones=1)


def _code2012(model: nn.Module) -> None:
    """The configuration of the network whose results the paper reports: 0.03 in conv3-5.

    Biases of 0.1 instead of 1: with few classes a bias of 1 makes the last layer unstable.
    """
    _fixed(model, (0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01), ones=0.1)


def _torch(model: nn.Module) -> None:
    """PyTorch's default, that of the layers themselves: uniform in +-1 / sqrt(fan_in)."""


# Each fills every parameter, but "torch" leaves them as the layers filled them.
INITIALIZERS: dict[str, Callable[[nn.Module], None]] = {
    "default": _default,
    "paper": _paper,
    "code2012": _code2012,
    "torch": _torch,
}


def initialize(model: nn.Module, name: str) -> None:
    """Fill the parameters of a network as an entry of `INITIALIZERS` does."""
    if name not in INITIALIZERS:
        raise ValueError(f"unknown init {name!r}: expected one of {', '.join(INITIALIZERS)}")
    INITIALIZERS[name](model)


def parameter_count(model: nn.Module) -> int:
    """Number of weights and biases."""
    return int(np.sum([parameter.numel() for parameter in model.parameters()]))
