"""The images that pictures are about: which ones, and how the network sees them."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Dataset, Subset
from alexnet.data.labels import caption
from alexnet.data.transforms import Preprocessing, central_view
from alexnet.errors import DataError, UsageError
from alexnet.inference import options
from alexnet.inference.inputs import UNKNOWN, Images, Input, Inputs, collect, expand
from alexnet.inference.trained import Trained
from alexnet.visualize.arguments import require_count

MAX_ROWS = 50  # of images below each other: more than a page, but still a picture


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
        metavar="N",
        help=f"N images of the set, of all classes in turn; default: {default}",
    )
    parser.set_defaults(default_count=default)
    cli.SEED.add_to(parser, default=0, help="decides which; default: 0")


def select_images(arguments: argparse.Namespace, trained: Trained) -> Dataset:
    """The images that the options of `add_image_options` name."""
    if arguments.images:
        return Inputs(_image_files(arguments.images), trained.classes)
    dataset = options.dataset(arguments, trained)
    count = arguments.count or min(arguments.default_count, len(dataset))
    if count > len(dataset):
        cli.say(f"--count {count}: the {arguments.split} set has {len(dataset)} images, all taken")
    return Subset(dataset, min(count, len(dataset)), arguments.seed)


def choose_images(
    trained: Trained,
    images: Images | Dataset | None,
    count: int,
    seed: int = 0,
    most: int | None = None,
) -> Dataset:
    """The images that a value of Python stands for, as a set.

    Args:
        images: see `Trained.predict`; or a data set; or None for the run's validation set.
        count: images of a set, of all classes in turn; all where there are fewer.
        seed: decides which.
        most: images that can be shown; of more, the first are taken.

    Raises:
        UsageError: `images` is nothing that can be an image, or is needed.
    """
    require_count("count", count)
    if images is None or hasattr(images, "labels"):
        dataset = choose_set(trained, "validation", images)
        return Subset(dataset, _shown(min(count, len(dataset)), most), seed)
    found, _ = collect(images, trained.classes)
    return Inputs(found[: _shown(len(found), most)], trained.classes)


def _shown(number: int, most: int | None) -> int:
    """How many of some images are shown; says so where these are not all."""
    if most is None or number <= most:
        return number
    cli.say(f"the first {most} of {number:,} images are shown")
    return most


def choose_set(trained: Trained, split: str, data: Dataset | Path | str | None = None) -> Dataset:
    """The set that is named, or else the one of the run, as in `Trained.evaluate`.

    Raises:
        UsageError: none is named, and there is no run.
    """
    if data is None and "data" not in trained.checkpoint.arguments:
        raise UsageError(f"{trained.source} does not say which images it was trained on: give some")
    return trained.dataset(split, data)


def _image_files(paths: list[Path]) -> list[Input]:
    """The files themselves, and of folders the images below them.

    Raises:
        DataError: a folder has no image.
    """
    files = []
    for path in paths:
        found = expand(str(path))
        if not found:
            raise DataError(f"{path}: no image in this folder; give one that has some, or files")
        files += map(Input, found)
    return files


class Picture(NamedTuple):
    """An image as the network sees it, uint8 (S, S, 3), nothing subtracted; and its class."""

    pixels: np.ndarray
    label: int


class Prepared(NamedTuple):
    """An image of a set for a network and for people.

    Attributes:
        index: in the set.
        name: what to print, in one line.
        picture: as the network sees it.
        inputs: the network's input, (1, 3, S, S) on its device.
    """

    index: int
    name: str
    picture: Picture
    inputs: Any


def prepare_images(trained: Trained, images: Dataset) -> Iterator[Prepared]:
    """Each image that can be used, prepared as the checkpoint says."""
    for batch in trained.loader(images).batches(0):
        inputs = batch.prepare(trained.device)
        for position, index in enumerate(batch.indices):
            (picture,) = load_pictures(images, [index], trained.checkpoint.preprocessing)
            yield Prepared(
                int(index),
                cli.one_line(images.name(index)),
                picture,
                trained.device.images(inputs[position : position + 1]),
            )


def load_pictures(
    dataset: Dataset, indices: Iterable[int], preprocessing: Preprocessing
) -> list[Picture]:
    """Images of a set, as the network sees them."""
    return [
        Picture(
            central_view(dataset.image(i, preprocessing.resize), preprocessing).crop,
            int(dataset.labels[i]),
        )
        for i in indices
    ]


def say_rows_left_out(rows: int, path: Path) -> None:
    """Say so where a picture does not show all images, but `MAX_ROWS` of them."""
    if rows > MAX_ROWS:
        cli.say(f"{path} shows the first {MAX_ROWS} of {rows:,} images")


def class_name(classes: list[str], label: int) -> str:
    """The name of a class for a picture; "" for `UNKNOWN`."""
    return "" if label == UNKNOWN else caption(classes[label])


def numbered(path: Path, number: int, count: int) -> Path:
    """The file of a picture: name-1.png, name-2.png, ... of several; name.png of a single one."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{number + 1}")
