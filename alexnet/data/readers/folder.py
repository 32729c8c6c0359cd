"""A folder of images, one folder a class, with or without a split into train/, val/ and test/.

    root/train/CLASS/*  with  root/val/CLASS/*  and  root/test/CLASS/*
    root/CLASS/*                                    (divided reproducibly)

`alexnet.data.readers.splits` finds the folders of the sets by their usual names; without one for
validation, test/ takes its place. Below the folder of a class, folders may be nested. Files are
chosen by name, and read when their images are used.
"""

import hashlib
import itertools
import logging
import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Splits
from alexnet.data.images import decode
from alexnet.data.readers import splits
from alexnet.data.readers.image_tree import (
    class_name,
    files_by_subfolder,
    holds_images,
    holds_images_directly,
    subfolders,
)
from alexnet.data.readers.tiny_imagenet import annotated_files
from alexnet.errors import DataError
from alexnet.files import several

VALIDATION_FRACTION = 0.2
HELD_OUT = " (a fifth of each class, chosen by a hash of the names)"
NO_VALIDATION = " (no folder for validation)"
LISTED_FOLDERS = 5  # of those that are not used

logger = logging.getLogger("alexnet.data")

# The files of each class, classes and files in order.
Files = dict[str, list[str]]


class FolderDataset:
    """Images in files.

    Args:
        images: the files of each class, classes and files in order.
    """

    def __init__(self, images: Files):
        self.classes = list(images)
        self.files = [path for paths in images.values() for path in paths]
        counts = [len(paths) for paths in images.values()]
        self.labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return decode(self.file(index), self.files[index], square)

    def file(self, index: int) -> Path:
        return Path(self.files[index])

    def name(self, index: int) -> str:
        return self.files[index]


def found_in(root: Path) -> bool:
    """Whether there is an image below `root`."""
    return holds_images(root)


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets below `root`; classes and files are in alphabetical order.

    Without a folder for validation, a fifth of each class is held out, which depends on `seed` and
    the names of the files alone.

    Raises:
        DataError: there is no such folder, it cannot be told which folder holds which set, fewer
            than two classes have an image, or a set has classes that the training set does not
            have.
    """
    _require_folder(root)
    layout = splits.find(root)
    for path in layout.classes:
        logger.warning(
            "%s: taken as a class, though called like a set; if it is none, move it", path
        )
    _say_unused(layout.unused)
    train = list_images([layout.train], layout.unused)
    if layout.validation is None and layout.test is None:
        return divided(train, [layout.train], seed)
    opened = {"train": _dataset("train", [layout.train], train)}
    if layout.validation is None:
        files = _files_like(train, "validation", [layout.test])
        opened["validation"] = _dataset("validation", [layout.test], files, NO_VALIDATION)
        return opened
    files = _files_like(train, "validation", [layout.validation])
    opened["validation"] = _dataset("validation", [layout.validation], files)
    if layout.test is not None:
        try:
            files = _files_like(train, "test", [layout.test])
            opened["test"] = _dataset("test", [layout.test], files)
        except DataError as error:  # training does not need it
            logger.warning("not used: %s", error)
    return opened


def open_separate(train_root: Path | str, val_root: Path | str | None, seed: int = 0) -> Splits:
    """The sets of folders of any name, each with a folder per class.

    Args:
        train_root: a folder, or several, see `files.several`; a class may lie in all of them.
        val_root: the same for validation; without it, the images are divided as by `open_splits`.

    Raises:
        DataError: see `open_splits`; or images would be used twice, since a folder is given twice
            or lies inside a class of another.
    """
    roots = _folders(train_root)
    folders = [splits.innermost(root) for root in roots]
    _require_apart(folders)
    if val_root is None:
        train = list_images(folders)
        _require_classes(folders, train)
        return divided(train, folders, seed)
    val_roots = _folders(val_root)
    # They may lie beside the classes.
    unused = [
        path
        for folder in folders
        for path in subfolders(folder)
        if any(os.path.samefile(path, root) for root in val_roots)
    ]
    train = list_images(folders, unused)
    _require_classes(folders, train)
    validation = [splits.innermost(root, train) for root in val_roots]
    _require_apart(validation)
    for folder, root in zip(validation, val_roots):
        beside = any(os.path.samefile(path, root) for path in unused)
        if not beside and any(_is_inside(folder, other) for other in folders):
            raise DataError(
                f"{root}: its images are also those to learn from; leave out --val-root to have "
                "them divided, or move it"
            )
    files = _files_like(train, "validation", validation)
    return {
        "train": _dataset("train", folders, train),
        "validation": _dataset("validation", validation, files),
    }


def list_images(folders: Sequence[Path], unused: Collection[Path] = ()) -> Files:
    """The images of each class of a training set, classes and files in alphabetical order.

    Args:
        unused: folders that are no classes.

    Raises:
        DataError: fewer than two classes have an image.
    """
    images = _classes(folders, unused)
    if len(images) >= 2:
        return images
    place = _names(folders)
    if images:
        (name,) = images
        raise DataError(
            f"{place}: all images lie in one folder, {name}, but at least 2 classes are needed; "
            f"{splits.ADVICE}"
        )
    if holds_images_directly(folders[0]):
        raise DataError(
            f"{folders[0]} holds images directly: it looks like the folder of one class; give its "
            "parent, with a folder of images per class"
        )
    raise DataError(f"{place}: no folder with images; {splits.ADVICE}")


def divided(images: Files, folders: Sequence[Path], seed: int) -> Splits:
    """Hold out a fraction of each class, at least one image where it has two.

    Args:
        folders: that the images lie in.
    """
    root = folders[0] if len(folders) == 1 else os.path.commonpath(map(os.path.abspath, folders))
    train, validation = {}, {}
    for name, paths in images.items():
        held_out = min(max(1, round(VALIDATION_FRACTION * len(paths))), len(paths) - 1)
        if held_out == 0:
            logger.warning("class %s has a single image: none is left for validation", name)
        # Ranked by a hash of the name: adding or removing files hardly changes the split.
        ranked = sorted(paths, key=lambda path: rank(seed, os.path.relpath(path, root)))
        validation[name] = sorted(ranked[:held_out])
        train[name] = sorted(ranked[held_out:])
    return {
        "train": _dataset("train", folders, train),
        "validation": _dataset("validation", folders, validation, HELD_OUT),
    }


def rank(seed: int, path: str) -> bytes:
    """The place of an image in a random order that depends on the seed and its name alone."""
    name = os.fsencode(unicodedata.normalize("NFC", path.replace(os.sep, "/")))
    return hashlib.blake2b(f"{seed}/".encode() + name, digest_size=16).digest()


def _folders(roots: Path | str) -> list[Path]:
    folders = several(roots)
    for folder in folders:
        _require_folder(folder)
    return folders


def _require_folder(root: Path) -> None:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give one that holds a folder of images per class")


def _require_apart(folders: Sequence[Path]) -> None:
    for folder, other in itertools.permutations(folders, 2):
        if _is_inside(folder, other):
            raise DataError(
                f"{folder} is also in {other}: its images would be used twice; leave out one of "
                "the two"
            )


def _require_classes(folders: Sequence[Path], images: Files) -> None:
    """Raise if the folders hold sets, such as train/ and val/, where they should hold classes."""
    if all(map(splits.split_of, images)):
        raise DataError(
            f"{_names(folders)} holds {', '.join(images)}, which look like sets and not like "
            "classes: give --data-root, or the folder of one set"
        )


def _is_inside(folder: Path, other: Path) -> bool:
    """Whether it is the other folder, or lies in it."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(other))


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def _classes(folders: Sequence[Path], unused: Collection[Path] = ()) -> Files:
    """The images of each class that has some."""
    classes = defaultdict(list)
    for folder in folders:
        images = files_by_subfolder(folder, unused)
        if len(folders) > 1 and not any(images.values()):
            raise DataError(f"{folder}: no folder with images; {splits.ADVICE}")
        empty = [name for name, paths in images.items() if not paths]
        if empty and len(empty) < len(images):
            logger.warning(
                "%s: left out %d folder(s) without an image, such as %s",
                *(folder, len(empty), empty[0]),
            )
        for name, paths in images.items():
            if paths:
                classes[class_name(name)] += paths
    _warn_of_similar(_names(folders), classes)
    return {name: sorted(classes[name]) for name in sorted(classes)}


def _similar(name: str) -> str:
    """What names have in common that differ in case or in spaces around them only."""
    return name.strip().casefold()


def _warn_of_similar(place: str, classes: Collection[str]) -> None:
    names: dict[str, str] = {}
    for name in sorted(classes):
        other = names.setdefault(_similar(name), name)
        if other != name:
            logger.warning("%s: %r and %r are two classes; is one meant?", place, other, name)


def _files_like(train: Files, split: str, folders: Sequence[Path]) -> Files:
    """The images of another set, with the classes of the training set.

    Raises:
        DataError: there are none, or of a class that is not in the training set.
    """
    place = _names(folders)
    images = (len(folders) == 1 and annotated_files(folders[0])) or _classes(folders)
    if not images and holds_images_directly(folders[0]):
        raise DataError(
            f"{place}: the set for {split} holds images directly; {splits.ADVICE}, or give "
            "--train-root DIR alone to divide the training images"
        )
    if not images:
        raise DataError(f"{place}: the set for {split} has no folder with images")
    if unknown := sorted(images.keys() - train.keys()):
        raise DataError(
            f"{place}: the set for {split} has classes that the one for training does not: "
            f"{_some(unknown)}{_meant(unknown, train)}"
        )
    if missing := sorted(train.keys() - images.keys()):
        logger.warning("%s: the set for %s has no image of %s", place, split, _some(missing))
    return {name: images.get(name, []) for name in train}


def _dataset(split: str, folders: Sequence[Path], images: Files, note: str = "") -> FolderDataset:
    """The set, after a line that says what it is."""
    dataset = FolderDataset(images)
    splits.say_set(split, _names(folders), dataset, note)
    return dataset


def _say_unused(unused: dict[Path, str]) -> None:
    for path, reason in list(unused.items())[:LISTED_FOLDERS]:
        logger.info("not used: %s (%s)", path, reason)
    if len(unused) > LISTED_FOLDERS:
        logger.info("not used: %d more folders", len(unused) - LISTED_FOLDERS)


def _meant(unknown: list[str], classes: Collection[str]) -> str:
    for name in classes:
        if _similar(name) == _similar(unknown[0]):
            return f"; is {name!r} meant?"
    return ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
