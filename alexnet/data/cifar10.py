"""CIFAR-10 (Krizhevsky, 2009) in its official binary files, https://www.cs.toronto.edu/~kriz/cifar.html.

`cifar-10-batches-bin` holds data_batch_1.bin to data_batch_5.bin (training) and test_batch.bin:
10,000 records a file, each one byte of label and the 3 x 32 x 32 bytes of the image.
"""

from pathlib import Path

import numpy as np

from alexnet.data import DataError

FOLDER = "cifar-10-batches-bin"
FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
RECORDS_PER_FILE = 10_000
RECORD_BYTES = 1 + 3 * 32 * 32
FILE_BYTES = RECORDS_PER_FILE * RECORD_BYTES


class Cifar10:
    """The 50,000 images of split "train" or the 10,000 of split "test", each (32, 32, 3).

    The files are memory-mapped: an image is read when it is asked for.

    Args:
        root: the folder cifar-10-batches-bin, or the one that contains it.
        split: "train" or "test".

    Raises:
        DataError: a file is missing, has the wrong size, or holds a label above 9.
    """

    def __init__(self, root: str | Path, split: str):
        folder = _find_folder(Path(root))
        self._files = [_map_records(folder / name) for name in FILES[split]]
        self.classes = _read_class_names(folder / "batches.meta.txt")
        self.labels = np.concatenate([records[:, 0] for records in self._files]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> np.ndarray:
        file, record = divmod(int(index), RECORDS_PER_FILE)
        planes = self._files[file][record, 1:].reshape(3, 32, 32)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _find_folder(root: Path) -> Path:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the one that contains {FOLDER}")
    nested = root / FOLDER
    return nested if nested.is_dir() else root


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


def _read_class_names(path: Path) -> list[str]:
    if not path.is_file():
        return list(CLASSES)
    names = path.read_text(encoding="utf-8", errors="replace").split()
    if len(names) != len(CLASSES):
        raise DataError(f"{path}: {len(names)} class names where CIFAR-10 has {len(CLASSES)}")
    return names
