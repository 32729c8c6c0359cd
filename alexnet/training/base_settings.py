"""The settings of another run, or of a file, with which a new run begins."""

import difflib
import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from alexnet.errors import UsageError
from alexnet.run.folder import RUN_JSON
from alexnet.training.invocation import Invocation
from alexnet.training.options import from_keywords
from alexnet.training.settings import NetworkOptions, Settings

# What names the data; another data set replaces all of it.
DATA = ("data", "data_root", "train_root", "val_root")
# What the network of --init-from decides.
INHERITED = ("arch", "network", "image_size", "resize", "scale", "mean")
# Values that no option has: dictionaries of a run.
STORED_FORMS = {"network": dict, "class_weights": dict, "scale": list}


def complete(given: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
    """The settings that are given, and for the rest those of --like or --config.

    Raises:
        UsageError: they are for new runs; or what they name cannot be read or understood.
    """
    if invocation.like is None and invocation.config is None:
        return given
    if invocation.resume is not None:
        raise UsageError("--like and --config are for a new run: leave out --resume")
    if invocation.like is not None and invocation.config is not None:
        raise UsageError("--like and --config exclude each other")
    if invocation.like is not None:
        path = invocation.like
        base = _read(path / RUN_JSON if path.is_dir() else path)
    else:
        assert invocation.config is not None
        base = _read(invocation.config)
    left_out: set[str] = set()
    if any(name in given for name in DATA):
        left_out.update(DATA)
    if "init_from" in given:
        left_out.update(INHERITED)
    if given.get("arch", base.get("arch")) != base.get("arch"):
        left_out.add("network")
    schedule = given.get("lr_schedule", base.get("lr_schedule", Settings.lr_schedule))
    for setting in fields(Settings):
        schedules = setting.metadata["schedules"]
        if schedules is not None and schedule not in schedules:
            left_out.add(setting.name)
    base = {name: value for name, value in base.items() if name not in left_out}
    if "scale" in given:
        _change_scale(base, given["scale"])
    return {**base, **given}


def _change_scale(base: dict[str, Any], scale: float) -> None:
    """Give a normalization the alpha with which it is the same function; see `chosen_variants`."""
    norm, before = base.get("network", {}).get("norm", {}), base.get("scale", Settings.scale)
    if "alpha" in norm and isinstance(before, int | float):
        alpha = norm["alpha"] * (before / scale) ** 2
        base["network"] = {**base["network"], "norm": {**norm, "alpha": alpha}}


def _read(path: Path) -> dict[str, Any]:
    """The settings in a file, TOML or JSON, by their names."""
    try:
        content = path.read_text("utf-8")
        values = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if isinstance(values, dict) and isinstance(values.get("arguments"), dict):
        values = values["arguments"]  # run.json
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no settings by name")
    known = {setting.name for kind in (Settings, NetworkOptions) for setting in fields(kind)}
    if unknown := [name for name in values if name not in known]:
        similar = difflib.get_close_matches(unknown[0], known, n=1)
        advice = f"; did you mean {similar[0]!r}?" if similar else ""
        raise UsageError(f"{path}: there is no setting {unknown[0]!r}{advice}")
    # Those that are not set; and of one part for the whole batch several processes have several.
    values = {name: value for name, value in values.items() if value is not None}
    if values.get("accumulate") == 1:
        del values["accumulate"]
    stored = {
        name: value
        for name, value in values.items()
        if name in STORED_FORMS and isinstance(value, STORED_FORMS[name])
    }
    try:
        parsed, _ = from_keywords({name: values[name] for name in values.keys() - stored.keys()})
    except (TypeError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    return {**parsed, **stored}
