"""From the settings of a run to everything it needs: data, network, optimizer, trainer."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.data import Dataset, Subset, load, recognize
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader
from alexnet.data.resizing import shorter_side
from alexnet.data.statistics import color_statistics, mean_image
from alexnet.data.transforms import Augmentation, Preprocessing, central_view
from alexnet.errors import DataError, UsageError
from alexnet.model import ARCHITECTURES
from alexnet.run import progress
from alexnet.run.checkpoint import Checkpoint
from alexnet.training import fine_tuning, memory_plan
from alexnet.training.recipes import Recipe
from alexnet.training.settings import AUGMENTATIONS, PRECISIONS
from alexnet.training.trainer import Trainer
from minigrad import backend, manual_seed, nn, optim, set_float32_matmul_precision

# The network's own size would be a waste on images as small as CIFAR's 32 pixels.
SMALL_IMAGE, SIZE_FOR_SMALL_IMAGES = 64, 115
BAD_IMAGE_SHARE = 0.01


def build_trainer(
    settings: dict[str, Any],
    make_folder: Callable[[], Path],
    checkpoint: Checkpoint | None = None,
    beginning: Checkpoint | None = None,
    check_memory: bool = True,
) -> tuple[Trainer, memory_plan.Plan]:
    """The trainer of a run, and what the run needs; settles settings that follow from the data.

    Args:
        make_folder: gives the run's folder; called last, when nothing can be wrong any more.
        checkpoint: to continue from.
        beginning: a checkpoint with parameters to begin with.
        check_memory: refuse what will not fit into the memory there is.
    """
    backend.get(settings["backend"])
    set_float32_matmul_precision(PRECISIONS[settings["precision"]])
    train, validation = _load_data(settings)
    if checkpoint:
        checkpoint.require(settings["arch"], train.classes)
    bad_images = _bad_images(settings, train, validation)
    train, validation = Skipping(train, bad_images), Skipping(validation, bad_images)
    settings["image_size"] = _image_size(settings, train)
    model = _build_model(settings, len(train.classes))
    needed = _plan(settings, model)
    if check_memory:
        needed.require(memory_plan.available_memory(backend.get(settings["backend"])))
    if beginning:
        taken = fine_tuning.initialize(model, beginning, train.classes)
        cli.say(f"beginning with {settings['init_from']}: {taken}")
    model.to(settings["backend"])
    if loaded := checkpoint or beginning:
        preprocessing = loaded.preprocessing
    else:
        preprocessing = _preprocessing(settings, train)
    recipe = Recipe(**{field.name: settings[field.name] for field in fields(Recipe)})
    train_loader = Loader(
        train,
        preprocessing,
        recipe.batch_size,
        seed=settings["seed"],
        augmentation=_augmentation(settings),
        shuffle=True,
        workers=settings["workers"],
    )
    val_loader = Loader(validation, preprocessing, recipe.batch_size, workers=settings["workers"])
    optimizer = _build_optimizer(model, recipe)
    trainer = Trainer(
        model,
        optimizer,
        _build_schedule(optimizer, recipe, len(train_loader)),
        train_loader,
        val_loader,
        make_folder(),
        architecture=settings["arch"],
        arguments=settings,
        device=settings["backend"],
        keep=settings["keep"],
        save_every=settings["save_every"],
        accumulate=settings["accumulate"],
        show_progress=progress.for_this_terminal(),
    )
    if checkpoint:
        trainer.restore(checkpoint)
    return trainer, needed


def _plan(settings: dict[str, Any], model: nn.Module) -> memory_plan.Plan:
    """What a run with these settings needs."""
    return memory_plan.make(
        model,
        settings["image_size"],
        optimizer=settings["optimizer"],
        batch_size=settings["batch_size"],
        parts=settings["accumulate"],
        workers=settings["workers"],
        device=settings["backend"],
        keep=settings["keep"],
    )


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


def _image_size(settings: dict[str, Any], train: Skipping) -> int:
    """The size given, or one that suits the images."""
    if settings["image_size"] is not None:
        return settings["image_size"]
    if shorter_side(_first_image(train)) < SMALL_IMAGE:
        return SIZE_FOR_SMALL_IMAGES
    return ARCHITECTURES[settings["arch"]].default_image_size


def _preprocessing(settings: dict[str, Any], train: Skipping) -> Preprocessing:
    """What turns images into the network's input, with the statistics of the training set."""
    preprocessing = Preprocessing(
        image_size=settings["image_size"],
        scale=settings["scale"],
        **color_statistics(train)._asdict(),
    )
    if settings["mean"] == "channel":
        return preprocessing
    whole = mean_image(train, preprocessing.resize).transpose(1, 2, 0)
    middle = central_view(whole, preprocessing).crop.transpose(2, 0, 1)
    return replace(preprocessing, mean_image=np.ascontiguousarray(middle))


def _first_image(dataset: Skipping) -> np.ndarray:
    for index in range(len(dataset)):
        image = dataset.image(index)
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
        raise UsageError(str(error)) from error
    return model


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
        return optim.DivideOnPlateau(
            optimizer, recipe.lr_gamma, recipe.lr_patience, warmup_steps=warmup
        )
    if recipe.lr_schedule == "step":
        step_size = recipe.lr_step or math.ceil(recipe.epochs / 3)
        return optim.Step(optimizer, step_size, recipe.lr_gamma, warmup)
    return optim.Schedule(optimizer, warmup)
