"""Checkpoints that are given to others: the network, and what is known of it."""

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.errors import UsageError
from alexnet.run.checkpoint import Checkpoint
from alexnet.training.settings import Settings, options
from minigrad import io

DTYPES = ("float32", "float16", "bfloat16")
# Of `alexnet.training.state.TrainingState`; the rest is what only continuing the run needs.
KEPT_OF_TRAINING = ("epoch", "step", "best_top1", "best_epoch")
ROUNDED_TO = "rounded_to"
# Settings of the machine, and of what a run keeps: nothing that was learned depends on them.
NOT_KEPT = {
    *("backend", "workers", "keep", "save_every", "log_every", "tensorboard", "snapshot_filters"),
}


def slim(checkpoint: Checkpoint, dtype: str = "float32") -> Checkpoint:
    """A checkpoint without what only continuing its run needs, and without paths.

    Args:
        dtype: "float32", "float16" or "bfloat16". The parameters are rounded to it, and stay
            float32 in memory; `training` tells the types that they were rounded to so far.

    Raises:
        UsageError: the type cannot hold a parameter.
    """
    training = {k: v for k, v in checkpoint.training.items() if k in KEPT_OF_TRAINING}
    types = checkpoint.training.get(ROUNDED_TO, [])
    if dtype != "float32" and dtype not in types:
        types = [*types, dtype]
    if types:
        training[ROUNDED_TO] = types
    return replace(
        checkpoint,
        arguments=_settings_of_training(checkpoint.arguments),
        training=training,
        schedule={},
        random_keys={},
        model={name: _rounded(name, array, dtype) for name, array in checkpoint.model.items()},
        optimizer={},
    )


def _rounded(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    rounded = io.rounded(array, dtype).astype(np.float32, copy=False)
    if not np.isfinite(rounded).all():
        raise UsageError(
            f"{name} reaches {np.abs(array).max():.3g}, more than {dtype} can hold: choose "
            "another dtype"
        )
    return rounded


def _settings_of_training(arguments: dict[str, Any]) -> dict[str, Any]:
    """The settings that say how a network was trained, without paths: these may name people.

    Of the network that a run began with the name stays.
    """
    paths = {k for k, option in options().items() if option.keywords.get("type") is cli.path}
    kept = {setting.name for setting in fields(Settings)} - paths - NOT_KEPT
    stored = {name: value for name, value in arguments.items() if name in kept}
    if began_with := arguments.get("init_from"):
        stored["init_from"] = re.split(r"[/\\]", began_with)[-1]  # of any system
    return stored
