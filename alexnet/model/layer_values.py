"""A number for all layers, and others for single ones: 0.5, or {"default": 0.5, "conv5": 1.0}."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any

DEFAULT = "default"

LayerValues = float | Mapping[str, float]


def parser(number: Callable[[str], float]) -> Callable[[str], LayerValues]:
    """A `type` of argparse for text like "0.5" or "0.5,conv5=1".

    Args:
        number: the `type` of each number; it raises ArgumentTypeError or ValueError.
    """

    def parse(text: str) -> LayerValues:
        first, *others = text.split(",")
        values = {DEFAULT: number(first)}
        for other in others:
            name, separator, value = other.strip().partition("=")
            if not separator or not name or name in values:
                raise argparse.ArgumentTypeError(
                    f"expected a number, then LAYER=NUMBER for single layers, got {text!r}"
                )
            values[name] = number(value)
        return values if others else values[DEFAULT]

    return parse


def text(values: Any) -> str:
    """As the option of `parser` has it; any other value as Python has it."""
    if not isinstance(values, Mapping) or DEFAULT not in values:
        return str(values)
    others = [f"{name}={value}" for name, value in values.items() if name != DEFAULT]
    return ",".join([str(values[DEFAULT]), *others])


def layer_value(values: LayerValues, name: str) -> float:
    """The number of a layer."""
    if isinstance(values, Mapping):
        return values.get(name, values[DEFAULT])
    return values


def require(what: str, values: Any, names: Iterable[str], largest: float) -> None:
    """Raise ValueError unless each value is at least 0 and each layer one of `names`.

    Args:
        what: the values are, for the message.
    """
    if not isinstance(values, Mapping):
        values = {DEFAULT: values}
    for name, value in values.items():
        if name != DEFAULT and name not in names:
            raise ValueError(f"{what}: there is no layer {name!r}, only {', '.join(names)}")
        if type(value) not in (int, float) or not 0 <= value <= largest:
            raise ValueError(f"{what} cannot be {value!r}")
    if DEFAULT not in values:
        raise ValueError(f"{what} needs a number for all other layers, got {values!r}")
