"""ImageNet of ILSVRC 2012 (Russakovsky et al., 2015), 1,000 classes, https://image-net.org.

    ILSVRC2012_img_train.tar    or    train/n01440764/*.JPEG, ...
    ILSVRC2012_img_val.tar      or    val/ILSVRC2012_val_00000001.JPEG, ...
                                or    val/n01440764/*.JPEG, ...
    ILSVRC2012_devkit_t12.tar.gz or ILSVRC2012_devkit_t12/, unless val/ has a folder per class

or, as Kaggle has it:

    ILSVRC/Data/CLS-LOC/train/n01440764/*.JPEG, ...
    ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG, ...    and    LOC_val_solution.csv

The tar files are read without unpacking, and preferred to folders, which may be half unpacked.
Classes are synsets (n01440764) in sorted order; `labels.display_name` has their words.
"""

import io
import os
import re
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Dataset, Splits
from alexnet.data.images import decode
from alexnet.data.readers import imagenet_devkit, splits
from alexnet.data.readers.folder import FolderDataset, list_images
from alexnet.data.readers.image_tree import subfolders
from alexnet.data.readers.imagenet_tar import (
    VALIDATION_IMAGE,
    TarImages,
    train_images,
    validation_images,
)
from alexnet.errors import DataError

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"
KAGGLE_LABELS = "LOC_val_solution.csv"


class TarDataset:
    """Images in a tar file, in the order of their classes and names.

    Args:
        synsets: the class of each image in the tar.
    """

    def __init__(self, images: TarImages, synsets: np.ndarray):
        self._images = images
        classes, labels = np.unique(synsets, return_inverse=True)
        self._order = np.argsort(labels, kind="stable")
        self.classes = classes.tolist()
        self.labels = labels[self._order].astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return decode(self.file(index), self.name(index), square)

    def file(self, index: int) -> io.BytesIO:
        return io.BytesIO(self._images.read(self._order[index]))

    def name(self, index: int) -> str:
        return self._images.name(self._order[index])


def found_in(root: Path) -> bool:
    """Whether `root` has a tar file of ImageNet, or train/ and a val/ without folders."""
    if any((root / name).is_file() for name in (TRAIN_TAR, VALIDATION_TAR)):
        return True
    folder = splits.container(root)
    return _set_folder(folder, "train").is_dir() and _is_flat(_set_folder(folder, "validation"))


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets "train" and "validation".

    Raises:
        DataError: a part is missing or damaged, or the two sets have different classes.
    """
    opened = {"train": _open_train(root), "validation": _open_validation(root)}
    for split, dataset in opened.items():
        splits.say_set(split, _place(root, split), dataset)
    train, validation = (set(dataset.classes) for dataset in opened.values())
    if differing := sorted(train ^ validation):
        raise DataError(
            f"{root}: the sets for train and validation must have the same classes, but only one "
            f"of them has images of {', '.join(differing[:5])}"
        )
    return opened


def _open_train(root: Path) -> Dataset:
    place = _place(root, "train")
    if place.is_file():
        images = TarImages(place, train_images)
        # A name begins with the class: n01440764_10026.JPEG.
        return TarDataset(images, images.index["name"].astype("S9").astype(str))
    if place.is_dir():
        return FolderDataset(list_images([place]))
    raise DataError(f"{root}: no training images; put {TRAIN_TAR} or its classes in train/ there")


def _open_validation(root: Path) -> Dataset:
    place = _place(root, "validation")
    if place.is_file():
        images = TarImages(place, validation_images)
        names = [name.decode() for name in images.index["name"]]
        return TarDataset(images, np.array(_validation_synsets(root, names, place)))
    if _is_flat(place):
        names = sorted(filter(VALIDATION_IMAGE.fullmatch, os.listdir(place)))
        files = {}
        for name, synset in zip(names, _validation_synsets(root, names, place)):
            files.setdefault(synset, []).append(str(place / name))
        return FolderDataset({synset: files[synset] for synset in sorted(files)})
    if place.is_dir():
        return FolderDataset(list_images([place]))
    raise DataError(
        f"{root}: no validation images; put {VALIDATION_TAR} and {imagenet_devkit.ARCHIVE} there"
    )


def _place(root: Path, split: str) -> Path:
    """The tar file or else the folder of a set."""
    tar = root / {"train": TRAIN_TAR, "validation": VALIDATION_TAR}[split]
    return tar if tar.is_file() else _set_folder(splits.container(root), split)


def _set_folder(root: Path, split: str) -> Path:
    """The folder of a set: train/ or val/ if it is there, else one that is called like it."""
    usual = root / {"train": "train", "validation": "val"}[split]
    names = splits.by_split(path.name for path in subfolders(root)).get(split, [])
    return usual if usual.is_dir() or not names else root / names[0]


def _is_flat(folder: Path) -> bool:
    """Whether validation images lie directly in a folder, as unpacked from the tar."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(VALIDATION_IMAGE.fullmatch(entry.name) for entry in entries)


def _validation_synsets(root: Path, names: list[str], place: Path) -> list[str]:
    """The class of each validation image by its file name."""
    if (root / KAGGLE_LABELS).is_file():
        synsets = _kaggle_synsets(root / KAGGLE_LABELS)
    else:
        synsets = imagenet_devkit.validation_synsets(root)
    if differing := sorted(synsets.keys() ^ set(names)):
        raise DataError(
            f"{place}: {len(names):,} images where the list of classes has {len(synsets):,}; "
            f"{differing[0]} is the first in only one of them; unpack or copy both again"
        )
    return [synsets[name] for name in names]


def _kaggle_synsets(path: Path) -> dict[str, str]:
    """File name -> synset, from lines like ILSVRC2012_val_00000001,n01440764 85 1 499 272."""
    pattern = re.compile(r"(ILSVRC2012_val_\d{8}),(n\d{8})( [\d ]*)?", re.ASCII)
    synsets = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines[1:], start=2):
        match = pattern.fullmatch(line)
        if match is None:
            raise DataError(f"{path}: line {number} is not an image and its class; get it again")
        name = f"{match[1]}.JPEG"
        if synsets.setdefault(name, match[2]) != match[2]:
            raise DataError(f"{path}: {match[1]} has two classes; get it again")
    return synsets
