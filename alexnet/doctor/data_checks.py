"""The doctor's checks of images, labels, and how they are prepared."""

import contextlib
import math

import numpy as np

from alexnet.data import Dataset, Subset
from alexnet.data.bad_images import BadImages, Skipping, underlying
from alexnet.data.batch import Batch
from alexnet.data.commands.inspection import find_copies, inspect
from alexnet.data.loader import Loader
from alexnet.data.resizing import central_square
from alexnet.doctor.finding import OK, PROBLEM, WARNING, Finding
from alexnet.training.settings import Settings

DATA_CHECK_HINT = "python -m alexnet.data check says more"
# Images of the largest class for each one of the smallest, and images of every class.
MAX_IMBALANCE_RATIO, MIN_IMAGES_PER_CLASS = 10, 10
# Images of each set that are read, and searched for copies.
COPY_CHECK_IMAGES = 2000
# Images of each set, and the number of their classes, whose labels are compared with those of
# similar images.
LABEL_CHECK_IMAGES, LABEL_CHECK_CLASSES = 500, 10
THUMBNAIL_PIXELS = 16
# Labels agree more often than by chance if, over at least this many images, the agreement is this
# many standard deviations above chance.
MIN_AGREEMENT_IMAGES, MIN_AGREEMENT_DEVIATIONS = 200, 4
# Standard deviations of the input, lowest and highest, that an initialization is made for, and a
# scale that gives such input. The default one allows for the scale, but conv1 learns the faster the
# larger its input is.
INPUTS = {
    "default": (0.2, 20, Settings.scale),
    "torch": (0.2, 5, 1 / 64),
    "paper": (10, 200, 1.0),
    "code2012": (10, 200, 1.0),
}


def count_alike(train: Dataset, weights: np.ndarray) -> bool:
    """Whether the classes that have images count about the same with these weights (classes,)."""
    per_class = np.bincount(train.labels, minlength=len(train.classes)) * weights
    there = per_class[per_class > 0]
    return bool(there.max() <= MAX_IMBALANCE_RATIO * there.min())


def counts(train: Dataset, validation: Dataset, is_balanced: bool = False) -> Finding:
    """Are there images of all classes, and enough?

    Args:
        is_balanced: whether rare classes count for more than their images.
    """
    per_class = np.bincount(train.labels, minlength=len(train.classes))
    seen = (
        f"{len(train):,} training images of {len(train.classes)} classes, {per_class.min():,} to "
        f"{per_class.max():,} each; {len(validation):,} for validation"
    )
    if np.count_nonzero(per_class) < 2:
        only = train.classes[per_class.argmax()]
        return Finding(PROBLEM, "data", f"{seen}: all are {only!r}", DATA_CHECK_HINT)
    if missing := [name for name, count in zip(train.classes, per_class) if count == 0]:
        return Finding(
            WARNING, "data", f"{seen}: no image of {', '.join(missing[:5])}", DATA_CHECK_HINT
        )
    validated = set(validation.labels.tolist())
    if missing := [name for label, name in enumerate(train.classes) if label not in validated]:
        return Finding(
            WARNING,
            "data",
            f"{seen}: no image of {', '.join(missing[:5])} for validation",
            f"at least two images of each class; {DATA_CHECK_HINT}",
        )
    if per_class.min() < MIN_IMAGES_PER_CLASS:
        rarest = train.classes[per_class.argmin()]
        return Finding(
            WARNING, "data", f"{seen}: few of {rarest!r}", f"more images; {DATA_CHECK_HINT}"
        )
    if per_class.max() > MAX_IMBALANCE_RATIO * per_class.min() and not is_balanced:
        return Finding(
            WARNING,
            "data",
            f"{seen}: guessing {train.classes[per_class.argmax()]!r} is right for "
            f"{per_class.max() / len(train):.0%}",
            "--class-weights auto, or --sampling balanced; more images of the rare classes",
        )
    return Finding(OK, "data", seen)


def images(loader: Loader, validation: Dataset) -> Finding:
    """Are all images readable, and none in both sets, twice in validation, or under two labels?"""
    sets = {"train": underlying(loader.dataset), "validation": underlying(validation)}
    inspected = {
        name: Subset(dataset, min(COPY_CHECK_IMAGES, len(dataset)), loader.seed)
        for name, dataset in sets.items()
    }
    inspections = inspect(inspected, max(1, loader.workers))
    seen = (
        f"{len(inspected['train']):,} training and {len(inspected['validation']):,} validation "
        "images compared"
    )
    if bad := [line for one in inspections.values() for line in one.bad_images]:
        return Finding(
            WARNING,
            "images",
            f"{seen}: {len(bad):,} cannot be used: {bad[0]}",
            f"repairing them, or --bad-images skip; {DATA_CHECK_HINT}",
        )
    groups = find_copies(inspections)
    for where, copies in (
        ("in both sets", [group for group in groups if len(set(group.splits)) > 1]),
        ("under several labels", [group for group in groups if len(set(group.labels)) > 1]),
        ("in validation", [group for group in groups if group.splits.count("validation") > 1]),
    ):
        if copies:
            return Finding(
                WARNING,
                "images",
                f"{seen}: {len(copies):,} are there more than once, {where}, such as "
                f"{' = '.join(copies[0].names[:2])}",
                f"removing copies, with which validation is no test; {DATA_CHECK_HINT}",
            )
    return Finding(OK, "images", f"{seen}: no picture is there twice")


def labels(loader: Loader, validation: Dataset) -> Finding:
    """Do labels belong to their images? Then images that look alike often have the same label.

    For each of some images of a few classes, finds the most similar training image by thumbnails
    whose colors have mean 0, normalized to length 1. Even on CIFAR-10 it has the same label twice
    as often as by chance.
    """
    train = loader.dataset
    classes = np.linspace(0, len(train.classes) - 1, min(LABEL_CHECK_CLASSES, len(train.classes)))
    known, known_labels = _thumbnails(train, classes.astype(int), loader)
    similarity = known @ known.T
    np.fill_diagonal(similarity, -np.inf)
    new, new_labels = _thumbnails(validation, classes.astype(int), loader)
    shares = []
    for name, nearest, own in (
        ("training", similarity.argmax(axis=1), known_labels),
        ("validation", (new @ known.T).argmax(axis=1), new_labels),
    ):
        agreement = float((known_labels[nearest] == own).mean())
        chance = _chance(known_labels, own)
        deviation = math.sqrt(chance * (1 - chance) / len(own))
        shares.append(f"{agreement:.0%} of {len(own)} {name} images (by chance {chance:.0%})")
        if (
            len(own) >= MIN_AGREEMENT_IMAGES
            and agreement < chance + MIN_AGREEMENT_DEVIATIONS * deviation
        ):
            return Finding(
                WARNING,
                "labels",
                f"the training image most like it has the same label for only {shares[-1]}",
                f"checking that the labels of the {name} images belong to them: {DATA_CHECK_HINT}, "
                "with --picture",
            )
    return Finding(
        OK,
        "labels",
        f"the training image most like it has the same label for {' and '.join(shares)}",
    )


def _thumbnails(
    dataset: Dataset, classes: np.ndarray, loader: Loader
) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails of some images of some classes, (N, 3 * THUMBNAIL_PIXELS^2), and labels (N,)."""
    candidates = np.flatnonzero(np.isin(dataset.labels, classes))
    chosen = candidates[np.linspace(0, len(candidates) - 1, LABEL_CHECK_IMAGES).round().astype(int)]
    chosen = np.unique(chosen)
    # Images that cannot be read are the subject of another check.
    dataset = Skipping(underlying(dataset), BadImages(skip=True, limit=len(dataset)))
    rows, used = [], []
    for index in chosen:
        image = dataset.image(index, loader.preprocessing.resize)
        if image is not None:
            rows.append(central_square(image, THUMBNAIL_PIXELS))
            used.append(index)
    thumbnails = np.stack(rows).astype(np.float32)
    thumbnails -= thumbnails.mean(axis=(1, 2), keepdims=True)
    thumbnails = thumbnails.reshape(len(thumbnails), -1)
    thumbnails /= np.maximum(np.linalg.norm(thumbnails, axis=1, keepdims=True), 1e-6)
    return thumbnails, dataset.labels[used]


def _chance(first: np.ndarray, second: np.ndarray) -> float:
    """How often two labels are equal, one drawn from each array."""
    count = max(first.max(), second.max()) + 1
    shares = (np.bincount(labels, minlength=count) / len(labels) for labels in (first, second))
    return float(np.dot(*shares))


def network_input(images: np.ndarray, init: str) -> Finding:
    """Is the input (N, 3, S, S) centered, and of the size that the initialization is made for?"""
    mean, deviation = float(images.mean()), float(images.std())
    seen = f"mean {mean:.3g}, standard deviation {deviation:.3g}"
    if deviation == 0 or (images == images[0]).all():
        return Finding(PROBLEM, "input", f"{seen}: all images are the same", DATA_CHECK_HINT)
    if abs(mean) > deviation:
        return Finding(WARNING, "input", f"{seen}: not centered", "subtracting the mean")
    lowest, highest, scale = INPUTS[init]
    if not lowest <= deviation <= highest:
        return Finding(
            WARNING,
            "input",
            f"{seen}; --init {init} is made for {lowest:g} to {highest:g}",
            f"--scale {scale:.3g}",
        )
    return Finding(OK, "input", seen)


def preparation(loader: Loader) -> Finding:
    """Are validation images always prepared the same way, without augmentation?"""
    first, second = (_first_batch(loader, epoch) for epoch in (0, 1))
    same = all(
        np.array_equal(getattr(first, field), getattr(second, field))
        for field in ("indices", "images", "flips", "color_shift")
    )
    if not same:
        return Finding(
            PROBLEM,
            "preparation",
            "validation images are cut out, mirrored, colored or chosen at random",
            "a validation loader without augmentation and shuffling",
        )
    return Finding(OK, "preparation", "validation images are prepared alike each time")


def _first_batch(loader: Loader, epoch: int) -> Batch:
    with contextlib.closing(loader.batches(epoch)) as batches:
        return next(batches)
