"""What the pictures share: the images they are about, and how they are drawn and saved."""

import argparse
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Dataset, Subset
from alexnet.data.images import decode
from alexnet.data.labels import caption
from alexnet.data.readers.folder import files_below
from alexnet.data.transforms import Preprocessing, central_view
from alexnet.errors import DataError
from alexnet.inference import load
from alexnet.run.checkpoint import Checkpoint
from minigrad.backend import Backend

WIDTH = 7.4  # inches: a page of A4 within its margins
MAX_ROWS = 50  # of images below each other: more than a page, but still a picture
UNKNOWN = -1  # the label of an image whose class is not known

# Okabe and Ito's palette, which colour-blind readers can tell apart.
RIGHT, WRONG = "#0072B2", "#D55E00"


# -- images ------------------------------------------------------------------------------------


class ImageFiles:
    """Images in files, whose classes are not known: a `Dataset` with labels of -1."""

    def __init__(self, files: list[Path], classes: list[str]):
        self.files = files
        self.classes = classes
        self.labels = np.full(len(files), UNKNOWN, np.int64)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return decode(self.files[index], self.name(index), square)

    def name(self, index: int) -> str:
        return str(self.files[index])


def find_files(paths: list[Path]) -> list[Path]:
    """The files themselves, and of folders the images below them, sorted by name.

    Raises:
        DataError: there is no such file, or no image in a folder.
    """
    files = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = [Path(file) for file in files_below(path)]
        if not inside:
            raise DataError(f"{path}: no image in this folder; give one that has some, or files")
        files += inside
    return files


def add_image_options(parser: argparse.ArgumentParser, default: int) -> None:
    """Which images: --images, or else --count of the set that the other options name."""
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="image files, or folders of them, instead of images of the data set",
    )
    parser.add_argument(
        "-n",
        "--count",
        type=cli.count,
        default=default,
        metavar="N",
        help=f"so many images of the set, of all classes in turn; default: {default}",
    )
    cli.SEED.add_to(parser, default=0, help="decides which; default: 0")


def chosen(arguments: argparse.Namespace, checkpoint: Checkpoint) -> Dataset:
    """The images that the options of `add_image_options` name."""
    if arguments.images:
        return ImageFiles(find_files(arguments.images), checkpoint.classes)
    dataset = load.dataset(arguments, checkpoint)
    return Subset(dataset, min(arguments.count, len(dataset)), arguments.seed)


def prepared(
    arguments: argparse.Namespace, checkpoint: Checkpoint, images: Dataset, device: Backend
) -> Iterator[tuple[int, Any]]:
    """The index of each image that can be used, and the network's input for it, (1, 3, S, S)."""
    for batch in load.loader(arguments, checkpoint, images).batches(0):
        inputs = batch.prepare(device)
        for position, index in enumerate(batch.indices):
            yield int(index), device.images(inputs[position : position + 1])


class Picture(NamedTuple):
    """An image as the network sees it, uint8 (S, S, 3), nothing subtracted; and its class."""

    pixels: np.ndarray
    label: int


def shown(dataset: Dataset, indices: Iterable[int], preprocessing: Preprocessing) -> list[Picture]:
    """Images of a set, as the network sees them."""
    return [
        Picture(
            central_view(dataset.image(i, preprocessing.resize), preprocessing).crop,
            int(dataset.labels[i]),
        )
        for i in indices
    ]


def class_name(classes: list[str], label: int) -> str:
    """The name of a class for a picture; "" for `UNKNOWN`."""
    return "" if label == UNKNOWN else caption(classes[label])


# -- figures -------------------------------------------------------------------------------------


def mosaic(tiles: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Pictures (N, H, W) side by side in rows, with NaN between them and in places left over."""
    count, height, width = tiles.shape
    rows = math.ceil(count / columns)
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        whole[top : top + height, left : left + width] = tile
    return whole


def numbered(path: Path, number: int, count: int) -> Path:
    """The file of one of several pictures: name-1.png, name-2.png, ...; of a single one, name.png."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{number + 1}")
