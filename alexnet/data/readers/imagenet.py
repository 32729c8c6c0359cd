"""ImageNet of ILSVRC 2012 (Russakovsky et al., 2015), 1,000 classes, https://image-net.org.

    ILSVRC2012_img_train.tar    or    train/n01440764/*.JPEG, ...
    ILSVRC2012_img_val.tar      or    val/ILSVRC2012_val_00000001.JPEG, ...
                                or    val/n01440764/*.JPEG, ...
    ILSVRC2012_devkit_t12.tar.gz or ILSVRC2012_devkit_t12/, unless val/ has a folder per class

The tar files are read without unpacking, and preferred to folders, which may be half unpacked.
Classes are synsets (n01440764) in sorted order; `labels.display_name` has their words.
"""

import io
import os
from pathlib import Path

import numpy as np

from alexnet.data.dataset import Dataset, Splits
from alexnet.data.images import decode
from alexnet.data.readers import imagenet_devkit
from alexnet.data.readers.folder import FolderDataset, list_images
from alexnet.data.readers.imagenet_tar import (
    VALIDATION_IMAGE,
    TarImages,
    train_images,
    validation_images,
)
from alexnet.errors import DataError

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"


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
    return (root / "train").is_dir() and _is_flat(root / "val")


def open_splits(root: Path, seed: int = 0) -> Splits:
    """The sets "train" and "validation".

    Raises:
        DataError: a part is missing or damaged, or the two sets have different classes.
    """
    splits = {"train": _open_train(root), "validation": _open_validation(root)}
    train, validation = (set(dataset.classes) for dataset in splits.values())
    if differing := sorted(train ^ validation):
        raise DataError(
            f"{root}: the sets for train and validation must have the same classes, but only one "
            f"of them has images of {', '.join(differing[:5])}"
        )
    return splits


def _open_train(root: Path) -> Dataset:
    if (root / TRAIN_TAR).is_file():
        images = TarImages(root / TRAIN_TAR, train_images)
        # A name begins with the class: n01440764_10026.JPEG.
        return TarDataset(images, images.index["name"].astype("S9").astype(str))
    if (root / "train").is_dir():
        return FolderDataset(list_images(root / "train"))
    raise DataError(f"{root}: no training images; put {TRAIN_TAR} or its classes in train/ there")


def _open_validation(root: Path) -> Dataset:
    if (root / VALIDATION_TAR).is_file():
        images = TarImages(root / VALIDATION_TAR, validation_images)
        names = [name.decode() for name in images.index["name"]]
        return TarDataset(images, np.array(_validation_synsets(root, names, root / VALIDATION_TAR)))
    folder = root / "val"
    if _is_flat(folder):
        names = sorted(filter(VALIDATION_IMAGE.fullmatch, os.listdir(folder)))
        files = {}
        for name, synset in zip(names, _validation_synsets(root, names, folder)):
            files.setdefault(synset, []).append(str(folder / name))
        return FolderDataset({synset: files[synset] for synset in sorted(files)})
    if folder.is_dir():
        return FolderDataset(list_images(folder))
    raise DataError(
        f"{root}: no validation images; put {VALIDATION_TAR} and {imagenet_devkit.ARCHIVE} there"
    )


def _is_flat(folder: Path) -> bool:
    """Whether validation images lie directly in a folder, as unpacked from the tar."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(VALIDATION_IMAGE.fullmatch(entry.name) for entry in entries)


def _validation_synsets(root: Path, names: list[str], place: Path) -> list[str]:
    """The class of each validation image by its file name."""
    synsets = imagenet_devkit.validation_synsets(root)
    if differing := sorted(synsets.keys() ^ set(names)):
        raise DataError(
            f"{place}: {len(names):,} images where the development kit has {len(synsets):,}; "
            f"{differing[0]} is the first in only one of them; unpack or copy both again"
        )
    return [synsets[name] for name in names]
