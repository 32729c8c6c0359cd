"""The networks, their variants, and how their parameters begin."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from alexnet.model.cifar import CifarNet
from alexnet.model.initialization import INITIALIZERS, UNITS_PER_CLASS, learned_layers
from alexnet.model.owt import AlexNetOWT
from alexnet.model.paper import PAPER_NORM, AlexNet
from alexnet.model.variants import DEFAULTS, require_argument
from minigrad import nn

__all__ = [
    "ARCHITECTURES",
    "INITIALIZERS",
    "PAPER_NORM",
    "UNITS_PER_CLASS",
    "AlexNet",
    "AlexNetOWT",
    "CifarNet",
    "chosen_variants",
    "learned_layers",
    "parameter_count",
    "require_variant",
]

Architecture = type[AlexNet] | type[AlexNetOWT] | type[CifarNet]
ARCHITECTURES: dict[str, Architecture] = {"alexnet": AlexNet, "owt": AlexNetOWT, "cifar": CifarNet}


def require_variant(architecture: str, variant: Mapping[str, Any]) -> None:
    """Raise ValueError unless the arguments in `variant` make a network of an architecture.

    Args:
        architecture: name of an entry of `ARCHITECTURES`.
        variant: values of arguments that its class has in `variants`, by name.
    """
    kind = ARCHITECTURES.get(architecture)
    for name, value in variant.items():
        if kind is None or name not in kind.variants:
            raise ValueError(f"the network {architecture!r} has no variants in {name!r}")
        require_argument(name, value, kind.hidden_layers)


def chosen_variants(
    architecture: str, options: Mapping[str, Any], scale: float = 1.0
) -> dict[str, Any]:
    """The arguments of a network for what is chosen by name; see `require_variant`.

    Those that the network has by default are left out.

    Args:
        options: values of arguments in `variants` of the network's class by name, but "norm" is a
            key of its `norms`, by default the first one; and "norm_gain", of the norm "constant".
        scale: of the input, as a multiple of gray levels. Alpha is divided by its square: then
            the normalization does to scaled activations what it would do to those of gray levels.

    Raises:
        ValueError: the network cannot have such a variant.
    """
    chosen = {name: value for name, value in options.items() if name not in ("norm", "norm_gain")}
    norm = _named_norm(architecture, options.get("norm"), options.get("norm_gain"), scale)
    if norm:
        chosen["norm"] = norm
    require_variant(architecture, chosen)
    return {name: value for name, value in chosen.items() if value != DEFAULTS.get(name)}


def _named_norm(
    architecture: str, name: str | None, gain: float | None, scale: float
) -> dict[str, Any]:
    kind = ARCHITECTURES[architecture]
    if name is None and kind.norms:
        name = next(iter(kind.norms))
    if name is not None and name not in kind.norms:
        known = f"it has {', '.join(kind.norms)}" if kind.norms else "it has none at all"
        raise ValueError(f"the network {architecture!r} has no normalization {name!r}: {known}")
    if name == "constant" and gain is None:
        raise ValueError("the normalization 'constant' needs a gain: --norm-gain")
    if name != "constant" and gain is not None:
        raise ValueError("--norm-gain is for --norm constant")
    if name is None:
        return {}
    norm = dict(kind.norms[name])
    if name == "constant":
        norm["gain"] = gain
    elif name != "none" and scale != 1:
        norm["alpha"] = norm.get("alpha", kind.default_norm["alpha"]) / scale**2
    return norm


def parameter_count(model: nn.Module) -> int:
    """Number of weights and biases."""
    return int(np.sum([parameter.numel() for parameter in model.parameters()]))
