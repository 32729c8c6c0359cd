"""The development kit of ILSVRC 2012: the classes of the validation images.

data/meta.mat                                  the synsets with their numbers
data/ILSVRC2012_validation_ground_truth.txt    one number a line, in the order of the images
"""

import gzip
import importlib.util
import io
import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

from alexnet.data.readers.imagenet_tar import walk
from alexnet.errors import DataError

NAME = "ILSVRC2012_devkit_t12"
ARCHIVE = f"{NAME}.tar.gz"
META = "data/meta.mat"
GROUND_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
SYNSET = re.compile(r"n\d{8}", re.ASCII)
# Bytes: of the unpacked archive, which is small, and of each of the two files.
LARGEST_ARCHIVE, LARGEST_FILE = 2**28, 2**23


def validation_synsets(root: Path) -> dict[str, str]:
    """File name -> synset, for all validation images in order.

    Args:
        root: the folder with the archive of the development kit, or with its unpacked folder.

    Raises:
        DataError: it is missing or damaged, or scipy is not installed.
    """
    if (root / NAME).is_dir():
        place = root / NAME
        meta, ground_truth = _read_small(place / META), _read_small(place / GROUND_TRUTH)
    elif (root / ARCHIVE).is_file():
        place = root / ARCHIVE
        meta, ground_truth = _read_archive(place)
    else:
        raise DataError(
            f"{root}: no {ARCHIVE}, which has the classes of the validation images; put the "
            "development kit of ILSVRC 2012 (tasks 1 & 2) there"
        )
    synsets = _leaf_synsets(meta, place)
    labels = {}
    for i, line in enumerate(ground_truth.split(), start=1):
        if line not in synsets:
            raise DataError(
                f"{place}: line {i} of {GROUND_TRUTH} is not the number of a class; get it again"
            )
        labels[f"ILSVRC2012_val_{i:08d}.JPEG"] = synsets[line]
    return labels


def _leaf_synsets(meta: bytes, place: Path) -> dict[bytes, str]:
    """Number of a class, as it is written in the ground truth -> its synset."""
    if importlib.util.find_spec("scipy") is None:
        raise DataError("reading ImageNet's development kit needs scipy: pip install scipy")
    try:
        pairs = {b"%d" % number: synset for number, synset in read_meta(meta)}
        if not pairs or not all(SYNSET.fullmatch(synset) for synset in pairs.values()):
            raise ValueError
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        raise DataError(f"{place}: {META} is damaged; get the development kit again") from error
    return pairs


def read_meta(contents: bytes) -> list[tuple[int, str]]:
    """See `imagenet_meta.leaf_synsets`."""
    # -P: modules beside the program must not be taken for those that scipy imports.
    program = [sys.executable, "-P", str(Path(__file__).with_name("imagenet_meta.py"))]
    done = subprocess.run(program, input=contents, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def _read_small(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: no such file; unpack {ARCHIVE} again")
    with open(path, "rb") as file:
        contents = file.read(LARGEST_FILE + 1)
    if len(contents) > LARGEST_FILE:
        raise DataError(f"{path}: larger than {LARGEST_FILE:,} bytes; unpack {ARCHIVE} again")
    return contents


def _read_archive(path: Path) -> list[bytes]:
    """The contents of the two files."""
    try:
        with gzip.open(path) as file:
            unpacked = file.read(LARGEST_ARCHIVE + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); get the development kit again") from error
    if len(unpacked) > LARGEST_ARCHIVE:
        raise DataError(
            f"{path}: not the development kit, it has more than {LARGEST_ARCHIVE:,} bytes"
        )
    found = {
        member.name: unpacked[member.offset_data : member.offset_data + member.size]
        for member in walk(io.BytesIO(unpacked), len(unpacked), str(path))
    }
    contents = []
    for name in (META, GROUND_TRUTH):
        file = found.get(f"{NAME}/{name}", b"")
        if not 0 < len(file) <= LARGEST_FILE:
            raise DataError(
                f"{path}: {NAME}/{name} is missing or too large; get the development kit again"
            )
        contents.append(file)
    return contents
