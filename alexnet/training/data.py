"""The data of a training run: its sets, their preprocessing, and the loaders of batches."""

import math
from dataclasses import replace

import numpy as np

from alexnet.data import Dataset, Subset, load, recognize
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader
from alexnet.data.readers.table import Columns
from alexnet.data.resizing import shorter_side
from alexnet.data.statistics import color_statistics, mean_image
from alexnet.data.transforms import (
    Augmentation,
    Preprocessing,
    central_view,
    default_resize,
)
from alexnet.errors import DataError, UsageError
from alexnet.model import ARCHITECTURES
from alexnet.training.settings import AUGMENTATIONS, Settings
from minigrad.backend import Backend
from minigrad.distributed import Team

# The network's own size would be a waste on images as small as CIFAR's 32 pixels.
SMALL_IMAGE_PIXELS, SIZE_FOR_SMALL_IMAGES = 64, 115
# Share of all images that may be skipped without --max-bad-images.
BAD_IMAGE_SHARE = 0.01


def load_sets(settings: Settings) -> tuple[Dataset, Dataset]:
    """The training and the validation set.

    Raises:
        DataError: they cannot be used.
    """
    splits = load(
        settings.data,
        settings.data_root,
        settings.seed,
        train_root=settings.train_root,
        val_root=settings.val_root,
        columns=Columns(settings.image_column, settings.label_column),
    )
    train, validation = splits["train"], splits["validation"]
    if settings.subset is not None:
        train = Subset(train, settings.subset, settings.seed)
    if len(validation) == 0:
        raise DataError(
            f"{settings.train_root or settings.data_root}: no image is left for validation; "
            "put at least two into each class"
        )
    return train, validation


def with_source(settings: Settings) -> Settings:
    """The settings with the source that "auto" stands for."""
    if settings.data != "auto":
        return settings
    return replace(settings, data=recognize(settings.data_root))


def with_sizes(settings: Settings, train: Skipping) -> Settings:
    """The settings with an image size that suits the images, and a square for it, unless given.

    Raises:
        UsageError: the square is smaller than the crops.
    """
    size, resize = settings.image_size, settings.resize
    if size is None:
        size = ARCHITECTURES[settings.arch].default_image_size
        if shorter_side(_first_image(train)) < SMALL_IMAGE_PIXELS:
            size = min(size, SIZE_FOR_SMALL_IMAGES)
    if resize is None:
        resize = default_resize(size)
    if resize < size:
        raise UsageError(
            f"--resize {resize} is too small for crops of {size} pixels: give at least {size}, or "
            "a smaller --image-size"
        )
    return replace(settings, image_size=size, resize=resize)


def _first_image(dataset: Skipping) -> np.ndarray:
    for index in range(len(dataset)):
        image = dataset.image(index)
        if image is not None:
            return image
    raise DataError("none of the training images can be used")


def collect_bad_images(settings: Settings, train: Dataset, validation: Dataset) -> BadImages:
    """The collector of the images of both sets that cannot be used."""
    limit = settings.max_bad_images
    if limit is None:
        limit = math.ceil(BAD_IMAGE_SHARE * (len(train) + len(validation)))
    return BadImages(settings.bad_images == "skip", limit)


def make_preprocessing(settings: Settings, train: Skipping) -> Preprocessing:
    """What turns images into the network's input, with the statistics of the training set."""
    preprocessing = Preprocessing(
        image_size=settings.image_size,
        resize=settings.resize,
        scale=settings.scale,
        **color_statistics(train)._asdict(),
    )
    if settings.mean == "channel":
        return preprocessing
    whole = mean_image(train, preprocessing.resize).transpose(1, 2, 0)
    middle = central_view(whole, preprocessing).crop.transpose(2, 0, 1)
    return replace(preprocessing, mean_image=np.ascontiguousarray(middle))


def make_loaders(
    settings: Settings,
    train: Skipping,
    validation: Skipping,
    preprocessing: Preprocessing,
    team: Team,
    device: Backend,
) -> tuple[Loader, Loader]:
    """Shuffled and augmented batches for training; for validation in order, as they are.

    Args:
        device: that they go to.
    """
    train_loader = Loader(
        train,
        preprocessing,
        settings.batch_size,
        seed=settings.seed,
        augmentation=_augmentation(settings),
        shuffle=True,
        balanced=settings.sampling == "balanced",
        workers=settings.workers,
        parts=settings.accumulate,
        team=team,
        allocate=device.host_empty,
    )
    val_loader = Loader(
        validation,
        preprocessing,
        settings.batch_size,
        workers=settings.workers,
        team=team,
        allocate=device.host_empty,
    )
    return train_loader, val_loader


def _augmentation(settings: Settings) -> Augmentation:
    form = settings.color_noise
    if form == "none":
        return Augmentation(**AUGMENTATIONS[settings.augmentation], color_noise=0.0)
    return Augmentation(**AUGMENTATIONS[settings.augmentation], color_noise_form=form)
