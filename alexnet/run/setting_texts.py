"""The settings of a run as people read them."""

from typing import Any

from alexnet.model import layer_values


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with those of the network's variant by their own names."""
    others = {name: value for name, value in settings.items() if name != "network"}
    return others | (settings.get("network") or {})


def shown(value: Any) -> str:
    """The value of a setting for people, as it would be typed where that is possible."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict) and layer_values.DEFAULT not in value:
        return ",".join(f"{name}={shown(own)}" for name, own in value.items())
    return "none" if value is None else layer_values.text(value)
