"""Prepared data: decoded and reduced images in large files that are mapped into memory.

A folder that ``python -m alexnet.data prepare`` has written holds

    dataset.json            classes, sizes, statistics, and size and SHA-256 of every other file
    train-00000.npy, ...    the pixels of one image after the other, uint8 (bytes,)
    train-index.npy         label and place of every image, see `INDEX_TYPE`
    train-names.json        where every image came from
    mean_image.npy          float32 (3, size, size), mean over the training images
    bad_images.txt          the images that were left out, if any

and the same for validation and, if there is one, test. When the folder is opened, all files are
compared with their checksums but those of pixels, of which the size is checked; `verify` compares
these, too. A file that is truncated later, while it is mapped, ends the process with SIGBUS, which
Python cannot catch.
"""

import errno
import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet.data.dataset import Splits
from alexnet.data.gathering import Squares
from alexnet.errors import DataError

FORMAT = 1
DESCRIPTION = "dataset.json"
MEAN_IMAGE = "mean_image.npy"
SPLITS = ("train", "validation", "test")
# `offset` counts the bytes of a shard's array; an image is (height, width, 3) from there on.
INDEX_TYPE = np.dtype([(name, "<i8") for name in ("label", "shard", "offset", "height", "width")])
# NumPy leaves room in the header of a .npy file for longer shapes, so its length is fixed.
HEADER_BYTES = 128
# In pixels. Below it, no product of sides and channels overflows an int64.
LONGEST_SIDE = 2**24
PREPARE_AGAIN = "remove the folder and prepare it again: python -m alexnet.data prepare"


def shard_name(split: str, number: int) -> str:
    return f"{split}-{number:05}.npy"


def index_name(split: str) -> str:
    return f"{split}-index.npy"


def names_name(split: str) -> str:
    return f"{split}-names.json"


class ShardDataset:
    """One set of a prepared folder.

    Args:
        index: `INDEX_TYPE` (N,), already checked.
        shard_bytes: length of the array in each shard.

    Attributes:
        mean_image: float32 (3, size, size); of the training set only.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        classes: list[str],
        index: np.ndarray,
        shard_bytes: list[int],
        mean_image: np.ndarray | None = None,
    ):
        self.classes = classes
        self.labels = np.ascontiguousarray(index["label"])
        self.mean_image = mean_image
        self._root = root
        self._split = split
        places = [index[name] for name in ("shard", "offset", "height", "width")]
        self._places = np.stack(places, axis=1)
        self._shard_bytes = shard_bytes
        self._shards: list[np.ndarray | None] = [None] * len(shard_bytes)
        self._addresses = np.zeros(len(shard_bytes), np.int64)
        self._mapped: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        """Image `index`, a read-only view of the file."""
        shard, offset, height, width = self._places[index].tolist()
        pixels = self._shards[shard]
        if pixels is None:
            pixels = self._map(shard)
        return pixels[offset : offset + height * width * 3].reshape(height, width, 3)

    def squares(self, indices: np.ndarray) -> Squares | None:
        """Where these images lie in memory, as long as this set exists.

        None if they are not squares of one size.
        """
        shards, offsets, *sides = self._places[indices].T
        side = int(sides[0][0]) if len(indices) else 0
        if not all((of_all == side).all() for of_all in sides):
            return None
        for shard in np.unique(shards).tolist():
            if self._shards[shard] is None:
                self._map(shard)
        return Squares(self._addresses[shards] + offsets, side)

    def name(self, index: int) -> str:
        return self._names[index]

    def verify(self) -> None:
        """Compare the pixels with their checksums; other files were checked at opening.

        Raises:
            DataError: a file is missing or damaged.
        """
        files = read_description(self._root)["files"]
        names = [shard_name(self._split, number) for number in range(len(self._shards))]
        for name in tqdm(names, "checksums", unit=" files", delay=2, leave=False, disable=None):
            _check_size(self._root / name, files[name]["size"])
            _check_sha256(self._root / name, files[name]["sha256"])

    @cached_property
    def _names(self) -> list[str]:
        path = self._root / names_name(self._split)
        try:
            names = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read ({error}); {PREPARE_AGAIN}") from error
        if not (_is_list_of_text(names) and len(names) == len(self)):
            raise DataError(f"{path}: does not have {len(self)} names; {PREPARE_AGAIN}")
        return names

    def _map(self, shard: int) -> np.ndarray:
        """The pixels of a shard, as a plain array, whose slices are cheaper to make."""
        path = self._root / shard_name(self._split, shard)
        length = self._shard_bytes[shard]
        try:
            pixels = np.asarray(np.memmap(path, np.uint8, "r", HEADER_BYTES, length))
        except (OSError, ValueError) as error:  # ValueError: it is too short
            too_many_open = getattr(error, "errno", None) == errno.EMFILE
            advice = "allow more open files: ulimit -n 8192" if too_many_open else PREPARE_AGAIN
            raise DataError(f"{path}: cannot be read ({error}); {advice}") from error
        # Two threads may map a file at the same time. Neither map is ever given back: somebody may
        # be reading at its address.
        self._mapped.append(pixels)
        self._addresses[shard] = pixels.ctypes.data
        self._shards[shard] = pixels  # last: other threads then take both as they are
        return pixels


def found_in(root: Path) -> bool:
    """Whether `root` holds prepared data, finished."""
    return (root / DESCRIPTION).is_file()


def open_splits(root: Path) -> Splits:
    """The sets in a prepared folder.

    Raises:
        DataError: a file is missing, has another size, or is damaged; pixels are not checked.
    """
    description = read_description(root)
    for name, expected in description["files"].items():
        _check_size(root / name, expected["size"])
    shards = {
        shard_name(split, number)
        for split, numbers in description["splits"].items()
        for number in range(numbers["shards"])
    }
    for name in description["files"].keys() - shards:
        _check_sha256(root / name, description["files"][name]["sha256"])
    return {
        split: _open_split(root, split, description)
        for split in SPLITS
        if split in description["splits"]
    }


def read_description(root: Path) -> dict[str, Any]:
    """The contents of dataset.json, which names every file of the folder.

    Raises:
        DataError: it is damaged, or not of this version.
    """
    path = root / DESCRIPTION
    description = read_json(path)
    if description.get("format") != FORMAT:
        raise DataError(
            f"{path}: format {description.get('format')!r}, but this version reads {FORMAT}; "
            f"{PREPARE_AGAIN}"
        )
    if not _is_complete(description):
        raise DataError(f"{path}: something is missing or of a wrong type; {PREPARE_AGAIN}")
    return description


def json_with_checksum(content: dict[str, Any]) -> bytes:
    """A JSON object for `read_json`: the same bytes for the same content."""
    text = json.dumps(content | {"checksum": _checksum(content)}, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    """The content that `json_with_checksum` was given.

    Raises:
        DataError: the file cannot be read or is damaged.
    """
    try:
        content = json.loads(path.read_bytes())
        undamaged = content.pop("checksum") == _checksum(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {PREPARE_AGAIN}") from error
    # No JSON, JSON that is no object, an object without a checksum, or nested too deeply.
    except (ValueError, AttributeError, TypeError, KeyError, IndexError, RecursionError):
        undamaged = False
    if not undamaged:
        raise DataError(f"{path}: damaged; {PREPARE_AGAIN}")
    return content


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_complete(description: dict[str, Any]) -> bool:
    """Whether all entries that are used later are there, and all files are listed."""
    classes, files, splits = (description.get(key) for key in ("classes", "files", "splits"))
    return (
        (_is_list_of_text(classes) and len(classes) > 0)
        and (isinstance(files, dict) and all(map(_is_file_entry, files.items())))
        and (isinstance(splits, dict) and {"train", "validation"} <= splits.keys() <= set(SPLITS))
        and all(
            isinstance(numbers, dict)
            and all(_is_count(numbers.get(key)) for key in ("images", "shards"))
            and numbers["shards"] <= len(files)
            and {index_name(split), names_name(split)} <= files.keys()
            and all(shard_name(split, i) in files for i in range(numbers["shards"]))
            for split, numbers in splits.items()
        )
        and MEAN_IMAGE in files
        and isinstance(description.get("settings"), dict)
    )


def _is_file_entry(item: tuple[str, Any]) -> bool:
    name, entry = item
    return (
        # Nothing outside the folder is ever opened.
        (Path(name).name == name and name not in ("", "..") and "\0" not in name)
        and isinstance(entry, dict)
        and (_is_count(entry.get("size")) and isinstance(entry.get("sha256"), str))
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _check_size(path: Path, expected: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {PREPARE_AGAIN}") from error
    if size != expected:
        raise DataError(
            f"{path}: damaged, it has {size:,} bytes instead of {expected:,}; {PREPARE_AGAIN}"
        )


def _check_sha256(path: Path, expected: str) -> None:
    try:
        undamaged = sha256_of(path) == expected
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {PREPARE_AGAIN}") from error
    if not undamaged:
        raise DataError(f"{path}: damaged, its checksum is wrong; {PREPARE_AGAIN}")


def _open_split(root: Path, split: str, description: dict[str, Any]) -> ShardDataset:
    numbers, files = description["splits"][split], description["files"]
    shard_bytes = [
        files[shard_name(split, i)]["size"] - HEADER_BYTES for i in range(numbers["shards"])
    ]
    path = root / index_name(split)
    index = _read_array(path)
    if index.dtype != INDEX_TYPE or index.shape != (numbers["images"],):
        raise DataError(f"{path}: not an index of {numbers['images']} images; {PREPARE_AGAIN}")
    _check_index(path, index, len(description["classes"]), np.array(shard_bytes, np.int64))
    mean_image = None
    if split == "train":
        mean_path = root / MEAN_IMAGE
        mean_image = _read_array(mean_path)
        size = mean_image.shape[-1] if mean_image.ndim else 0
        if mean_image.dtype != np.float32 or mean_image.shape != (3, size, size):
            raise DataError(f"{mean_path}: not float32 (3, size, size); {PREPARE_AGAIN}")
    return ShardDataset(root, split, description["classes"], index, shard_bytes, mean_image)


def _check_index(path: Path, index: np.ndarray, classes: int, shard_bytes: np.ndarray) -> None:
    """Every label is a class, and every image lies inside its shard."""
    limits = {"label": classes, "shard": len(shard_bytes), "offset": 2**62}
    for name, limit in limits.items():
        if ((index[name] < 0) | (index[name] >= limit)).any():
            raise DataError(f"{path}: damaged, {name} out of range; {PREPARE_AGAIN}")
    for name in ("height", "width"):
        if ((index[name] < 1) | (index[name] > LONGEST_SIDE)).any():
            raise DataError(f"{path}: damaged, {name} out of range; {PREPARE_AGAIN}")
    end = index["offset"] + 3 * index["height"] * index["width"]
    if (end > shard_bytes[index["shard"]]).any():
        raise DataError(f"{path}: damaged, an image is outside its file; {PREPARE_AGAIN}")


def _read_array(path: Path) -> np.ndarray:
    """The array in a .npy file."""
    try:
        # Mapped first: whatever a forged header claims, no more is read than there is.
        return np.array(np.lib.format.open_memmap(path, mode="r"))
    except MemoryError:
        raise
    # A damaged header can raise nearly anything.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read ({reason}); {PREPARE_AGAIN}") from error
