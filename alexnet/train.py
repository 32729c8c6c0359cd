"""``python -m alexnet.train``: train AlexNet on images of any source."""

import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import command, progress, run_folder
from alexnet.checkpoint import BEST, LAST, Checkpoint, find
from alexnet.data import DataError, Dataset, Subset, load, recognize
from alexnet.data.bad_images import BadImages
from alexnet.data.loader import Loader
from alexnet.data.statistics import color_statistics, mean_image
from alexnet.data.transforms import Augmentation, Preprocessing, central_view, shorter_side
from alexnet.metrics import Row
from alexnet.model import ARCHITECTURES, parameter_count
from alexnet.recipes import Recipe
from alexnet.settings import AUGMENTATIONS, COMMAND, PRECISIONS, parser, resolve
from alexnet.trainer import Diverged, Trainer
from alexnet.watch import Watch
from minigrad import backend, manual_seed, nn, optim

# The network's own size would be a waste on images as small as CIFAR's 32 pixels.
SMALL_IMAGE, SIZE_FOR_SMALL_IMAGES = 64, 115
BAD_IMAGE_SHARE = 0.01
BAD_IMAGES = "bad_images.txt"


def _load_data(settings: dict[str, Any]) -> tuple[Dataset, Dataset]:
    """The training and the validation set; settles what "auto" stands for."""
    if settings["data"] == "auto":
        settings["data"] = recognize(settings["data_root"])
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


def _bad_images(settings: dict[str, Any], train: Dataset, validation: Dataset) -> BadImages:
    limit = settings["max_bad_images"]
    if limit is None:
        limit = math.ceil(BAD_IMAGE_SHARE * (len(train) + len(validation)))
    return BadImages(settings["bad_images"] == "skip", limit)


def _preprocessing(
    settings: dict[str, Any], train: Dataset, bad_images: BadImages
) -> Preprocessing:
    """What turns images into the network's input, with the statistics of the training set."""
    if settings["image_size"] is None:
        is_small = shorter_side(_first_image(train, bad_images)) < SMALL_IMAGE
        of_network = ARCHITECTURES[settings["arch"]].default_image_size
        settings["image_size"] = SIZE_FOR_SMALL_IMAGES if is_small else of_network
    preprocessing = Preprocessing(
        image_size=settings["image_size"],
        scale=settings["scale"],
        **color_statistics(train, bad_images)._asdict(),
    )
    if settings["mean"] == "channel":
        return preprocessing
    whole = mean_image(train, preprocessing.resize, bad_images).transpose(1, 2, 0)
    middle = central_view(whole, preprocessing).crop.transpose(2, 0, 1)
    return replace(preprocessing, mean_image=np.ascontiguousarray(middle))


def _first_image(dataset: Dataset, bad_images: BadImages) -> np.ndarray:
    for index in range(len(dataset)):
        image = bad_images.read(dataset, index)
        if image is not None:
            return image
    raise DataError("none of the training images can be used")


def _augmentation(settings: dict[str, Any]) -> Augmentation:
    form = settings["color_noise"]
    if form == "none":
        return Augmentation(**AUGMENTATIONS[settings["augmentation"]], color_noise=0.0)
    return Augmentation(**AUGMENTATIONS[settings["augmentation"]], color_noise_form=form)


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


def build_trainer(
    settings: dict[str, Any], folder: Path | None, checkpoint: Checkpoint | None
) -> Trainer:
    """Everything a run needs; the folder is made last, when nothing can be wrong any more."""
    backend.get(settings["backend"])
    backend.set_float32_matmul_precision(PRECISIONS[settings["precision"]])
    train, validation = _load_data(settings)
    if checkpoint:
        checkpoint.require(settings["arch"], train.classes)
    bad_images = _bad_images(settings, train, validation)
    if checkpoint:
        preprocessing = checkpoint.preprocessing
    else:
        preprocessing = _preprocessing(settings, train, bad_images)
    recipe = Recipe(**{field.name: settings[field.name] for field in fields(Recipe)})
    model = _build_model(settings, len(train.classes))
    of_loader = {"bad_images": bad_images, "workers": settings["workers"]}
    train_loader = Loader(
        train,
        preprocessing,
        recipe.batch_size,
        seed=settings["seed"],
        augmentation=_augmentation(settings),
        shuffle=True,
        **of_loader,
    )
    val_loader = Loader(validation, preprocessing, recipe.batch_size, **of_loader)
    optimizer = _build_optimizer(model, recipe)
    if checkpoint is None:
        folder = run_folder.create(folder, settings["data"], settings["arch"])
    bad_images.write_to(folder / BAD_IMAGES)
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
    given = vars(parser().parse_args(argv))
    folder, checkpoint = given.get("out"), None
    if "resume" in given:
        if folder is not None:
            raise command.UsageError("--resume continues in the run's own folder: leave out --out")
        # A run that was killed in its first save may have its best network only.
        path = find(given["resume"], LAST, BEST)
        checkpoint, folder = Checkpoint.load(path), path.parent
    elif folder is not None:
        try:
            run_folder.require_free(folder)
        except FileExistsError as error:
            raise command.UsageError(str(error)) from error

    trainer = build_trainer(resolve(given, checkpoint), folder, checkpoint)
    trainer.observers = (*trainer.observers, Watch(table_every=given.get("watch_every", 0)))
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

    state, resume = trainer.state, f"{COMMAND} --resume {trainer.folder}"
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
