"""From the command line of a training run to its settings."""

import argparse
import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.data import options as data_options
from alexnet.errors import CheckpointError, UsageError
from alexnet.files import several
from alexnet.model import chosen_variants, layer_values
from alexnet.precision import require_available
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import fine_tuning
from alexnet.training.declaration import option_name
from alexnet.training.invocation import Invocation
from alexnet.training.loss import AUTO, checked_class_weights
from alexnet.training.recipes import (
    ARCHITECTURE_SETTINGS,
    FINE_TUNING,
    OPTIMIZERS,
    RECIPE_NORMS,
    RECIPES,
)
from alexnet.training.settings import NetworkOptions, Settings, options
from minigrad import backend

COMMAND = "python -m alexnet.train"
SEVERAL = ("train_root", "val_root")  # of these a setting names one path or more
EXAMPLES = f"""\
examples:
  {COMMAND}
      the demo set, which the project draws itself
  {COMMAND} --data-root data --subset 5000
      what is in data/ is found out; if it is CIFAR-10, 5,000 of its training images
  {COMMAND} --data-root photos --epochs 20
      your own images: photos/train/CLASS/*, photos/val/CLASS/*, or just photos/CLASS/*
  {COMMAND} --train-root photos/old --val-root photos/new
      the same, from folders of any name
  {COMMAND} --resume runs/demo-alexnet-1
      continue an interrupted run where it stopped
  {COMMAND} --data-root photos --init-from runs/imagenet-alexnet-1
      learn other classes, beginning with what another network has learned
"""
# The sections of --help and their options, in this order. Of those in a tuple one can be given.
SECTIONS: dict[str, list[str | tuple[str, ...]]] = {
    "data": [
        *("data", "data_root", "train_root", "val_root", "image_column", "label_column"),
        *("subset", "image_size", "resize"),
        *("augmentation", "color_noise", "mean", "scale", "bad_images", "max_bad_images"),
        *("max_pixels", "workers"),
    ],
    "network": [
        *("arch", "activation", "norm", "norm_gain", "pooling", "groups", "width", "without"),
        *("dropout", "init", "bias_init"),
    ],
    "training; the recipe decides what is left out": [
        *("recipe", "epochs", "batch_size", "lr", "lr_schedule", "lr_step", "lr_milestones"),
        *("lr_gamma", "lr_patience", "warmup", "optimizer", "momentum", "nesterov"),
        *("weight_decay", "clip_grad_norm", "ema", "label_smoothing", "class_weights"),
        *("sampling", "freeze", "seed", "patience", "accumulate", "columns"),
    ],
    "run": [
        *("backend", "precision", "out", ("resume", "init_from"), "like", "config", "keep"),
        *("save_every", "max_steps", "max_time", "dry_run", "log_every", "tensorboard"),
        *("snapshot_filters", "watch_every"),
    ],
}


def parse(
    argv: list[str] | None,
    prog: str = COMMAND,
    description: str = EXAMPLES,
    own: Mapping[str, cli.Option] | None = None,
) -> tuple[dict[str, Any], Invocation]:
    """The settings that the command line gives, by name, and its other options.

    Args:
        own: options of the command alone, by name; what is given of them is among the settings.

    Raises:
        UsageError: it is wrong.
    """
    parser = _parser(prog, description)
    for option in (own or {}).values():
        option.add_to(parser)
    return _divided(vars(parser.parse_args(argv)))


def from_keywords(given: dict[str, Any]) -> tuple[dict[str, Any], Invocation]:
    """The same as `parse` of arguments of a Python function; None stands for one that is not given.

    Raises:
        TypeError: there is no such option.
        UsageError: an option takes no such value.
    """
    known, values = options(), {}
    for name, value in given.items():
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            advice = f"; did you mean {similar[0]!r}?" if similar else ""
            raise TypeError(f"there is no option {name!r}{advice}")
        if value is not None:
            values[name] = _value(known[name], name, value)
    if {"resume", "init_from"} <= values.keys():
        raise UsageError("init_from is for a new run: leave out resume")
    return _divided(values)


def _value(option: cli.Option, name: str, given: Any) -> Any:
    """What an argument of a function stands for, as if it were typed after the option.

    Raises:
        UsageError: the option takes no such value.
    """
    if "action" in option.keywords:  # a switch
        if not isinstance(given, bool):
            raise UsageError(f"{name}: expected True or False, got {given!r}")
        return given
    if name == "class_weights" and isinstance(given, Mapping):
        return checked_class_weights(given)
    kind, choices = option.keywords.get("type", str), option.keywords.get("choices")
    try:
        value = kind(_text(given))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{name}: {error}") from error
    except ValueError as error:
        raise UsageError(f"{name}: {given!r} is no {kind.__name__}") from error
    if choices is not None and value not in choices:
        raise UsageError(f"{name}: {given!r} is none of {', '.join(map(repr, choices))}")
    return value


def _text(given: Any) -> str:
    """An argument as it would be typed: a list with commas, numbers of layers as 0.5,conv5=1."""
    if isinstance(given, Mapping):
        others = [f"{name}={value}" for name, value in given.items() if name != "default"]
        return ",".join([str(given.get("default", "")), *others])
    if isinstance(given, list | tuple):
        return ",".join(map(str, given)) or "none"
    return str(given)


def _divided(given: dict[str, Any]) -> tuple[dict[str, Any], Invocation]:
    """Settings, and what is not stored with a run."""
    names = {setting.name for setting in fields(Invocation)}
    invocation = Invocation(**{name: given.pop(name) for name in names & given.keys()})
    # Settings are stored as JSON, which has no paths.
    settings = {
        name: ",".join(map(_stored, several(value) if name in SEVERAL else [value]))
        if isinstance(value, Path)
        else value
        for name, value in given.items()
    }
    return settings, invocation


def _stored(path: Path) -> str:
    """A path that means the same wherever a run is continued or looked at.

    Links stay in it, because what they point to may move; but ".." behind one is another folder
    than the text says.
    """
    return str(path.resolve() if ".." in path.parts else path.absolute())


def _parser(prog: str, description: str) -> cli.Parser:
    parser = cli.Parser(
        prog=prog,
        usage=f"{prog} [options]",
        description=description,
        # Only what the user gives appears in the result: a recipe or a run decides the rest.
        argument_default=argparse.SUPPRESS,
    )
    known = options()
    for title, names in SECTIONS.items():
        section = parser.add_argument_group(title)
        for name in names:
            if isinstance(name, str):
                known[name].add_to(section)
            else:
                alternatives = section.add_mutually_exclusive_group()
                for alternative in name:
                    known[alternative].add_to(alternatives)
    return parser


def new_run(
    cli_options: dict[str, Any], pretrained: Checkpoint | None = None, processes: int = 1
) -> Settings:
    """The settings of a new run: those given, and the recipe's for the rest.

    Args:
        pretrained: holds the parameters to begin with.
        processes: that divide each batch among themselves; by default it has a part for each.

    Raises:
        BackendError: the processor lacks the instructions for the precision.
        UsageError: an option has no effect, or contradicts another one or the checkpoint.
    """
    data_options.require_one_root(cli_options)
    recipe = RECIPES[cli_options.get("recipe", Settings.recipe)]
    inherited = {} if pretrained is None else fine_tuning.inherited_settings(pretrained)
    for name, value in inherited.items():
        if cli_options.get(name, value) != value:
            raise UsageError(
                f"{option_name(name)} {cli_options[name]} does not go with --init-from: the "
                f"checkpoint has {value}"
            )
    parts = {"accumulate": 1 if cli_options.get("columns") == 2 else processes}
    optimizer = OPTIMIZERS[cli_options.get("optimizer", Settings.optimizer)]
    chosen, others = _network_options(cli_options)
    given = {**others, **inherited}
    architecture = ARCHITECTURE_SETTINGS.get(given.get("arch", Settings.arch), {})
    if pretrained is not None:
        architecture = {**architecture, **FINE_TUNING}
    values = {**parts, **architecture, **recipe, **optimizer, **given}
    settings = replace(Settings(), **values)
    if pretrained is None:
        settings = replace(settings, network=_network(chosen, settings) or None)
    elif taken := [name for name in (*chosen, "bias_init") if cli_options.get(name) is not None]:
        raise UsageError(
            f"{option_name(taken[0])} does not go with --init-from, whose network is taken as it is"
        )
    if "data_root" in cli_options and "data" not in cli_options:
        settings = replace(settings, data="auto")
    if "train_root" in cli_options:
        settings = replace(settings, data="folder")
    _require_consistent(settings, cli_options, processes)
    if settings.lr_milestones and settings.lr_milestones[0] >= settings.epochs:
        raise UsageError(
            f"--lr-milestones {settings.lr_milestones[0]} is not before the end of the "
            f"{cli.counted(settings.epochs, 'epoch')}"
        )
    return settings


def continued_run(
    cli_options: dict[str, Any], checkpoint: Checkpoint, processes: int = 1
) -> Settings:
    """The settings of a continued run: those given, and the checkpoint's for the rest.

    Args:
        processes: see `new_run`; their number may differ from that of the start before.

    Raises:
        BackendError: the processor lacks the instructions for the precision.
        UsageError: an option has no effect, or cannot be changed when a run is continued.
        CheckpointError: the checkpoint does not tell all settings.
        DataError: the data are no longer where they were.
    """
    # Runs from before there were these settings did not store them.
    stored = {
        "resize": checkpoint.preprocessing.resize,
        "network": checkpoint.network or None,
        "bias_init": None,
        "lr_milestones": None,
        "sampling": Settings.sampling,
        **checkpoint.arguments,
    }
    chosen, cli_options = _network_options(cli_options)
    _require_same_network(chosen, stored)
    for setting in fields(Settings):
        name = setting.name
        if name not in cli_options or setting.metadata["free_on_resume"]:
            continue
        if cli_options[name] != stored.get(name):
            raise UsageError(
                f"{option_name(name)} {cli_options[name]} cannot be changed by --resume: "
                f"the run has {stored.get(name)}"
            )
    values = {**stored, **cli_options}
    if "data_root" in cli_options:
        data_options.require_one_root(cli_options)
        values |= {"train_root": None, "val_root": None}
    elif "train_root" in cli_options:
        values |= {"data_root": None, "val_root": cli_options.get("val_root")}
    data_options.require_one_root(values)
    free = {setting.name for setting in fields(Settings) if setting.metadata["free_on_resume"]}
    names = [s.name for s in fields(Settings) if s.name in values or s.name not in free]
    if missing := sorted(name for name in names if name not in values):
        raise CheckpointError(f"the checkpoint does not tell the run's {', '.join(missing)}")
    settings = Settings(**{name: values[name] for name in names})
    if "data_root" not in cli_options and "train_root" not in cli_options:
        checkpoint.require_data_roots()
    _require_consistent(settings, cli_options, processes)
    return settings


def _network_options(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that choose a variant of the network, and the others."""
    names = {option.name for option in fields(NetworkOptions)}
    chosen = {name: value for name, value in given.items() if name in names}
    return chosen, {name: value for name, value in given.items() if name not in names}


def _require_same_network(chosen: dict[str, Any], stored: dict[str, Any]) -> None:
    """Raise UsageError if options choose another network than that of a run that is continued."""
    if not chosen:
        return
    known = {"arch": stored.get("arch", Settings.arch), "scale": stored.get("scale")}
    if not isinstance(known["scale"], int | float):  # one for each color: of another network
        known["scale"] = 1.0
    variants, own = _variants(chosen, replace(Settings(), **known)), stored.get("network") or {}
    for option, value in chosen.items():
        name = "norm" if option == "norm_gain" else option
        if variants.get(name) != own.get(name):
            shown = ",".join(value) if isinstance(value, list) else layer_values.text(value)
            raise UsageError(
                f"{option_name(option)} {shown} cannot be changed by --resume: the network is "
                f"another one, {own or 'without such options'}"
            )


def _network(chosen: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The arguments of the network of a new run, which may begin with those of another one."""
    if settings.network is None:
        if norm := RECIPE_NORMS.get((settings.recipe, settings.arch)):
            chosen = {"norm": norm, **chosen}
        return _variants(chosen, settings)
    names = {"norm" if option == "norm_gain" else option for option in chosen}
    variants = _variants(chosen, settings) if chosen else {}
    others = {name: value for name, value in settings.network.items() if name not in names}
    return others | {name: value for name, value in variants.items() if name in names}


def _variants(chosen: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The arguments of the network for the options that choose a variant of it.

    Raises:
        UsageError: there is no such network.
    """
    try:
        return chosen_variants(settings.arch, chosen, settings.scale)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _require_consistent(settings: Settings, cli_options: dict[str, Any], processes: int) -> None:
    """Refuse settings that cannot be followed together.

    Raises:
        BackendError: the processor lacks the instructions for the precision.
        UsageError: an option has no effect with the others, or contradicts one.
    """
    for setting in fields(Settings):
        name, schedules = setting.name, setting.metadata["schedules"]
        if cli_options.get(name) is None or schedules is None:
            continue
        if settings.lr_schedule not in schedules:
            raise UsageError(
                f"{option_name(name)} is for --lr-schedule {' or '.join(schedules)}, "
                f"not {settings.lr_schedule}"
            )
    if settings.nesterov and (settings.optimizer != "sgd" or not settings.momentum):
        raise UsageError("--nesterov is for --optimizer sgd with a --momentum above 0")
    if settings.class_weights == AUTO and settings.sampling == "balanced":
        names = "--class-weights auto and --sampling balanced"
        raise UsageError(
            f"{names}, each of which makes all classes count the same, exclude each other"
        )
    if settings.lr_step and settings.lr_milestones:
        raise UsageError("--lr-step and --lr-milestones exclude each other")
    if settings.accumulate > settings.batch_size:
        parts, images = settings.accumulate, settings.batch_size
        raise UsageError(f"--accumulate {parts} is more than the {images} images of a batch")
    if settings.columns == 2:
        _require_two_columns(settings, processes)
    elif settings.accumulate % processes:
        parts = settings.accumulate
        numbers = [str(n) for n in range(1, parts + 1) if parts % n == 0]
        raise UsageError(
            f"{processes} processes cannot share a batch of {cli.counted(parts, 'part')} "
            f"(--accumulate): start {', '.join(numbers)} of them, or give --accumulate {processes}"
        )
    if settings.backend == "cpu":  # processes have not chosen their GPUs yet
        if cli_options.get("precision") == "tf32":
            raise UsageError("--precision tf32 is for --backend cuda: the CPU has float32 and bf16")
        require_available(settings.precision, backend.get("cpu"))


def _require_two_columns(settings: Settings, processes: int) -> None:
    if settings.arch != "alexnet" or (settings.network or {}).get("groups") == 1:
        network = settings.arch if settings.arch != "alexnet" else "the network with --groups 1"
        raise UsageError(f"--columns 2 is for --arch alexnet: {network} has one column")
    # A process has half of each layer, and so no norm of a whole one.
    if settings.optimizer not in ("sgd", "adam"):
        raise UsageError(f"--columns 2 is for --optimizer sgd or adam, not {settings.optimizer}")
    if settings.clip_grad_norm or settings.ema:
        name = "--clip-grad-norm" if settings.clip_grad_norm else "--ema"
        raise UsageError(f"{name} is not for --columns 2")
    if processes != 2:
        raise UsageError(
            f"the two columns (--columns 2) need 2 processes, not {processes}: start them with "
            "mpiexec -n 2, or give --columns 1"
        )
