"""The two forms of a file of torch.save: its pickle, and the numbers that the pickle refers to.

A zip archive since PyTorch 1.6, with a pickle of the structure in NAME/data.pkl and the numbers of
storage KEY in NAME/data/KEY. Before, five pickles behind one another (a magic number, the version,
the machine, the structure, the keys of the storages), then for each key the number of elements in
eight bytes and the elements.

Sizes that a file claims are compared with its own before memory is taken. Records of torch.save are
never compressed, so that no record is larger than the file.
"""

import io
import mmap
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alexnet import pickles

ZIP_HEAD, LEGACY_HEAD = b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
MAGIC_NUMBER, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001
METADATA = "minigrad.json"
# Of a network of thousands of layers; the directory of a zip archive takes 10 times its bytes.
MAX_STRUCTURE, MAX_DIRECTORY = 2**24, 2**20

# Bytes of an element by the kind of its storage.
ITEM_SIZES = {
    **{"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2},
    **{"Char": 1, "Byte": 1, "Bool": 1, "ComplexFloat": 8, "ComplexDouble": 16},
}
STORAGES = {f"torch {kind}Storage": kind for kind in ITEM_SIZES}


class Damaged(Exception):
    """A file is not as torch.save writes it; the message says what is wrong."""


@dataclass(frozen=True)
class Storage:
    """Elements in a file that tensors are made of.

    Attributes:
        kind: of the elements, a key of `ITEM_SIZES`.
        first: the number of the first one among those that the file has under the key.
    """

    key: str
    kind: str
    first: int
    count: int

    @classmethod
    def of(cls, identity: Any) -> "Storage":
        """What a pickle refers to by an identity.

        Raises:
            ValueError: it is not that of a storage.
        """
        match identity:
            case ("storage", str(kind), str(key), str(), int(count), *view) if kind in STORAGES:
                first = 0
                if view not in ([], [None]):  # a part of another storage, before PyTorch 0.4
                    (_, first, count), *_ = view
                if type(first) is int and type(count) is int and first >= 0 and count >= 0:
                    return cls(key, STORAGES[kind], first, count)
        raise ValueError("a reference to something that is no storage")


class Records(Protocol):
    """An open file of either form.

    Attributes:
        structure: the value of its pickle, with a `Storage` for each reference.
        metadata: the bytes that `alexnet.formats.torch_file.save` added; None without.
        byte_order: of the elements, "<" or ">".
    """

    structure: Any
    metadata: bytes | None
    byte_order: str

    def elements(self, key: str) -> bytes:
        """All elements of a storage."""


class ZipRecords:
    """A file since PyTorch 1.6."""

    def __init__(self, file: "_File", functions: frozenset[str]):
        self._size = file.seek(0, io.SEEK_END)
        self._archive = zipfile.ZipFile(file)
        file.limit = None
        self._entries = self._checked(self._archive.infolist())
        structures = [name for name in self._entries if name.endswith("/data.pkl")]
        if len(structures) != 1:
            raise Damaged("it is a zip archive, but not one of torch.save: data.pkl is missing")
        self._folder = structures[0].removesuffix("data.pkl")
        if f"{self._folder}constants.pkl" in self._entries:
            raise Damaged(
                "it is a program for TorchScript, not parameters; save them with "
                "torch.save(model.state_dict(), FILE)"
            )
        self.byte_order = ">" if self._read("byteorder", 16, b"little") == b"big" else "<"
        self.metadata = self._read(METADATA, MAX_STRUCTURE, None)
        code = io.BytesIO(self._read("data.pkl", MAX_STRUCTURE))
        self.structure = pickles.interpret(code, functions, Storage.of)

    def _checked(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """The entries by name, none of them compressed, and no two at one place."""
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise Damaged(f"its record {entry.filename[:60]!r} is compressed")
            if entry.header_offset < end:
                raise Damaged(f"its record {entry.filename[:60]!r} lies within another one")
            end = entry.header_offset + zipfile.sizeFileHeader + entry.file_size
            if end > self._size:
                raise Damaged(f"its record {entry.filename[:60]!r} goes on beyond its end")
        by_name = {entry.filename: entry for entry in entries}
        if len(by_name) < len(entries):
            raise Damaged("two of its records have one name")
        return by_name

    def _read(self, name: str, limit: int, default: Any = Damaged) -> Any:
        entry = self._entries.get(f"{self._folder}{name}")
        if entry is None:
            if default is Damaged:
                raise Damaged(f"its record {name[:60]!r} is missing")
            return default
        if entry.file_size > limit:
            raise Damaged(f"its record {name[:60]!r} is too long: {entry.file_size:,} bytes")
        return self._archive.read(entry)  # which compares the checksum

    def elements(self, key: str) -> bytes:
        return self._read(f"data/{key}", self._size)


class _File(io.FileIO):
    """A file of which not more than `limit` bytes can be read at once, while there is a limit."""

    limit: int | None = MAX_DIRECTORY

    def read(self, size: int | None = -1) -> Any:
        if self.limit is not None and size is not None and size > self.limit:
            raise Damaged("its directory is too long")
        return super().read(size)


class LegacyRecords:
    """A file from before PyTorch 1.6, and of `_use_new_zipfile_serialization=False`."""

    byte_order = "<"
    metadata = None

    def __init__(self, file: mmap.mmap, functions: frozenset[str]):
        self._file = file
        kinds: dict[str, str] = {}

        def refer(identity: Any) -> Storage:
            storage = Storage.of(identity)
            if kinds.setdefault(storage.key, storage.kind) != storage.kind:
                raise ValueError("a storage of two kinds")
            return storage

        magic, version, _ = (pickles.interpret(file, ()) for _ in range(3))
        if (magic, version) != (MAGIC_NUMBER, LEGACY_VERSION):
            raise Damaged(f"its version is {str(version)[:60]}, expected {LEGACY_VERSION}")
        self.structure = pickles.interpret(file, functions, refer)
        keys = pickles.interpret(file, ())
        self._places = dict(self._find(keys, kinds))

    def _find(self, keys: Any, kinds: dict[str, str]) -> Iterator[tuple[str, slice]]:
        """Where the elements of each storage are."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Damaged("the keys of its storages are damaged")
        position, size = self._file.tell(), len(self._file)
        for key in keys:
            if key not in kinds or position + 8 > size:
                raise Damaged("it is truncated, or the keys of its storages are damaged")
            (count,) = struct.unpack_from("<q", self._file, position)
            start = position + 8
            position = start + count * ITEM_SIZES[kinds[key]]
            if not start <= position <= size:
                raise Damaged(f"it is truncated: storage {key[:60]!r} goes on beyond its end")
            yield key, slice(start, position)

    def elements(self, key: str) -> bytes:
        if key not in self._places:
            raise Damaged(f"its storage {key[:60]!r} is missing")
        return self._file[self._places[key]]


def with_records(path: Path, functions: frozenset[str], use: Callable[[Records], Any]) -> Any:
    """What a function makes of an open file of either form.

    Args:
        functions: that its pickle may call, see `alexnet.pickles.interpret`.

    Raises:
        Damaged, PickleError: it is not as torch.save writes it.
        OSError: it cannot be read.
    """
    try:
        with _File(path) as file:
            if file.read(len(ZIP_HEAD)) == ZIP_HEAD:
                return use(ZipRecords(file, functions))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
                return use(LegacyRecords(contents, functions))
    # What zipfile raises for an archive that is damaged, encrypted, or of a later version.
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise Damaged(f"it is damaged: {error}") from error
    except (ValueError, struct.error, LookupError, OverflowError) as error:
        raise Damaged(f"it is damaged: {error}") from error
