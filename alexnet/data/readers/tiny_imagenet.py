"""The validation set of Tiny ImageNet (Stanford CS231n), http://cs231n.stanford.edu.

    val/images/val_0.JPEG, ...    and    val/val_annotations.txt

Its images lie in one folder, and a text file has a line for each: the name of the image, its class,
and four numbers, separated by tabs. The training set is a folder of classes like any other.
"""

import os
from pathlib import Path

from alexnet.errors import DataError

ANNOTATIONS = "val_annotations.txt"


def annotated_files(folder: Path) -> dict[str, list[str]] | None:
    """The images of each class, sorted by name; None if `folder` has no such text file.

    Raises:
        DataError: the text file is damaged, or names an image that is not there.
    """
    path = folder / ANNOTATIONS
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file; unpack the archive again") from error
    images: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        name, _, rest = line.partition("\t")
        synset = rest.split("\t")[0]
        file = folder / "images" / name
        if not synset or not os.path.isfile(file):
            raise DataError(
                f"{path}, line {number}: {name[:50]!r} is no image of {folder / 'images'} with a "
                "class; unpack the archive again"
            )
        images.setdefault(synset, []).append(str(file))
    return {synset: sorted(files) for synset, files in images.items()}
