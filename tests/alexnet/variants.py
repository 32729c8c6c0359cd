"""Variants of the networks, small ones, and the same networks written with PyTorch's functions."""

from typing import NamedTuple

import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.model import ARCHITECTURES
from alexnet.run.checkpoint import Checkpoint

# Constants with which each normalization changes what the network computes.
STRONG = {"alpha": 0.5, "beta": 0.75, "k": 1.5}
NORMS = {
    "across": {"kind": "across", "size": 5, **STRONG},
    "columns": {"kind": "columns", "size": 3, **STRONG},
    "within": {"kind": "within", "size": 3, **STRONG},
    "constant": {"kind": "constant", "gain": 0.625},
    "none": {"kind": "none"},
}
ALL_AT_ONCE = {
    "norm": NORMS["columns"],
    "pool_before_norm": True,
    "activation": "tanh",
    "groups": 1,
    "width": {"default": 0.05, "conv5": 0.1, "fc7": 0.02},
    "without": ["conv4"],
}


class Variant(NamedTuple):
    """A network that a checkpoint can hold."""

    architecture: str
    network: dict
    image_size: int = 67


def _narrow(**network):
    return Variant("alexnet", {"width": 0.05, **network})


VARIANTS = {
    "paper": _narrow(),
    **{f"norm {kind}": _narrow(norm=norm) for kind, norm in NORMS.items()},
    "norm within, pooled first": _narrow(norm=NORMS["within"], pool_before_norm=True),
    "tanh": _narrow(activation="tanh", norm=NORMS["across"]),
    "plain pooling": Variant("alexnet", {"width": 0.05, "pooling": "plain"}, 70),
    "one column": _narrow(groups=1),
    "without conv3": _narrow(without=["conv3"]),
    "without both": _narrow(without=["conv3", "conv4"]),
    "all at once": Variant("alexnet", ALL_AT_ONCE),
    "owt": Variant("owt", {"width": {"default": 0.05, "fc6": 0.02}}, 63),
    "cifar": Variant("cifar", {}, 32),
    **{
        f"cifar, norm {kind}": Variant("cifar", {"norm": norm, "width": 0.25}, 21)
        for kind, norm in NORMS.items()
    },
    "cifar, tanh": Variant("cifar", {"activation": "tanh", "width": {"default": 0.5, "conv3": 1}}),
    "cifar, plain pooling": Variant("cifar", {"pooling": "plain", "width": 0.25}, 18),
}


def build(name, num_classes=3, **options):
    """The network of an entry of `VARIANTS`."""
    architecture, network, size = VARIANTS[name]
    return ARCHITECTURES[architecture](num_classes, size, **{**network, **options})


def checkpoint(name, num_classes=3):
    """A checkpoint of it in which every layer and every bias matters."""
    architecture, network, size = VARIANTS[name]
    model = build(name, num_classes, init="torch")
    fill(model, np.random.default_rng(0))
    preprocessing = Preprocessing(image_size=size, mean=(120, 130, 90), scale=1 / 64)
    classes = [f"class {number}" for number in range(num_classes)]
    return Checkpoint(
        architecture, classes, preprocessing, network=network, model=model.state_dict()
    )


def fill(model, rng):
    """Random parameters with which activations keep a size of about 1."""
    for parameter in model.parameters():
        fan_in = np.prod(parameter.shape[1:]) if parameter.ndim > 1 else 20
        values = rng.standard_normal(parameter.shape) * np.sqrt(2 / fan_in)
        parameter.data[...] = values


# -- the same with PyTorch's functions ---------------------------------------------------------


def in_pytorch(torch, name, parameters, images):
    """The scores that PyTorch's functions give for the parameters of a variant, in their order."""
    architecture, network, _ = VARIANTS[name]
    pairs = iter(zip(parameters[::2], parameters[1::2], strict=True))
    compute = {"alexnet": _alexnet, "owt": _owt, "cifar": _cifar}[architecture]
    options = {key: value for key, value in network.items() if key != "width"}
    return compute(torch, pairs, images, **options)


def _normalized(torch, x, norm, columns=1):
    match norm["kind"]:
        case "across":
            return torch.nn.LocalResponseNorm(norm["size"], *_constants(norm))(x)
        case "columns":
            layer = torch.nn.LocalResponseNorm(norm["size"], *_constants(norm))
            return torch.cat([layer(column) for column in x.chunk(columns, dim=1)], dim=1)
        case "within":
            size, (alpha, beta, k) = norm["size"], _constants(norm)
            ones = torch.ones(x.shape[1], 1, size, size, dtype=x.dtype)
            squares = torch.nn.functional.conv2d(
                x.square(), ones, padding=size // 2, groups=x.shape[1]
            )
            return x / (k + alpha / size**2 * squares).pow(beta)
        case "constant":
            return x * norm["gain"]
    return x


def _constants(norm):
    return norm["alpha"], norm["beta"], norm["k"]


def _alexnet(
    torch, pairs, x, norm=None, pool_before_norm=False, activation="relu", pooling="overlapping",
    groups=2, without=(),
):  # fmt: skip
    f, squash = torch.nn.functional, torch.tanh if activation == "tanh" else torch.relu
    norm = norm or {"kind": "across", "size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
    window = 3 if pooling == "overlapping" else 2

    def normalized_and_pooled(x):
        if pool_before_norm:
            return _normalized(torch, f.max_pool2d(x, window, 2), norm, groups)
        return f.max_pool2d(_normalized(torch, x, norm, groups), window, 2)

    x = normalized_and_pooled(squash(f.conv2d(x, *next(pairs), stride=4)))
    x = normalized_and_pooled(squash(f.conv2d(x, *next(pairs), padding=2, groups=groups)))
    if "conv3" not in without:
        x = squash(f.conv2d(x, *next(pairs), padding=1))
    if "conv4" not in without:
        x = squash(f.conv2d(x, *next(pairs), padding=1, groups=groups))
    x = squash(f.conv2d(x, *next(pairs), padding=1, groups=groups))
    x = f.max_pool2d(x, window, 2).flatten(1)
    x = squash(f.linear(x, *next(pairs)))
    x = squash(f.linear(x, *next(pairs)))
    return f.linear(x, *next(pairs))


def _owt(torch, pairs, x):
    f, relu = torch.nn.functional, torch.relu
    x = f.max_pool2d(relu(f.conv2d(x, *next(pairs), stride=4, padding=2)), 3, 2)
    x = f.max_pool2d(relu(f.conv2d(x, *next(pairs), padding=2)), 3, 2)
    for _ in range(3):
        x = relu(f.conv2d(x, *next(pairs), padding=1))
    x = f.adaptive_avg_pool2d(f.max_pool2d(x, 3, 2), 6).flatten(1)
    x = relu(f.linear(x, *next(pairs)))
    x = relu(f.linear(x, *next(pairs)))
    return f.linear(x, *next(pairs))


def _cifar(torch, pairs, x, norm=None, activation="relu", pooling="overlapping"):
    f, squash = torch.nn.functional, torch.tanh if activation == "tanh" else torch.relu
    norm = norm or {"kind": "within", "size": 3, "alpha": 5e-5, "beta": 0.75, "k": 1.0}
    window = {"kernel_size": 3 if pooling == "overlapping" else 2, "stride": 2}

    def largest(x):
        return f.max_pool2d(x, **window, ceil_mode=True)

    def mean(x):
        """Over the pixels inside: the sum of all pixels of a window divided by that of ones."""
        side = largest(x).shape[2]
        wider = [f.pad(values, (0, 2, 0, 2)) for values in (x, torch.ones_like(x))]
        total, count = (f.avg_pool2d(values, **window)[:, :, :side, :side] for values in wider)
        return total / count

    x = _normalized(torch, squash(largest(f.conv2d(x, *next(pairs), padding=2))), norm)
    x = _normalized(torch, mean(squash(f.conv2d(x, *next(pairs), padding=2))), norm)
    x = mean(squash(f.conv2d(x, *next(pairs), padding=2)))
    return f.linear(x.flatten(1), *next(pairs))
