"""``python -m alexnet.train``: train AlexNet on the demo set, CIFAR-10 or a folder of images."""

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from alexnet import command, progress, run_folder
from alexnet.checkpoint import BEST, LAST, Checkpoint
from alexnet.data import DataError, Dataset, Subset, load
from alexnet.data.loader import Loader
from alexnet.data.transforms import Augmentation, Preprocessing, color_statistics
from alexnet.metrics import Row
from alexnet.model import ARCHITECTURES, INITIALIZERS, parameter_count
from alexnet.recipes import LR_SCHEDULES, OPTIMIZERS, RECIPES, Recipe
from alexnet.trainer import Diverged, Trainer
from minigrad import backend, manual_seed, nn, optim
from minigrad.io import CheckpointError

NAME = "python -m alexnet.train"
EXAMPLES = f"""\
examples:
  {NAME}
      the demo set, which the project draws itself
  {NAME} --data cifar10 --data-root data --subset 5000
      CIFAR-10 from data/cifar-10-batches-bin, 5,000 of its training images
  {NAME} --data folder --data-root photos --epochs 20
      your own images: photos/train/CLASS/*, photos/val/CLASS/*, or just photos/CLASS/*
  {NAME} --resume runs/demo-alexnet-1
      continue an interrupted run where it stopped
"""
DEFAULTS = {
    "backend": "cpu",
    "precision": "float32",
    "data": "demo",
    "data_root": None,
    "subset": None,
    "arch": "alexnet",
    "recipe": "default",
    "seed": 0,
    "workers": 2,
}
# Names of users for `minigrad.set_float32_matmul_precision`.
PRECISIONS = {"float32": "highest", "tf32": "high"}
# Where the network's own size would be a waste: an image of 32 pixels shows nothing more at 227.
IMAGE_SIZES = {"cifar10": 115}
# A continued run may differ from the original in these and stay the same run.
FREE_ON_RESUME = {"backend", "data_root", "workers", "epochs", "resume", "max_steps"}


def _parser() -> argparse.ArgumentParser:
    parser = command.Parser(
        prog=NAME,
        usage=f"{NAME} [options]",
        description=EXAMPLES,
        epilog=command.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # Only what the user gives appears in the result: a recipe or a run decides the rest.
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument("--data", choices=("demo", "cifar10", "folder"), help="default: demo")
    data.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    data.add_argument(
        "--subset", type=command.count, metavar="N", help="use N of the training images"
    )
    data.add_argument(
        "--image-size",
        type=command.count,
        metavar="PIXELS",
        help="default: the network's own; 115 for cifar10",
    )
    data.add_argument(
        "-j",
        "--workers",
        type=command.count_or_zero,
        metavar="N",
        help="threads that decode; default: 2",
    )
    network = parser.add_argument_group("network and training; the recipe decides what is left out")
    network.add_argument("--arch", choices=ARCHITECTURES, help="default: alexnet")
    network.add_argument("--recipe", choices=RECIPES, help="settings to start from")
    network.add_argument("--epochs", type=command.count, metavar="N", help="passes over the images")
    network.add_argument(
        "-b", "--batch-size", type=command.count, metavar="N", help="images in a step"
    )
    network.add_argument(
        "--lr", type=command.positive, metavar="RATE", help="learning rate of the weights"
    )
    network.add_argument("--lr-schedule", choices=LR_SCHEDULES)
    network.add_argument("--optimizer", choices=OPTIMIZERS, help="sgd is the paper's form")
    network.add_argument("--momentum", type=command.fraction, metavar="M", help="of sgd")
    network.add_argument(
        "--weight-decay", type=command.at_least_zero, metavar="D", help="of the weights"
    )
    network.add_argument(
        "--dropout", type=command.fraction, metavar="P", help="in the hidden layers"
    )
    network.add_argument("--init", choices=INITIALIZERS, help="how the parameters begin")
    network.add_argument(
        "--seed", type=command.seed, metavar="N", help="of all randomness; default: 0"
    )
    run = parser.add_argument_group("run")
    run.add_argument("--backend", choices=("cpu", "cuda"), help="default: cpu")
    run.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="of products on the GPU; tf32 is faster and rounds to 3 digits; default: float32",
    )
    run.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<data>-<arch>-<n>")
    run.add_argument("--resume", type=Path, metavar="DIR", help="a run folder or a checkpoint")
    run.add_argument(
        "--max-steps", type=command.count, metavar="N", help="stop, saved, after step N of the run"
    )
    return parser


def _settings(given: dict[str, Any], checkpoint: Checkpoint | None) -> dict[str, Any]:
    """All settings of a run: the given ones, and the recipe's or the continued run's others."""
    given = {name: str(v) if isinstance(v, Path) else v for name, v in given.items()}
    if checkpoint is None:
        recipe = RECIPES[given.get("recipe", DEFAULTS["recipe"])]
        settings = {**DEFAULTS, **asdict(recipe), **given}
        of_network = ARCHITECTURES[settings["arch"]].default_image_size
        settings["image_size"] = given.get(
            "image_size", IMAGE_SIZES.get(settings["data"], of_network)
        )
    else:
        # Another --arch is left to the checkpoint, which knows what it holds.
        for name in given.keys() - FREE_ON_RESUME - {"arch"}:
            if given[name] != checkpoint.arguments.get(name):
                raise command.UsageError(
                    f"--{name.replace('_', '-')} {given[name]} cannot be changed by --resume: "
                    f"the run has {checkpoint.arguments.get(name)}"
                )
        settings = {**checkpoint.arguments, **given}
        needed = {*DEFAULTS, "image_size", *(field.name for field in fields(Recipe))}
        if missing := sorted(needed - settings.keys()):
            raise CheckpointError(f"the checkpoint does not tell the run's {', '.join(missing)}")
    if given.get("precision") == "tf32" and settings["backend"] == "cpu":
        raise command.UsageError("--precision tf32 is for --backend cuda: the CPU has float32 only")
    return {k: v for k, v in settings.items() if k not in ("out", "resume", "max_steps")}


def _load_data(settings: dict[str, Any]) -> tuple[Dataset, Dataset]:
    splits = load(settings["data"], settings["data_root"], settings["seed"])
    train, validation = splits["train"], splits["validation"]
    if settings["subset"] is not None:
        train = Subset(train, settings["subset"], settings["seed"])
    if len(validation) == 0:
        raise DataError(
            f"{settings['data_root']}: no image is left for validation; "
            "put at least two into each class"
        )
    return train, validation


def _build_model(settings: dict[str, Any], num_classes: int) -> nn.Module:
    manual_seed(settings["seed"])
    try:
        model = ARCHITECTURES[settings["arch"]](
            num_classes, settings["image_size"], dropout=settings["dropout"], init=settings["init"]
        )
    except ValueError as error:
        raise command.UsageError(str(error)) from error
    return model.to(settings["backend"])


def _build_optimizer(model: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """Weights and biases in two groups; with SGD biases learn twice as fast (2012 code)."""
    named = list(model.named_parameters())
    weights = {"params": [p for name, p in named if not name.endswith("bias")]}
    biases = {"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0.0}
    if recipe.optimizer == "adam":
        return optim.Adam([weights, biases], recipe.lr, weight_decay=recipe.weight_decay)
    biases["lr"] = 2 * recipe.lr
    return optim.SGD(
        [weights, biases], recipe.lr, recipe.momentum, recipe.weight_decay, form="paper"
    )


def _build_schedule(
    optimizer: optim.Optimizer, recipe: Recipe, steps_per_epoch: int
) -> optim.Schedule:
    steps = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup * steps)
    if recipe.lr_schedule == "cosine":
        return optim.CosineWithWarmup(optimizer, steps, warmup)
    if recipe.lr_schedule == "plateau":
        return optim.DivideOnPlateau(optimizer, warmup_steps=warmup)
    if recipe.lr_schedule == "step":
        return optim.Step(optimizer, math.ceil(recipe.epochs / 3), warmup_steps=warmup)
    return optim.Schedule(optimizer, warmup)


def _build_trainer(
    settings: dict[str, Any], folder: Path | None, checkpoint: Checkpoint | None
) -> Trainer:
    """Everything a run needs; the folder is made last, when nothing can be wrong any more."""
    backend.get(settings["backend"])
    backend.set_float32_matmul_precision(PRECISIONS[settings["precision"]])
    train, validation = _load_data(settings)
    if checkpoint:
        checkpoint.require(settings["arch"], train.classes)
    recipe = Recipe(**{field.name: settings[field.name] for field in fields(Recipe)})
    model = _build_model(settings, len(train.classes))
    if checkpoint:
        preprocessing = checkpoint.preprocessing
    else:
        statistics = color_statistics(train)._asdict()
        preprocessing = Preprocessing(
            image_size=settings["image_size"], scale=recipe.scale, **statistics
        )
    workers = settings["workers"]
    train_loader = Loader(
        train,
        preprocessing,
        recipe.batch_size,
        seed=settings["seed"],
        augmentation=Augmentation(),
        shuffle=True,
        workers=workers,
    )
    val_loader = Loader(validation, preprocessing, recipe.batch_size, workers=workers)
    optimizer = _build_optimizer(model, recipe)
    if checkpoint is None:
        folder = run_folder.create(folder, settings["data"], settings["arch"])
    trainer = Trainer(
        model,
        optimizer,
        _build_schedule(optimizer, recipe, len(train_loader)),
        train_loader,
        val_loader,
        folder,
        architecture=settings["arch"],
        arguments=settings,
        device=settings["backend"],
        show_progress=progress.for_this_terminal(),
        on_epoch=lambda row: print(_result_line(row, recipe.epochs), flush=True),
    )
    if checkpoint:
        trainer.restore(checkpoint)
    run_folder.write_run_json(folder, settings)
    return trainer


def _announce(trainer: Trainer) -> None:
    """Say what is going to run."""
    settings, loader = trainer.arguments, trainer.train_loader
    classes, size = len(loader.dataset.classes), loader.preprocessing.image_size
    command.say(
        f"data      {settings['data']}: {classes} classes, {len(loader.dataset):,} images to learn "
        f"from, {len(trainer.val_loader.dataset):,} for validation"
    )
    command.say(
        f"network   {settings['arch']}: {parameter_count(trainer.model):,} parameters, "
        f"images of {size}x{size}"
    )
    command.say(
        f"training  {settings['epochs']} epochs of {len(loader)} steps, batch size "
        f"{settings['batch_size']}, {settings['optimizer']}, lr {settings['lr']:g} "
        f"({settings['lr_schedule']}), recipe {settings['recipe']}, seed {settings['seed']}"
    )
    command.say(f"folder    {trainer.folder}")
    if trainer.schedule.steps:
        command.say(
            f"continuing after epoch {trainer.state.epoch}, step {trainer.state.step} of the next"
        )
    products = f", products in {settings['precision']}" if settings["backend"] == "cuda" else ""
    command.say(
        f"On {trainer.backend.describe()}{products}. Kernels are compiled when they are first used, "
        "so the first run takes a while to its first step."
    )


def _result_line(row: Row, epochs: int) -> str:
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}: "
        f"loss {row['train_loss']:.3f}, top-1 {row['train_top1']:6.1%}; "
        f"validation: loss {row['val_loss']:.3f}, top-1 {row['val_top1']:6.1%}, "
        f"top-5 {row['val_top5']:6.1%}; {row['images_per_s']:.1f} images/s, {row['seconds']:.0f} s"
    )


@contextlib.contextmanager
def _finish_step_on_interrupt(trainer: Trainer) -> Iterator[None]:
    """Within this block the first Ctrl-C ends training after the step, the second at once."""

    def stop(signum, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        trainer.interrupted = True
        # Not print(): the signal may have come while the progress is being printed.
        os.write(2, b"\nstopping after this step, to save it (Ctrl-C again: at once, unsaved)\n")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run(argv: list[str] | None) -> int:
    given = vars(_parser().parse_args(argv))
    folder, checkpoint = given.get("out"), None
    if "resume" in given:
        if folder is not None:
            raise command.UsageError("--resume continues in the run's own folder: leave out --out")
        path = given["resume"]
        if path.is_dir():
            # A run that was killed in its first save may have its best network only.
            path = path / (LAST if (path / LAST).exists() else BEST)
        checkpoint, folder = Checkpoint.load(path), path.parent
    elif folder is not None:
        try:
            run_folder.require_free(folder)
        except FileExistsError as error:
            raise command.UsageError(str(error)) from error

    trainer = _build_trainer(_settings(given, checkpoint), folder, checkpoint)
    del checkpoint  # its arrays are as large as the network
    _announce(trainer)
    epochs = trainer.arguments["epochs"]
    try:
        with _finish_step_on_interrupt(trainer):
            finished = trainer.fit(epochs, given.get("max_steps", math.inf))
    except Diverged as error:
        kept = trainer.folder / LAST
        advice = f"; {kept} is from before" if kept.exists() else ""
        raise Diverged(f"{error}: try a smaller --lr{advice}") from error

    state, resume = trainer.state, f"{NAME} --resume {trainer.folder}"
    if trainer.interrupted and not finished:
        command.say(f"interrupted; continue with: {resume}")
        return 130
    if state.best_epoch:
        print(f"best top-1 {state.best_top1:.1%} in epoch {state.best_epoch}, {trainer.folder}")
    if not finished:
        print(f"stopped after step {trainer.schedule.steps}; continue with: {resume}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return command.exit_code(lambda: _run(argv))


if __name__ == "__main__":
    sys.exit(main())
