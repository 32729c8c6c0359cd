"""A folder of images, one folder a class, with or without a split into train/, val/ and test/.

    root/train/CLASS/*  with  root/val/CLASS/*  and  root/test/CLASS/*
    root/CLASS/*                                    (divided reproducibly)

Below the folder of a class, folders may be nested. val/ may also be called validation/; without
either, test/ takes its place. Files are chosen by name, and read when their images are used.
"""

import hashlib
import logging
import os
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Splits
from alexnet.data.image_formats import SUFFIXES
from alexnet.data.images import decode
from alexnet.errors import DataError

VALIDATION_FOLDERS = ("val", "validation")
VALIDATION_FRACTION = 0.2

logger = logging.getLogger("alexnet.data")


class FolderDataset:
    """Images in files.

    Args:
        images: the files of each class, classes and files in order.
    """

    def __init__(self, images: dict[str, list[str]]):
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
    """Whether two folders in `root`, or in root/train, have images below them."""
    inside = root / "train" if (root / "train").is_dir() else root
    found = 0
    for folder in _subfolders(inside):
        found += any(_is_image(name) for _, _, names in os.walk(folder) for name in names)
        if found == 2:
            return True
    return False


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets below `root`; classes and files are in alphabetical order.

    Without a folder for validation, a fifth of each class is held out, which depends on `seed` and
    the names of the files alone.

    Raises:
        DataError: there is no such folder, fewer than two classes have an image, or a set has
            classes that the training set does not have.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give one that holds a folder of images per class")
    if not (root / "train").is_dir():
        return _split(list_images(root), root, seed)
    images = {"train": list_images(root / "train")}
    for name in VALIDATION_FOLDERS:
        if "validation" not in images and (root / name).is_dir():
            images["validation"] = list_images(root / name)
    if (root / "test").is_dir():
        images["test" if "validation" in images else "validation"] = list_images(root / "test")
    if "validation" not in images:
        return _split(images["train"], root / "train", seed)
    classes = images["train"]
    for split, class_files in images.items():
        if unknown := sorted(class_files.keys() - classes.keys()):
            raise DataError(
                f"{root}: the set for {split} has classes that the one for training does not: "
                f"{', '.join(unknown[:5])}"
            )
        if missing := sorted(classes.keys() - class_files.keys()):
            names = ", ".join(missing[:5])
            logger.warning("%s: the set for %s has no image of %s", root, split, names)
    return {
        split: FolderDataset({name: class_files.get(name, []) for name in classes})
        for split, class_files in images.items()
    }


def list_images(folder: Path) -> dict[str, list[str]]:
    """The images of each class, classes and files in alphabetical order."""
    images = {}
    for subfolder in _subfolders(folder):
        paths = files_below(subfolder)
        if paths:
            images[subfolder.name] = paths
        else:
            logger.warning("left out class %s: no image in %s", subfolder.name, subfolder)
    if len(images) < 2:
        raise DataError(
            f"{folder}: {len(images)} class(es) with images, but at least 2 are needed; "
            "put the images of each class into a folder of its own there"
        )
    return images


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def files_below(folder: Path) -> list[str]:
    """All image files below a folder that are not hidden, sorted by their path."""

    def refuse(error: OSError):
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error

    images, others = [], []
    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                (images if _is_image(name) else others).append(os.path.join(parent, name))
    if others:
        logger.warning(
            "%s: %d file(s) are not called like images and were left out, such as %s",
            folder,
            len(others),
            min(others),
        )
    return sorted(images)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _split(images: dict[str, list[str]], root: Path, seed: int) -> Splits:
    """Hold out a fraction of each class, at least one image where it has two."""
    train, validation = {}, {}
    for name, paths in images.items():
        held_out = min(max(1, round(VALIDATION_FRACTION * len(paths))), len(paths) - 1)
        if held_out == 0:
            logger.warning("class %s has a single image: none is left for validation", name)
        # Ranked by a hash of the name: adding or removing files hardly changes the split.
        ranked = sorted(paths, key=lambda path: _hash(seed, os.path.relpath(path, root)))
        validation[name] = sorted(ranked[:held_out])
        train[name] = sorted(ranked[held_out:])
    return {"train": FolderDataset(train), "validation": FolderDataset(validation)}


def _hash(seed: int, path: str) -> bytes:
    name = os.fsencode(path.replace(os.sep, "/"))
    return hashlib.blake2b(f"{seed}/".encode() + name, digest_size=16).digest()
