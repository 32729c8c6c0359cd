"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), https://www.cs.toronto.edu/~kriz/cifar.html."""

from pathlib import Path

import numpy as np

from alexnet.data.dataset import DataError, Splits

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
RECORDS_PER_FILE = 10_000
RECORD_BYTES = 1 + 3 * 32 * 32
FILE_BYTES = RECORDS_PER_FILE * RECORD_BYTES
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "validation": ["test_batch.bin"]}


def found_in(root: Path, name: str) -> bool:
    """Whether `root` is or holds the folder of a version of the set `name`."""
    return name == "cifar10" and "cifar-10-batches-bin" in (root.name, *_names(root))


def open_splits(root: Path, name: str) -> Splits:
    """The sets "train" and "validation" (the official test images)."""
    folder = root / "cifar-10-batches-bin"
    folder = folder if folder.is_dir() else root
    return {split: Cifar([folder / file for file in files]) for split, files in FILES.items()}


def _names(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir()]


class Cifar:
    """Memory-mapped records, in the order of their classes."""

    def __init__(self, paths: list[Path]):
        self._paths = paths
        self._files = [_map_records(path) for path in paths]
        labels = np.concatenate([records[:, 0] for records in self._files]).astype(np.int64)
        self._order = np.argsort(labels, kind="stable")
        self.labels = labels[self._order]
        self.classes = list(CLASSES)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, at_least: int | None = None) -> np.ndarray:
        file, record = divmod(int(self._order[index]), RECORDS_PER_FILE)
        planes = self._files[file][record, 1:].reshape(3, 32, 32)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    def name(self, index: int) -> str:
        file, record = divmod(int(self._order[index]), RECORDS_PER_FILE)
        return f"{self._paths[file]}, record {record}"


def _map_records(path: Path) -> np.ndarray:
    """The records of one file, uint8 (10000, 3073)."""
    if not path.is_file():
        raise DataError(
            f"{path}: no such file of {FILE_BYTES:,} bytes; unpack cifar-10-binary.tar.gz "
            "(the binary version of CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html) there"
        )
    size = path.stat().st_size
    if size != FILE_BYTES:
        raise DataError(
            f"{path}: {size:,} bytes where CIFAR-10 has {FILE_BYTES:,}; unpack the archive again"
        )
    try:
        records = np.memmap(path, np.uint8, mode="r", shape=(RECORDS_PER_FILE, RECORD_BYTES))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if records[:, 0].max() >= len(CLASSES):
        raise DataError(f"{path}: damaged, it has a label above 9; unpack the archive again")
    return records
