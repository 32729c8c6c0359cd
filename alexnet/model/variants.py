"""Variants of the networks: which of their arguments make other networks, and with which values.

A checkpoint stores those in which its network differs from the one that its class makes by default.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from alexnet.model import layer_values
from alexnet.model.layers import ColumnNorm, ConstantNorm, WithinChannelNorm
from minigrad import nn

# Far beyond any network; float32 has room for what is computed with it.
LARGEST_CONSTANT = 1e6
LARGEST_WIDTH = 64

_CONSTANTS = ("size", "alpha", "beta", "k")
# The kinds of normalization, and the constants of each.
NORM_KINDS: dict[str, tuple[str, ...]] = {
    "across": _CONSTANTS,
    "columns": _CONSTANTS,
    "within": _CONSTANTS,
    "constant": ("gain",),
    "none": (),
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "pool_before_norm": (True, False),
    "activation": ("relu", "tanh"),
    "pooling": ("overlapping", "plain"),
    "groups": (1, 2),
}
# What the networks do without being asked, but for their normalizations.
DEFAULTS: dict[str, Any] = {
    "pool_before_norm": False,
    "activation": "relu",
    "pooling": "overlapping",
    "groups": 2,
    "width": 1.0,
    "without": [],
}
# Convolutions that a network can do without: those that no normalization or pooling follows.
REMOVABLE = ("conv3", "conv4")


def normalization(norm: Mapping[str, Any], columns: int) -> nn.Module | None:
    """The layer of a normalization; None for the kind "none".

    Args:
        norm: its kind and its constants by name, see `NORM_KINDS`.
        columns: of the channels, for the kind "columns".
    """
    constants = {name: norm[name] for name in NORM_KINDS[norm["kind"]]}
    match norm["kind"]:
        case "across":
            return nn.LocalResponseNorm(**constants)
        case "columns":
            return ColumnNorm(columns, **constants)
        case "within":
            return WithinChannelNorm(**constants)
        case "constant":
            return ConstantNorm(**constants)
    return None


def require_argument(name: str, value: Any, layers: Iterable[str]) -> None:
    """Raise ValueError unless an argument of a network can have this value.

    Args:
        name: of the argument.
        layers: the names of the hidden layers.
    """
    if name == "norm":
        _require_norm(value)
    elif name == "width":
        layer_values.require(name, value, layers, LARGEST_WIDTH)
    elif name == "without":
        if not isinstance(value, list | tuple) or any(n not in REMOVABLE for n in value):
            raise ValueError(f"without must name some of {', '.join(REMOVABLE)}, got {value!r}")
    else:
        choices = _CHOICES[name]
        if type(value) is not type(choices[0]) or value not in choices:
            raise ValueError(f"{name} must be {' or '.join(map(str, choices))}, got {value!r}")


def _require_norm(norm: Any) -> None:
    kind = norm.get("kind", "across") if isinstance(norm, Mapping) else "across"
    if not isinstance(kind, str) or kind not in NORM_KINDS:
        raise ValueError(f"norm: kind must be one of {', '.join(NORM_KINDS)}, got {kind!r}")
    names = NORM_KINDS[kind]
    if not isinstance(norm, Mapping) or norm.keys() - {"kind", *names}:
        listed = ", ".join(("kind", *names))
        raise ValueError(f"norm must have values for some of {listed}, got {norm!r}")
    for name in norm.keys() - {"kind"}:
        value = norm[name]
        is_number = type(value) is int or (type(value) is float and name != "size")
        is_positive = is_number and (value > 0 or (value == 0 and name in ("alpha", "beta")))
        if not is_positive or value > LARGEST_CONSTANT:
            raise ValueError(f"norm: {name} cannot be {value!r}")
    if kind == "constant" and "gain" not in norm:
        raise ValueError("norm: the kind 'constant' needs a gain")
