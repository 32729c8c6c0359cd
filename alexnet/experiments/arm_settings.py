"""The settings of an arm: as options of a run, as what decides its result, and as a command."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from alexnet import cli
from alexnet.data.transforms import default_resize
from alexnet.errors import UsageError
from alexnet.experiments.experiment import Experiment
from alexnet.model import ARCHITECTURES, layer_values
from alexnet.model.variants import DEFAULTS
from alexnet.training.declaration import option_name
from alexnet.training.options import COMMAND, from_keywords, new_run
from alexnet.training.recipes import RECIPE_NORMS
from alexnet.training.settings import Settings, options

# Settings that decide where and how a run is computed and what it keeps, but not its result; the
# seed is a column of its own.
NOT_DECIDING = {
    *("backend", "data_root", "train_root", "val_root", "image_column", "label_column"),
    *("bad_images", "max_bad_images"),
    *("max_pixels", "workers", "seed", "keep", "save_every", "log_every", "tensorboard"),
    "snapshot_filters",
}
NOT_IN_COMMAND = NOT_DECIDING - {"backend", "data_root", "seed"}


@dataclass(frozen=True)
class Computing:
    """Where the images are, and how runs are computed.

    Attributes:
        data_root: as it was given, for the commands in the record.
    """

    data_root: str | None = None
    backend: str = "cpu"
    workers: int = 2
    precision: str = "float32"


def resolved(experiment: Experiment, arm: str, seed: int, computing: Computing) -> Settings:
    """The settings of a run of the experiment.

    Raises:
        BackendError, UsageError: the computer or the options do not allow it.
    """
    settings, _ = from_keywords(keywords(experiment, arm, seed, computing))
    return new_run(settings)


def keywords(experiment: Experiment, arm: str, seed: int, computing: Computing) -> dict[str, Any]:
    """The options of a run by keyword, as `alexnet.fit` takes them.

    Raises:
        UsageError: the folder with the data is not given.
    """
    if experiment.data == "demo":
        data = {"data": "demo"}
    elif computing.data_root is None:
        raise UsageError(
            f"{experiment.name} needs the folder with {experiment.data}: give --data-root DIR"
        )
    else:
        data = {"data_root": computing.data_root}
    return {
        **experiment.settings,
        **experiment.arms[arm],
        **data,
        "seed": seed,
        "backend": computing.backend,
        "workers": computing.workers,
        "precision": computing.precision,
        "keep": 0,
    }


def deciding(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    """Everything that decides the result of an arm, for the record; of values that JSON has."""
    values = {name: value for name, value in asdict(settings).items() if name not in NOT_DECIDING}
    # The same images may lie there in several forms; `data_digest` tells whether they are the same.
    values["data"] = experiment.data
    if experiment.until is not None:
        values["until"] = str(experiment.until)
    return json.loads(json.dumps(values))


def digest(deciding_settings: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that tell settings apart."""
    text = json.dumps(deciding_settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def difference(recorded: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first setting in which two results of `deciding` differ, in words; None if none does.

    An option that is younger than the record had its default.
    """
    defaults = {setting.name: setting.default for setting in fields(Settings)}
    for name in sorted({**recorded, **now}):
        before, after = (values.get(name, defaults.get(name)) for values in (recorded, now))
        if before != after:
            return f"{name} was {before}, and is {after} now"
    return None


def command(given: dict[str, Any], settings: Settings, epochs: int) -> str:
    """The training as a command with every option, whatever the defaults of a later version.

    Args:
        given: the options of the run by keyword, which also choose the network.
        settings: that follow from them.
        epochs: that were made, which may be fewer than the settings allow.
    """
    schedules = {setting.name: setting.metadata["schedules"] for setting in fields(Settings)}
    values = {**asdict(settings), **_implied(given, settings), **given, "epochs": epochs}
    values["data"] = given.get("data")  # else the folder tells
    words: list[str] = []
    for name in options():
        value = values.get(name)
        has_effect = settings.lr_schedule in (schedules.get(name) or [settings.lr_schedule])
        if value is None or not has_effect or name in NOT_IN_COMMAND:
            continue
        if isinstance(value, bool):
            words.append(option_name(name if value else f"no_{name}"))
        else:
            words += [option_name(name), _typed(value)]
    return cli.command(COMMAND, *words)


def _typed(value: Any) -> str:
    """The value of an option as it is typed."""
    return ",".join(map(str, value)) if isinstance(value, list) else layer_values.text(value)


def _implied(given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """What follows today where an option is left out, of those whose default is not a setting."""
    kind = ARCHITECTURES[settings.arch]
    # Layers that are left out cannot be none.
    values = {name: DEFAULTS[name] for name in kind.variants if DEFAULTS.get(name)}
    if kind.norms:
        first = next(iter(kind.norms))
        values["norm"] = RECIPE_NORMS.get((settings.recipe, settings.arch), first)
    if settings.resize is None and settings.image_size is not None:
        values["resize"] = default_resize(settings.image_size)
    # PyTorch's start, which alone is missing here, draws its biases.
    biases = {"default": 0.0, "paper": 1.0, "code2012": kind.code2012_bias}
    if settings.bias_init is None and settings.init in biases:
        values["bias_init"] = biases[settings.init]
    return values
