"""Images named by the user: files, folders, standard input.

An image that cannot be used is reported in one line; the others are not affected.
"""

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alexnet.data.images import MAX_FILE_BYTES, decode
from alexnet.data.loader import Batch
from alexnet.data.readers.image_tree import class_name, files_below
from alexnet.data.transforms import Preprocessing, View, central_view, ten_views
from alexnet.errors import BadImage, DataError

STANDARD_INPUT = "-"
UNKNOWN = -1  # the label of an image whose class is not known


class ImageFile(NamedTuple):
    """An image asked for: its name, and the index of its true class or UNKNOWN."""

    name: str
    label: int = UNKNOWN


class ImageFiles:
    """Images in files, whose classes are not known: a `Dataset` of which all labels are UNKNOWN."""

    def __init__(self, files: list[str], classes: list[str]):
        self.files = files
        self.classes = classes
        self.labels = np.full(len(files), UNKNOWN, np.int64)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        return decode(Path(self.files[index]), self.name(index), square)

    def name(self, index: int) -> str:
        return self.files[index]


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


def find(
    names: list[str], classes: list[str], refuse: Callable[[str, str], None]
) -> list[ImageFile]:
    """The images that names stand for; a folder stands for all images below it.

    An image in a folder with the name of a class is taken to be of that class.

    Args:
        refuse: called with a name that stands for no image, and what is wrong.
    """
    labels = {name: label for label, name in enumerate(classes)}
    found = []
    for name in names:
        if name == STANDARD_INPUT:
            found.append(ImageFile(name))
            continue
        try:
            files = expand(name)
        except DataError as error:
            refuse(name, str(error))
            continue
        if not files:
            refuse(name, f"{name}: no image in this folder")
        for file in files:
            folder = class_name(Path(file).absolute().parent.name)
            found.append(ImageFile(file, labels.get(folder, UNKNOWN)))
    return found


def batches(
    files: list[ImageFile],
    preprocessing: Preprocessing,
    batch_size: int,
    views: int,
    workers: int,
    refuse: Callable[[str, str], None],
) -> Iterator[Batch]:
    """Batches of the images, prepared for the network; `indices` are positions in `files`.

    Args:
        batch_size: images in a batch, those that cannot be used included.
        views: 1, the middle of an image, or 10.
        workers: threads that decode.
        refuse: called with the name of an image that cannot be used, and what is wrong.
    """

    def read(file: ImageFile) -> list[View] | BadImage:
        try:
            image = _decode(file.name, preprocessing.resize)
        except BadImage as error:
            return error
        return (
            ten_views(image, preprocessing) if views == 10 else [central_view(image, preprocessing)]
        )

    with ThreadPoolExecutor(max(1, workers)) as executor:
        for first in range(0, len(files), batch_size):
            part = files[first : first + batch_size]
            used, all_views = [], []
            for index, result in enumerate(executor.map(read, part), first):
                if isinstance(result, BadImage):
                    refuse(files[index].name, str(result))
                else:
                    used.append(index)
                    all_views += result
            if used:
                labels = np.array([files[index].label for index in used])
                yield Batch.from_views(all_views, labels, np.array(used), preprocessing)


def _decode(name: str, square: int) -> np.ndarray:
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
