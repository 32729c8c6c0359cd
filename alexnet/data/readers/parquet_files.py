"""Which Parquet files hold which set.

    train-00000-of-00002.parquet  validation-00000-of-00001.parquet    as Hugging Face uploads them
    default/train/0000.parquet    default/test/0000.parquet            as it converts them
    flowers_train.parquet         flowers_valid.parquet

All of them lie in a folder, in its subfolder data/, or in the only subfolder that has such files.
The names of sets are those of `alexnet.data.readers.splits`. Files without the name of a set are
for training, where no file has one.
"""

import logging
import re
from pathlib import Path

from alexnet.data.readers.image_tree import holds_images, is_left_out, subfolders
from alexnet.data.readers.splits import by_split
from alexnet.errors import DataError

_NUMBERED = re.compile(r"(.+)-\d+-of-(\d+)", re.ASCII)

logger = logging.getLogger("alexnet.data")

# The files of each set, in order.
Files = dict[str, list[Path]]


def find(root: Path) -> Files:
    """The files of "train", and of "validation" and "test" where there are some; or nothing.

    Raises:
        DataError: more than one folder, or more than one series of files, can be meant.
    """
    for place in (root, root / "data"):
        if place.is_dir() and (files := _named(place)):
            return files
    # Beside images, a Parquet file may be anything, such as a table of their sizes.
    if holds_images(root):
        return {}
    configurations = {place: files for place in subfolders(root) if (files := _named(place))}
    if len(configurations) > 1:
        first, second = list(configurations)[:2]
        raise DataError(f"{first} and {second} both have Parquet files of sets: give one of them")
    for files in configurations.values():
        return files
    for place in (root, root / "data"):
        if unnamed := _parquet_files(place):
            return {"train": unnamed}
    return {}


def require_complete(paths: list[Path]) -> None:
    """Files called train-00000-of-00294.parquet say how many there are.

    Raises:
        DataError: some are missing.
    """
    for path in paths:
        match = _NUMBERED.fullmatch(path.stem)
        if match and int(match[2]) != len(paths):
            raise DataError(
                f"{path.parent}: {len(paths)} of the {int(match[2])} files "
                f"{match[1]}-*-of-{match[2]}.parquet are there; download the others, or rename "
                "them if you mean to use only these"
            )


def _named(place: Path) -> Files:
    """The files in a folder that have the name of a set, or lie in a folder that has one."""
    series: dict[str, list[Path]] = {}
    for path in _parquet_files(place):
        match = _NUMBERED.fullmatch(path.stem)
        series.setdefault(match[1] if match else path.stem, []).append(path)
    if not by_split(series):
        named = by_split(path.name for path in subfolders(place)).values()
        folders = {name: _parquet_files(place / name) for names in named for name in names}
        series = {name: paths for name, paths in folders.items() if paths}
    files = {}
    for split, names in by_split(series).items():
        if len(names) > 1:
            raise DataError(
                f"{place}: the files of {names[0]} and of {names[1]} both look like the set for "
                f"{split}; move one away"
            )
        files[split] = series.pop(names[0])
    if files:
        for name in series:
            logger.info("not used: %s (not called like a set)", place / name)
    return files


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if not is_left_out(path.name))
