"""The images that somebody asks about: files, folders, standard input, and images in memory.

An image that cannot be used is reported in one line; the others are not affected.
"""

import codecs
import io
import os
import sys
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from alexnet.data.batch import Batch
from alexnet.data.images import MAX_FILE_BYTES, decode, from_array, from_pillow
from alexnet.data.readers.image_tree import class_name, files_below
from alexnet.data.transforms import Preprocessing, View, central_view, ten_views
from alexnet.errors import BadImage, DataError, UsageError

STANDARD_INPUT = "-"
UNKNOWN = -1  # the label of an image whose class is not known


# What is done with an image that cannot be used, by its name.
Refuse = Callable[[str, DataError], None]
# A path, a Pillow image, an array or tensor; or several in a list, or along an axis.
Images = Any


class Input(NamedTuple):
    """An image asked for.

    Attributes:
        name: its path, or what to call it.
        label: the index of its true class, or UNKNOWN.
        content: of an image in memory: a Pillow image, or an array.
    """

    name: str
    label: int = UNKNOWN
    content: Image.Image | np.ndarray | None = None


class Inputs:
    """Images as a `Dataset`, of which some or all labels are UNKNOWN."""

    def __init__(self, inputs: list[Input], classes: list[str]):
        self.inputs = inputs
        self.classes = classes
        self.labels = np.array([image.label for image in inputs], np.int64)

    def __len__(self) -> int:
        return len(self.inputs)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return read(self.inputs[index], square)

    def name(self, index: int) -> str:
        return self.inputs[index].name


def raise_error(name: str, error: DataError) -> None:
    """A `Refuse` that ends at the first image that cannot be used."""
    raise error


def collect(images: Images, classes: list[str]) -> tuple[list[Input], bool]:
    """The images that a value of Python stands for, and whether it is a single one.

    Raises:
        DataError: a path is a folder without images.
        UsageError: it is nothing that can be an image, or there is none.
    """
    if isinstance(images, str | os.PathLike):
        name = os.fspath(images)
        return find([name], classes, raise_error), not os.path.isdir(name)
    if isinstance(images, Image.Image):
        return [Input("image", content=images)], True
    if not isinstance(images, list | tuple) and not hasattr(images, "__array__"):
        if not isinstance(images, Iterable) or isinstance(images, bytes | dict | set):
            raise UsageError(
                f"{type(images).__name__} is no image: give a path, a Pillow image, an array or a "
                "tensor, or a list of them"
            )
        images = list(images)
    if hasattr(images, "__array__"):
        array = np.asarray(images)
        if array.ndim != 4:
            return [Input("image", content=array)], True
        images = list(array)
    found = []
    for number, image in enumerate(images):
        several, single = collect(image, classes)
        if not single and not isinstance(image, str | os.PathLike):
            raise UsageError(f"image {number} is a list or has four axes: give single images")
        found += [
            image if image.content is None else image._replace(name=f"image {number}")
            for image in several
        ]
    if not found:
        raise UsageError("no image is given")
    return found, False


def listed(content: bytes) -> list[str]:
    """The names in a list of files, one a line, as any system writes it.

    Windows ends lines with CR LF, its editors begin UTF-8 with a byte-order mark, and its shell
    writes UTF-16.

    Raises:
        ValueError: it is no such list.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16")
    else:
        text = os.fsdecode(content.removeprefix(codecs.BOM_UTF8))
    if "\0" in text:
        raise ValueError("has null characters: give one name a line, in UTF-8")
    # Not splitlines(): names may hold the other line breaks of Unicode.
    return [line.removesuffix("\r") for line in text.split("\n")]


def expand(path: str) -> list[str]:
    """The image files below a folder, sorted by name; of anything else the path itself."""
    return files_below(Path(path)) if os.path.isdir(path) else [path]


def find(names: list[str], classes: list[str], refuse: Refuse) -> list[Input]:
    """The images that names stand for; a folder stands for all images below it.

    An image in a folder with the name of a class is taken to be of that class.

    Args:
        refuse: called with a name that stands for no image, and the error.
    """
    labels = {name: label for label, name in enumerate(classes)}
    found = []
    for name in names:
        if name == STANDARD_INPUT:
            found.append(Input(name))
            continue
        try:
            files = expand(name)
        except DataError as error:
            refuse(name, error)
            continue
        if not files:
            refuse(name, DataError(f"{name}: no image in this folder"))
        for file in files:
            folder = class_name(Path(file).absolute().parent.name)
            found.append(Input(file, labels.get(folder, UNKNOWN)))
    return found


def batches(
    inputs: list[Input],
    preprocessing: Preprocessing,
    batch_size: int,
    views: int,
    workers: int,
    refuse: Refuse,
) -> Generator[Batch]:
    """Batches of the images, prepared for the network; `indices` are positions in `inputs`.

    Args:
        batch_size: images in a batch, those that cannot be used included.
        views: 1, the middle of an image, or 10.
        workers: threads that decode.
        refuse: called with the name of an image that cannot be used, and the error.
    """

    def views_of(image: Input) -> list[View] | BadImage:
        try:
            pixels = read(image, preprocessing.resize)
        except BadImage as error:
            return error
        if views == 10:
            return ten_views(pixels, preprocessing)
        return [central_view(pixels, preprocessing)]

    with ThreadPoolExecutor(max(1, workers)) as executor:
        for first in range(0, len(inputs), batch_size):
            part = inputs[first : first + batch_size]
            used, all_views = [], []
            for index, result in enumerate(executor.map(views_of, part), first):
                if isinstance(result, BadImage):
                    refuse(inputs[index].name, result)
                else:
                    used.append(index)
                    all_views += result
            if used:
                labels = np.array([inputs[index].label for index in used])
                yield Batch.from_views(all_views, labels, np.array(used), preprocessing)


def read(image: Input, square: int | None) -> np.ndarray:
    """The pixels of an image, uint8 (H, W, 3) RGB.

    Args:
        square: see `Dataset.image`.

    Raises:
        BadImage: it cannot be used.
    """
    name, content = image.name, image.content
    if isinstance(content, Image.Image):
        return from_pillow(content, name, square)
    if content is not None:
        return from_array(content, name)
    if name == STANDARD_INPUT:
        return decode(_standard_input(), "standard input", square)
    if "://" in name:
        raise BadImage(f"{name}: nothing is fetched from the net; download it and give the file")
    if os.path.exists(name) and not os.path.isfile(name):
        raise BadImage(f"{name}: neither a file nor a folder")
    return decode(Path(name), name, square)


def _standard_input() -> io.BytesIO:
    if sys.stdin.isatty():
        raise BadImage(
            "standard input: a terminal; send an image there, as in predict ... - < FILE"
        )
    content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BadImage(f"standard input: larger than {MAX_FILE_BYTES:,} bytes")
    return io.BytesIO(content)
