"""The settings of a training run: options, recipes, and what a continued run may change."""

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from alexnet import cli
from alexnet.data.sources import NAMES
from alexnet.data.transforms import COLOR_NOISE_FORMS
from alexnet.errors import CheckpointError, UsageError
from alexnet.model import ARCHITECTURES, INITIALIZERS
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import fine_tuning
from alexnet.training.recipes import LR_SCHEDULES, MEANS, OPTIMIZERS, RECIPES, Recipe

COMMAND = "python -m alexnet.train"
EXAMPLES = f"""\
examples:
  {COMMAND}
      the demo set, which the project draws itself
  {COMMAND} --data-root data --subset 5000
      what is in data/ is found out; if it is CIFAR-10, 5,000 of its training images
  {COMMAND} --data-root photos --epochs 20
      your own images: photos/train/CLASS/*, photos/val/CLASS/*, or just photos/CLASS/*
  {COMMAND} --resume runs/demo-alexnet-1
      continue an interrupted run where it stopped
  {COMMAND} --data-root photos --init-from runs/imagenet-alexnet-1
      learn other classes, beginning with what another network has learnt
"""
DEFAULTS = {
    "backend": "cpu",
    "precision": "float32",
    "data": "demo",
    "data_root": None,
    "subset": None,
    "augmentation": "paper",
    "color_noise": "2012",
    "bad_images": "error",
    "max_bad_images": None,
    "image_size": None,
    "arch": "alexnet",
    "recipe": "default",
    "seed": 0,
    "workers": 2,
    "init_from": None,
    "keep": 1,
    "save_every": None,
    "accumulate": 1,
    "patience": None,
    "log_every": None,
    "tensorboard": False,
    "snapshot_filters": False,
}
# Names of users for `minigrad.set_float32_matmul_precision`.
PRECISIONS = {"float32": "highest", "tf32": "high"}
# Names of users for `alexnet.data.transforms.Augmentation`.
AUGMENTATIONS = {
    "paper": {"crop": "random", "flip": True},
    "resized": {"crop": "resized", "flip": True},
    "none": {"crop": "center", "flip": False},
}
COLOR_NOISES = (*COLOR_NOISE_FORMS, "none")
# A continued run may differ from the original in these. The others decide what its checkpoint
# means: which images and batches are behind it, what the network and the optimizer's state are.
FREE_ON_RESUME = {
    # Where and how it is computed, for how long, and what is kept of it.
    *("backend", "precision", "data_root", "workers", "bad_images", "max_bad_images"),
    *("accumulate", "epochs", "patience", "resume", "max_steps", "max_time", "dry_run"),
    *("keep", "save_every", "log_every", "tensorboard", "watch_every", "snapshot_filters"),
    # How it learns from here on, which people change on the way, as the authors of 2012 did.
    *("lr", "momentum", "weight_decay", "dropout", "augmentation", "color_noise"),
}
# No settings of the run, but of this part of it.
NOT_KEPT = ("out", "resume", "max_steps", "max_time", "dry_run", "watch_every")
# Options that only some schedules have a use for.
OF_SCHEDULES = {
    "lr_step": ("step",),
    "lr_gamma": ("step", "plateau"),
    "lr_patience": ("plateau",),
}


def parser() -> argparse.ArgumentParser:
    options = cli.Parser(
        prog=COMMAND,
        usage=f"{COMMAND} [options]",
        description=EXAMPLES,
        # Only what the user gives appears in the result: a recipe or a run decides the rest.
        argument_default=argparse.SUPPRESS,
    )
    data = options.add_argument_group("data")
    data.add_argument(
        "--data", choices=NAMES, help="default: what --data-root holds, or demo without one"
    )
    data.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    data.add_argument("--subset", type=cli.count, metavar="N", help="use N of the training images")
    data.add_argument(
        "--image-size",
        type=cli.count,
        metavar="PIXELS",
        help="default: the network's own; 115 for images of less than 64 pixels",
    )
    data.add_argument(
        "--augmentation",
        choices=AUGMENTATIONS,
        help="paper (default): random crops and mirroring; resized: crops of any size",
    )
    data.add_argument(
        "--color-noise",
        choices=COLOR_NOISES,
        help="form of the paper's colour noise; default: 2012, that of its code",
    )
    data.add_argument("--mean", choices=MEANS, help="of each colour channel, or of each pixel")
    data.add_argument(
        "--scale", type=cli.positive, metavar="F", help="factor on grey levels of 0 to 255"
    )
    data.add_argument(
        "--bad-images",
        choices=("error", "skip"),
        help="what to do with files that are no images; default: error",
    )
    data.add_argument(
        "--max-bad-images",
        type=cli.count_or_zero,
        metavar="N",
        help="stop if more are skipped; default: one in a hundred images",
    )
    data.add_argument(
        "-j",
        "--workers",
        type=cli.count_or_zero,
        metavar="N",
        help="threads that decode; default: 2",
    )
    network = options.add_argument_group(
        "network and training; the recipe decides what is left out"
    )
    network.add_argument("--arch", choices=ARCHITECTURES, help="default: alexnet")
    network.add_argument("--recipe", choices=RECIPES, help="settings to start from")
    network.add_argument("--epochs", type=cli.count, metavar="N", help="passes over the images")
    network.add_argument("-b", "--batch-size", type=cli.count, metavar="N", help="images in a step")
    network.add_argument(
        "--lr", type=cli.positive, metavar="RATE", help="learning rate of the weights"
    )
    network.add_argument("--lr-schedule", choices=LR_SCHEDULES)
    network.add_argument(
        "--lr-step",
        type=cli.count,
        metavar="EPOCHS",
        help="length of the steps of step; default: a third of the epochs",
    )
    network.add_argument(
        "--lr-gamma", type=cli.share, metavar="G", help="factor of step and plateau"
    )
    network.add_argument(
        "--lr-patience",
        type=cli.count_or_zero,
        metavar="N",
        help="epochs without a better validation top-1 that plateau waits for",
    )
    network.add_argument("--optimizer", choices=OPTIMIZERS, help="sgd is the paper's form")
    network.add_argument("--momentum", type=cli.fraction, metavar="M", help="of sgd")
    network.add_argument(
        "--weight-decay", type=cli.at_least_zero, metavar="D", help="of the weights"
    )
    network.add_argument("--dropout", type=cli.fraction, metavar="P", help="in the hidden layers")
    network.add_argument("--init", choices=INITIALIZERS, help="how the parameters begin")
    network.add_argument("--seed", type=cli.seed, metavar="N", help="of all randomness; default: 0")
    network.add_argument(
        "--patience",
        type=cli.count,
        metavar="N",
        help="end after N epochs without a better validation top-1",
    )
    network.add_argument(
        "--accumulate",
        type=cli.count,
        metavar="K",
        help="process each batch in K parts: the same gradients, the memory of a part",
    )
    run = options.add_argument_group("run")
    run.add_argument("--backend", choices=("cpu", "cuda"), help="default: cpu")
    run.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of products on the GPU; tf32 is faster and rounds to 3 digits; default: float32",
    )
    run.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<data>-<arch>-<n>")
    start = run.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        metavar="DIR",
        help="continue a run, by its folder or a checkpoint; auto: the newest below runs/",
    )
    start.add_argument(
        "--init-from",
        type=Path,
        metavar="DIR",
        help="begin with the parameters of a run or checkpoint, as far as they fit",
    )
    run.add_argument(
        "--keep",
        type=cli.count_or_zero,
        metavar="N",
        help="checkpoints that stay besides the last and the best; default: 1",
    )
    run.add_argument("--save-every", type=cli.count, metavar="N", help="save every N steps, too")
    run.add_argument(
        "--max-steps", type=cli.count, metavar="N", help="stop, saved, after step N of the run"
    )
    run.add_argument(
        "--max-time",
        type=cli.duration,
        metavar="TIME",
        help="stop, saved, after a time like 2h30m",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what the run would need, and touch nothing",
    )
    run.add_argument(
        "--log-every", type=cli.count, metavar="N", help="a row in steps.csv every N steps"
    )
    run.add_argument(
        "--tensorboard",
        action=argparse.BooleanOptionalAction,
        help="also write event files for TensorBoard",
    )
    run.add_argument(
        "--snapshot-filters",
        action=argparse.BooleanOptionalAction,
        help="keep conv1's kernels of every epoch, to be shown by python -m alexnet.visualize",
    )
    run.add_argument(
        "--watch-every",
        type=cli.count,
        metavar="N",
        help="print how much N-th steps change the weights of each layer, as the 2012 code did",
    )
    return options


def resolve(
    given: dict[str, Any], checkpoint: Checkpoint | None, beginning: Checkpoint | None = None
) -> dict[str, Any]:
    """All settings of a run: the given ones, and the recipe's or the continued run's others.

    Args:
        checkpoint: of the run to continue.
        beginning: with the parameters to begin a new run with.

    Raises:
        UsageError: an option is of no use, or cannot be changed when a run is continued.
        CheckpointError: the checkpoint does not tell all settings.
    """
    given = {name: str(v) if isinstance(v, Path) else v for name, v in given.items()}
    if checkpoint is None:
        recipe = RECIPES[given.get("recipe", DEFAULTS["recipe"])]
        settings = {**DEFAULTS, **asdict(recipe), **given}
        if beginning is not None:
            settings |= _that_begin(given, beginning)
        if "data_root" in given and "data" not in given:
            settings["data"] = "auto"
    else:
        # Another --arch is left to the checkpoint, which knows what it holds.
        for name in given.keys() - FREE_ON_RESUME - {"arch"}:
            if given[name] != checkpoint.arguments.get(name):
                raise UsageError(
                    f"--{name.replace('_', '-')} {given[name]} cannot be changed by --resume: "
                    f"the run has {checkpoint.arguments.get(name)}"
                )
        settings = {**checkpoint.arguments, **given}
        needed = {*DEFAULTS, *(field.name for field in fields(Recipe))}
        if missing := sorted(needed - settings.keys()):
            raise CheckpointError(f"the checkpoint does not tell the run's {', '.join(missing)}")
    for name, schedules in OF_SCHEDULES.items():
        if given.get(name) is not None and settings["lr_schedule"] not in schedules:
            raise UsageError(
                f"--{name.replace('_', '-')} is for --lr-schedule {' or '.join(schedules)}, "
                f"not {settings['lr_schedule']}"
            )
    if settings["accumulate"] > settings["batch_size"]:
        raise UsageError(
            f"--accumulate {settings['accumulate']} is more than the {settings['batch_size']} "
            "images of a batch"
        )
    if given.get("precision") == "tf32" and settings["backend"] == "cpu":
        raise UsageError("--precision tf32 is for --backend cuda: the CPU has float32 only")
    return {name: value for name, value in settings.items() if name not in NOT_KEPT}


def _that_begin(given: dict[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """The settings that follow from the checkpoint a run begins with."""
    following = fine_tuning.settings(checkpoint)
    for name, value in following.items():
        if given.get(name, value) != value:
            raise UsageError(
                f"--{name.replace('_', '-')} {given[name]} does not go with --init-from: the "
                f"checkpoint has {value}"
            )
    return following
