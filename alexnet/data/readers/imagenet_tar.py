"""ImageNet's tar files, read without unpacking: an index says where each image lies in the file.

    ILSVRC2012_img_train.tar    a tar for each class, n01440764.tar, with n01440764_10026.JPEG, ...
    ILSVRC2012_img_val.tar      ILSVRC2012_val_00000001.JPEG, ...

To make the index, the header of every member is read; it is kept beside the tar. Names in a tar
are only compared with patterns, never used as paths.
"""

import logging
import os
import re
import tarfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from alexnet import files
from alexnet.errors import BadImage, DataError

# An image in a tar file: where its bytes begin, and how many there are.
IMAGE = np.dtype([("name", "S28"), ("offset", "<i8"), ("size", "<i8")])
CLASS_TAR = re.compile(r"n\d{8}\.tar", re.ASCII)
TRAIN_IMAGE = re.compile(r"n\d{8}_\d{1,9}\.JPEG", re.ASCII)
VALIDATION_IMAGE = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.ASCII)
# The largest image of ImageNet has 15 MB.
LARGEST_IMAGE = 2**28
LARGEST_HEADER = 2**20

logger = logging.getLogger("alexnet.data")

_seeking = threading.Lock()


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Bytes of an open file; threads may read at the same time."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    with _seeking:  # on Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


class Window:
    """A part of an open file, as a file for `walk`; it reads no more than a header at a time."""

    def __init__(self, descriptor: int, start: int, size: int):
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        if not 0 <= count <= LARGEST_HEADER:
            raise tarfile.ReadError(f"a header says it has {count} bytes")
        count = max(0, min(count, self._size - self._position))
        contents = _read_at(self._descriptor, count, self._start + self._position)
        self._position += len(contents)
        return contents


def walk(file: BinaryIO | Window, size: int, name: str) -> Iterator[tarfile.TarInfo]:
    """The regular files in a tar of `size` bytes, in its order.

    Raises:
        DataError: it is no tar, or cut off, or damaged; the message begins with `name`.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                # tarfile trusts the header; with a negative size it would never reach the end.
                if not 0 <= member.size <= size - member.offset_data:
                    raise tarfile.ReadError(f"{member.name!r} reaches beyond the end of the file")
                if member.issparse():
                    raise tarfile.ReadError(f"{member.name!r} is a sparse file")
                if member.isreg():
                    yield member
            # For tarfile, a damaged header is the end; the real end is a block of zeros.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"no header of a file at byte {tar.offset:,}")
    except Exception as error:  # a hostile header makes tarfile raise nearly anything
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise DataError(
            f"{name}: cut off or damaged as a tar file ({reason}); copy or download it again"
        ) from error


def train_images(descriptor: int, size: int, path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of the images in the tars in an open tar file."""
    for tar in walk(Window(descriptor, 0, size), size, str(path)):
        if CLASS_TAR.fullmatch(tar.name):
            window = Window(descriptor, tar.offset_data, tar.size)
            for image in walk(window, tar.size, f"{path}/{tar.name}"):
                in_class = image.name.startswith(tar.name.removesuffix(".tar") + "_")
                if in_class and TRAIN_IMAGE.fullmatch(image.name):
                    yield image.name, tar.offset_data + image.offset_data, image.size


def validation_images(descriptor: int, size: int, path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of the images in an open tar file."""
    for image in walk(Window(descriptor, 0, size), size, str(path)):
        if VALIDATION_IMAGE.fullmatch(image.name):
            yield image.name, image.offset_data, image.size


class TarImages:
    """The images in a tar file, sorted by name; threads may read at the same time.

    Args:
        list_images: finds them if there is no index yet.

    Attributes:
        index: array of `IMAGE`.

    Raises:
        DataError: the tar is damaged, or holds no image.
    """

    def __init__(
        self, path: Path, list_images: Callable[[int, int, Path], Iterator[tuple[str, int, int]]]
    ):
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # Windows's
        weakref.finalize(self, os.close, self._descriptor)
        status = os.fstat(self._descriptor)
        kept = path.with_name(f"{path.name}.index.npz")
        index = _read_index(kept, status)
        if index is None:
            index = _make_index(list_images(self._descriptor, status.st_size, path), status, path)
            _write_index(kept, status, index)
        self.index = index

    def read(self, i: int) -> bytes:
        """The bytes of image `i`, still encoded."""
        _, offset, size = self.index[i]
        if size > LARGEST_IMAGE:
            raise BadImage(f"{self.name(i)}: {size:,} bytes, too many for an image")
        try:
            return _read_at(self._descriptor, size, offset)
        except OSError as error:
            raise BadImage(f"{self.name(i)}: cannot be read ({error.strerror})") from error

    def name(self, i: int) -> str:
        return f"{self.path}/{self.index['name'][i].decode()}"


def _make_index(
    images: Iterator[tuple[str, int, int]], status: os.stat_result, path: Path
) -> np.ndarray:
    with tqdm(
        total=status.st_size,
        desc=f"index of {path.name}",
        unit="B",
        unit_scale=True,
        delay=1,
        leave=False,
        dynamic_ncols=True,
    ) as bar:

        def shown() -> Iterator[tuple[str, int, int]]:
            for image in images:
                bar.update(image[1] - bar.n)
                yield image

        index = np.sort(np.fromiter(shown(), IMAGE), order="name")
    names = index["name"]
    if len(names) == 0:
        raise DataError(f"{path}: no image of ImageNet is in it; get the file of ILSVRC 2012 again")
    twice = names[1:][names[1:] == names[:-1]]
    if len(twice):
        raise DataError(f"{path}: damaged, {twice[0].decode()} is twice in it; get the file again")
    return index


def _key(status: os.stat_result) -> np.ndarray:
    """What changes when a tar file is replaced."""
    return np.array([status.st_size, status.st_mtime_ns])


def _read_index(path: Path, status: os.stat_result) -> np.ndarray | None:
    """The index kept for a tar file, or None if it is missing, damaged or of another file."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            # It is written without compression: no entry may be larger than the file.
            if sum(entry.file_size for entry in archive.zip.infolist()) > path.stat().st_size:
                return None
            key, index = archive["tar"], archive["index"]
        if not np.array_equal(key, _key(status)) or index.dtype != IMAGE or index.ndim != 1:
            return None
        offsets, sizes = index["offset"], index["size"]
        inside = (offsets >= 0) & (sizes >= 0) & (sizes <= status.st_size - offsets)
        index["name"].astype(str)  # ValueError if a name is not ASCII
        return index if len(index) and inside.all() else None
    except Exception:  # hostile bytes can raise nearly anything; the index is made again
        return None


def _write_index(path: Path, status: os.stat_result, index: np.ndarray) -> None:
    try:
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, tar=_key(status), index=index)
    except OSError as error:
        logger.warning(
            "%s: cannot be written (%s), so the index will be made again next time",
            path,
            error.strerror,
        )
