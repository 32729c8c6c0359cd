"""Writing a folder of prepared data so that it can be interrupted at any moment.

A file gets its name when all of it is on the disk. After every finished shard comes a record, a
JSON file in `WORK` that says what the shard holds; a shard without a record is not finished. The
bytes written depend on the images alone.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from alexnet import files
from alexnet.data.bad_images import as_line
from alexnet.data.dataset import Dataset
from alexnet.data.readers.shards import (
    DESCRIPTION,
    FORMAT,
    HEADER_BYTES,
    INDEX_TYPE,
    MEAN_IMAGE,
    ShardDataset,
    index_name,
    json_with_checksum,
    names_name,
    read_json,
    sha256_of,
    shard_name,
)
from alexnet.data.resizing import central_square
from alexnet.data.statistics import color_statistics
from alexnet.errors import DataError

# Folder for records and unfinished files, removed at the end.
WORK = ".prepare"
# An open data set keeps a file open for each shard, and many systems allow 1024: with this size,
# ImageNet has 250 shards.
SHARD_BYTES = 2**30
BAD_IMAGES = "bad_images.txt"


@contextlib.contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears at `path` complete, and safe on the disk, or not at all.

    Raises:
        OSError: it cannot be written; what was at `path` before is unchanged.
    """
    folder = path.parent if path.parent.name == WORK else path.parent / WORK
    with files.replacing(path, folder) as temporary, open(temporary, "w+b") as file:
        yield file


def write_json(path: Path, content: dict[str, Any]) -> None:
    """A file for `read_json`."""
    with complete_file(path) as file:
        file.write(json_with_checksum(content))


def write_shard(
    root: Path,
    split: str,
    number: int,
    first: int,
    images: Iterable[tuple[int, np.ndarray | str]],
    mean_size: int | None,
) -> dict[str, Any]:
    """One shard and its record, from as many images as fit into `SHARD_BYTES`, but at least one.

    Args:
        first: index in the source of the first image.
        images: index in the source and pixels (H, W, 3), or what is wrong with the image.
        mean_size: the record gets the sum of the central squares of this size.

    Returns:
        The record: indices in the source from `first` up to `end`, of which `kept` are in the
        shard with their `heights` and `widths`, and `bad` are not; `size` and `sha256` of the
        file; `sum` for the mean image, flat.
    """
    end, length, kept, heights, widths, bad = first, 0, [], [], [], []
    total = None if mean_size is None else np.zeros((mean_size, mean_size, 3), np.int64)
    path = root / shard_name(split, number)
    with complete_file(path) as file:
        file.write(bytes(HEADER_BYTES))
        for index, image in images:
            if isinstance(image, str):
                bad.append([index, image])
            elif length > 0 and length + image.nbytes > SHARD_BYTES:
                break
            else:
                file.write(image.data)
                length += image.nbytes
                kept.append(index)
                heights.append(image.shape[0])
                widths.append(image.shape[1])
                if total is not None:
                    total += central_square(image, mean_size)
            end = index + 1
        file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    record = {
        **{"first": first, "end": end, "kept": kept, "heights": heights, "widths": widths},
        **{"bad": bad, "size": HEADER_BYTES + length, "sha256": sha256},
        "sum": None if total is None else total.ravel().tolist(),
    }
    write_json(_record_path(root, split, number), record)
    return record


def read_record(root: Path, split: str, number: int, first: int) -> dict[str, Any] | None:
    """The record of a shard that is finished, undamaged, and begins with image `first`."""
    try:
        record = read_json(_record_path(root, split, number))
        path = root / shard_name(split, number)
        if record["first"] == first and record["sha256"] == sha256_of(path):
            return record
    except (DataError, FileNotFoundError):
        pass
    return None


def _record_path(root: Path, split: str, number: int) -> Path:
    return root / WORK / f"{split}-{number:05}.json"


class FolderWriter:
    """Collects the records of all shards, and writes the other files of the folder.

    Args:
        settings: what the folder was prepared from, and how.
    """

    def __init__(self, root: Path, size: int, settings: dict[str, Any]):
        self.root = root
        self.settings = settings
        self.files: dict[str, dict[str, Any]] = {}
        self.splits: dict[str, dict[str, int]] = {}
        self.problems: list[str] = []
        self.total = np.zeros((size, size, 3), np.int64)
        self.train: ShardDataset | None = None

    def add_split(self, split: str, dataset: Dataset, records: Iterable[dict[str, Any]]) -> None:
        """Collect the records of all shards of a set, and write its index and names."""
        parts, names, shard_bytes = [np.empty(0, INDEX_TYPE)], [], []
        for number, record in enumerate(records):
            self.files[shard_name(split, number)] = {k: record[k] for k in ("size", "sha256")}
            self.problems += [problem for _, problem in record["bad"]]
            if record["sum"] is not None:
                self.total += np.array(record["sum"], np.int64).reshape(self.total.shape)
            parts.append(_index_part(number, record, dataset.labels))
            names += [dataset.name(index) for index in record["kept"]]
            shard_bytes.append(record["size"] - HEADER_BYTES)
        index = np.concatenate(parts)
        self.splits[split] = {"images": len(index), "shards": len(shard_bytes)}
        self._write(index_name(split), _npy(index))
        self._write(names_name(split), json.dumps(names, indent=0).encode())
        if split == "train":
            self.train = ShardDataset(self.root, split, dataset.classes, index, shard_bytes)

    def write_description(self) -> None:
        """Write mean image, list of bad images and, last, the file that completes the data set."""
        if len(self.train) == 0:
            raise DataError("none of the training images can be used")
        mean_image = (self.total / len(self.train)).astype(np.float32).transpose(2, 0, 1)
        self._write(MEAN_IMAGE, _npy(np.ascontiguousarray(mean_image)))
        if self.problems:
            lines = "".join(as_line(problem) + "\n" for problem in self.problems)
            self._write(BAD_IMAGES, lines.encode())
        description = {
            **{"format": FORMAT, "classes": self.train.classes, "settings": self.settings},
            **{"splits": self.splits, "files": self.files, "bad_images": len(self.problems)},
            "statistics": color_statistics(self.train)._asdict(),
        }
        write_json(self.root / DESCRIPTION, description)

    def _write(self, name: str, content: bytes) -> None:
        with complete_file(self.root / name) as file:
            file.write(content)
        self.files[name] = {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def _index_part(number: int, record: dict[str, Any], labels: np.ndarray) -> np.ndarray:
    """The index of one shard, `INDEX_TYPE`."""
    part = np.zeros(len(record["kept"]), INDEX_TYPE)
    part["label"] = labels[np.array(record["kept"], np.int64)]
    part["shard"] = number
    part["height"], part["width"] = record["heights"], record["widths"]
    end = np.cumsum(3 * part["height"] * part["width"])
    part["offset"][1:] = end[:-1]
    return part


def _npy(array: np.ndarray) -> bytes:
    """The bytes of a .npy file."""
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    return content.getvalue()
