"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), https://www.cs.toronto.edu/~kriz/cifar.html.

32x32 images, 50,000 to train with and 10,000 to test with, in two versions with the same images
in the same order: binary (each image is its label and its pixels) and Python (pickled arrays).
The classes of CIFAR-100 are its 100 fine ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alexnet import cli
from alexnet.data.dataset import Splits
from alexnet.data.readers import pickled
from alexnet.errors import DataError

RECORDS = {"train": 50_000, "validation": 10_000}
PIXELS = 3 * 32 * 32
MAX_NAMES_BYTES = 65_536


@dataclass(frozen=True)
class BinaryVersion:
    """Files of records: the bytes of the label, the last of which is the class, then the pixels."""

    folder: str
    files: dict[str, list[str]]
    names_file: str
    label_bytes: int = 1

    def map_records(self, path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels (count,) and pixels (count, 3072)."""
        expected, size = count * (self.label_bytes + PIXELS), path.stat().st_size
        if size != expected:
            raise DataError(f"{path}: {size:,} bytes where it must have {expected:,}")
        records = np.memmap(path, np.uint8, "r", shape=(count, self.label_bytes + PIXELS))
        return records[:, self.label_bytes - 1], records[:, self.label_bytes :]

    def class_names(self, path: Path) -> list[str]:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_NAMES_BYTES).splitlines()
        return [line.strip() for line in lines if line.strip()]


@dataclass(frozen=True)
class PythonVersion:
    """Pickled dicts of Python 2."""

    folder: str
    files: dict[str, list[str]]
    names_file: str
    labels_key: str
    names_key: str

    def map_records(self, path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels (count,) and pixels (count, 3072)."""
        # Everything but the pixels takes a fiftieth of their bytes.
        batch = _dict(path, 2 * count * PIXELS)
        labels = batch.get(self.labels_key)
        if not (isinstance(labels, list) and len(labels) == count and _all_are(int, labels)):
            raise DataError(f"{path}: damaged, its {self.labels_key!r} are not {count:,} numbers")
        pixels = pickled.map_array(path, batch.get("data"), (count, PIXELS))
        return np.array(labels), pixels

    def class_names(self, path: Path) -> list[str]:
        names = _dict(path, MAX_NAMES_BYTES).get(self.names_key)
        if not (isinstance(names, list) and _all_are(str, names)):
            raise DataError(f"{path}: damaged, it has no list {self.names_key!r}")
        return names


def _dict(path: Path, max_bytes: int) -> dict:
    value = pickled.load(path, max_bytes)
    if not isinstance(value, dict):
        raise DataError(f"{path}: damaged, not a dict")
    return value


def _all_are(kind: type, values: list) -> bool:
    return all(type(value) is kind for value in values)


class CifarSet(NamedTuple):
    title: str
    classes: list[str]
    versions: tuple[BinaryVersion | PythonVersion, ...]


_BATCHES = [f"data_batch_{i}" for i in range(1, 6)]
SETS = {
    "cifar10": CifarSet(
        "CIFAR-10",
        "airplane automobile bird cat deer dog frog horse ship truck".split(),
        (
            BinaryVersion(
                "cifar-10-batches-bin",
                {"train": [f"{name}.bin" for name in _BATCHES], "validation": ["test_batch.bin"]},
                "batches.meta.txt",
            ),
            PythonVersion(
                "cifar-10-batches-py",
                {"train": _BATCHES, "validation": ["test_batch"]},
                "batches.meta",
                "labels",
                "label_names",
            ),
        ),
    ),
    "cifar100": CifarSet(
        "CIFAR-100",
        (
            "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge "
            "bus butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud "
            "cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox "
            "girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
            "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter "
            "palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit "
            "raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake "
            "spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
            "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
        ).split(),
        (
            BinaryVersion(
                "cifar-100-binary",
                {"train": ["train.bin"], "validation": ["test.bin"]},
                "fine_label_names.txt",
                label_bytes=2,
            ),
            PythonVersion(
                "cifar-100-python",
                {"train": ["train"], "validation": ["test"]},
                "meta",
                "fine_labels",
                "fine_label_names",
            ),
        ),
    ),
}


def found_in(root: Path, name: str) -> bool:
    """Whether `root` is or holds the folder of a version of the set `name`."""
    names = {root.name, *(entry.name for entry in root.iterdir())}
    return any(version.folder in names for version in SETS[name].versions)


def open_splits(root: Path, name: str) -> Splits:
    """The sets "train" and "validation" (the official test images) in `root`, or a folder in it.

    Raises:
        DataError: they are not there, or a file is missing or damaged.
    """
    cifar = SETS[name]
    fetch = f"python -m alexnet.data fetch {name} --data-root"  # and a folder
    for version in cifar.versions:
        for folder in (root / version.folder, root):
            files = [file for files in version.files.values() for file in files]
            if any((folder / file).is_file() for file in files):
                try:
                    return _open(folder, version, cifar.classes)
                except DataError as error:
                    raise DataError(
                        f"{error}; remove {folder} and get the set again: "
                        f"{cli.command(fetch, folder.parent)}"
                    ) from error
    raise DataError(
        f"{root}: has no files of {cifar.title}; get them with: {cli.command(fetch, root)} "
        "(or unpack an archive of https://www.cs.toronto.edu/~kriz/cifar.html there)"
    )


def _open(folder: Path, version: BinaryVersion | PythonVersion, classes: list[str]) -> Splits:
    names_file = folder / version.names_file
    if names_file.is_file():
        names = version.class_names(names_file)
        if len(names) != len(classes):
            raise DataError(f"{names_file}: {len(names)} class names, not {len(classes)}")
        classes = names
    return {
        split: Cifar([folder / file for file in files], RECORDS[split], version, classes)
        for split, files in version.files.items()
    }


class Cifar:
    """Memory-mapped records of one or more files, in the order of their classes."""

    def __init__(
        self,
        paths: list[Path],
        count: int,
        version: BinaryVersion | PythonVersion,
        classes: list[str],
    ):
        self.classes = classes
        self._paths = paths
        self._records_per_file = count // len(paths)
        self._pixels, labels = [], []
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path}: no such file")
            try:
                file_labels, pixels = version.map_records(path, self._records_per_file)
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
            if file_labels.min() < 0 or file_labels.max() >= len(classes):
                raise DataError(f"{path}: damaged, it has a label beyond 0 to {len(classes) - 1}")
            labels.append(file_labels)
            # Slices of a plain array are cheaper to make than those of a memmap.
            self._pixels.append(np.asarray(pixels).reshape(len(pixels), 3, 32 * 32))
        labels = np.concatenate(labels).astype(np.int64)
        self._order = np.argsort(labels, kind="stable")
        self.labels = labels[self._order]

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, square: int | None = None) -> np.ndarray:
        file, record = self._place(index)
        pixels = np.empty((32 * 32, 3), np.uint8)
        # Color by color: a transposed copy takes half as long again.
        pixels[:, 0], pixels[:, 1], pixels[:, 2] = self._pixels[file][record]
        return pixels.reshape(32, 32, 3)

    def name(self, index: int) -> str:
        file, record = self._place(index)
        return f"{self._paths[file]}, record {record}"

    def _place(self, index: int) -> tuple[int, int]:
        return divmod(int(self._order[index]), self._records_per_file)
