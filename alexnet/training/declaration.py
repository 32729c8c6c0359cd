"""How a setting is declared, and the types of options that only the training has."""

import argparse
import itertools
from collections.abc import Callable
from dataclasses import field
from typing import Any

from alexnet import cli
from alexnet.cli import Option
from alexnet.model.variants import REMOVABLE


def setting(
    default: Any,
    option: Option | None = None,
    *,
    free_on_resume: bool = False,
    schedules: tuple[str, ...] | None = None,
    **keywords: Any,
) -> Any:
    """Declare a setting.

    Args:
        default: its value unless a recipe, the command line or a checkpoint has another one.
        option: shared with other commands; without one, the option is named after the field.
        free_on_resume: whether a continued run may differ from the original in it. The others
            decide what a checkpoint means: which images and batches are behind it, what the
            network and the optimizer's state are.
        schedules: the learning-rate schedules that use it; None for all.
        keywords: of the option, see `argparse.ArgumentParser.add_argument`; without any, and
            without `option`, the setting is not on the command line.
    """
    metadata = {
        "option": option,
        "keywords": keywords,
        "free_on_resume": free_on_resume,
        "schedules": schedules,
    }
    return field(default=default, metadata=metadata)


def option_name(setting_name: str) -> str:
    """How a setting is called on the command line: "--batch-size" for "batch_size"."""
    return "--" + setting_name.replace("_", "-")


# Alpha of a normalization is divided by the square.
scale = cli.number(float, lambda scale: 1e-4 <= scale <= 1e4, "a number from 0.0001 to 10000")


def or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """The type of an option: a value of another type, or "none" for None."""
    return lambda text: None if text == "none" else kind(text)


def milestones(text: str) -> list[int]:
    """The type of an option: epochs that grow, separated by commas."""
    epochs = [cli.count(number) for number in text.split(",")]
    if any(later <= earlier for earlier, later in itertools.pairwise(epochs)):
        raise argparse.ArgumentTypeError(f"{text!r}: each has to be larger than the one before")
    return epochs


def layers(text: str) -> list[str]:
    """The type of an option: names of layers, separated by commas."""
    return [name.strip() for name in text.split(",")]


def removed_layers(text: str) -> list[str]:
    """The type of an option: names of layers that the network can do without."""
    given = layers(text)
    for name in given:
        if name not in REMOVABLE:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(REMOVABLE)}, got {name!r}")
    return [name for name in REMOVABLE if name in given]
