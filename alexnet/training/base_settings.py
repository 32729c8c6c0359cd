"""The settings of another run, or of a file, with which a new run begins."""

import difflib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from alexnet.errors import UsageError
from alexnet.model import ARCHITECTURES, require_variant
from alexnet.run.folder import RUN_JSON
from alexnet.training.invocation import Invocation
from alexnet.training.loss import AUTO, read_class_weights
from alexnet.training.options import from_keywords
from alexnet.training.recipes import ARCHITECTURE_SETTINGS, FINE_TUNING, OPTIMIZERS, RECIPES
from alexnet.training.settings import NetworkOptions, Settings, options

# What names the data; another data set replaces all of it.
DATA = ("data", "data_root", "train_root", "val_root", "image_column", "label_column")
# What the network of --init-from decides.
INHERITED = ("arch", "network", "image_size", "resize", "scale", "mean", "bias_init")
# What is left out of the settings of another run where an option has another value than there: the
# settings that follow from it, and those that it excludes.
FOLLOWING: dict[str, set[str]] = {
    "recipe": {name for recipe in RECIPES.values() for name in recipe},
    "optimizer": {name for own in OPTIMIZERS.values() for name in own},
    "arch": {name for own in ARCHITECTURE_SETTINGS.values() for name in own}
    | {"network", "bias_init", "image_size", "resize"},
    "init_from": {*INHERITED, *FINE_TUNING},
    "backend": {"precision"},
    "lr_step": {"lr_milestones"},
    "lr_milestones": {"lr_step"},
    "class_weights": {"sampling"},
    "sampling": {"class_weights"},
    **{name: set(DATA) for name in DATA if not name.endswith("column")},
}


def complete(given: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
    """The settings that are given, with what they name read from files.

    For the rest stand those of --like or --config, if either is given.

    Raises:
        UsageError: these are for new runs; or a file cannot be read or understood.
    """
    weights = given.get("class_weights")
    if isinstance(weights, str) and weights != AUTO:
        given = {**given, "class_weights": read_class_weights(Path(weights))}
    if invocation.like is None and invocation.config is None:
        return given
    if invocation.resume is not None:
        raise UsageError("--like and --config are for a new run: leave out --resume")
    if invocation.like is not None and invocation.config is not None:
        raise UsageError("--like and --config exclude each other")
    if invocation.like is not None:
        path = invocation.like
        return _changed(_of_run(path / RUN_JSON if path.is_dir() else path), given)
    assert invocation.config is not None
    if invocation.config.suffix == ".toml":
        return {**_of_file(invocation.config), **given}
    return _changed(_of_run(invocation.config), given)


def _changed(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run with those that are given in their place."""
    left_out: set[str] = set()
    for name, following in FOLLOWING.items():
        if name in given and given[name] != base.get(name):
            left_out |= following
    if given.get("lr_schedule", base.get("lr_schedule")) != base.get("lr_schedule"):
        left_out |= {s.name for s in fields(Settings) if s.metadata["schedules"] is not None}
    base = {name: value for name, value in base.items() if name not in left_out}
    if "scale" in given and "network" in base:
        base["network"] = _with_alpha_for(base, given["scale"])
    return {**base, **given}


def _with_alpha_for(base: dict[str, Any], scale: float) -> dict[str, Any]:
    """The network of a run, with the alpha that is the same function at another scale.

    See `alexnet.model.chosen_variants`.
    """
    network, before = base["network"], base.get("scale", Settings.scale)
    norm = {**ARCHITECTURES[base["arch"]].default_norm, **network.get("norm", {})}
    if norm.get("kind") in (None, "none", "constant") or not isinstance(before, int | float):
        return network
    alpha = norm["alpha"] * (before / scale) ** 2
    return {**network, "norm": {**network.get("norm", {}), "alpha": alpha}}


def _of_run(path: Path) -> dict[str, Any]:
    """The settings in a run.json. The variant of the network is there, if only as {}."""
    content = _read(path, json.loads)
    values = content.get("arguments", content)
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no settings by name")
    _require_known(path, values, fields(Settings))
    network, scale = values.get("network") or {}, values.get("scale")
    try:
        require_variant(values.get("arch", Settings.arch), network)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: network: {error}") from error
    # A list is of the network of --init-from, which has it, too.
    apart = {"network"} | ({"scale"} if isinstance(scale, list) else set())
    base = _parsed(path, {name: value for name, value in values.items() if name not in apart})
    # Each schedule has settings of its own; the others are in the file, too.
    for setting in fields(Settings):
        schedules = setting.metadata["schedules"]
        if schedules is not None and base.get("lr_schedule", Settings.lr_schedule) not in schedules:
            base.pop(setting.name, None)
    # One part for the whole batch is what several processes have as several.
    if base.get("accumulate") == 1:
        del base["accumulate"]
    return {**base, "network": network}


def _of_file(path: Path) -> dict[str, Any]:
    """The settings in a file that people write."""
    content = _read(path, tomllib.loads)
    given = [s for kind in (Settings, NetworkOptions) for s in fields(kind) if s.name in options()]
    _require_known(path, content, given)
    return _parsed(path, content)


def _read(path: Path, parse: Any) -> dict[str, Any]:
    try:
        content = parse(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no settings by name")
    return content


def _require_known(path: Path, values: dict[str, Any], known: Any) -> None:
    names = {setting.name for setting in known}
    if unknown := [name for name in values if name not in names]:
        similar = difflib.get_close_matches(unknown[0], names, n=1)
        advice = f"; did you mean {similar[0]!r}?" if similar else ""
        raise UsageError(f"{path}: there is no setting {unknown[0]!r}{advice}")


def _parsed(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the command line would give them; those that are not set are left out."""
    try:
        return from_keywords(values)[0]
    except (TypeError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
