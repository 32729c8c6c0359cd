"""A folder as the disk holds it: what is safe there, and what a power cut may take away."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class File:
    """Contents in memory, those at the last fsync, and from where on they differ."""

    content: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    changed_from: int | None = None

    def change(self, start: int) -> None:
        self.changed_from = start if self.changed_from is None else min(start, self.changed_from)

    def after_power_cut(self) -> list[bytes]:
        """What may be found of the changed part: what was safe, nothing, a part, zeros, or all."""
        start = self.changed_from
        if start is None:
            return [bytes(self.content)]
        new = bytes(self.content[start:])
        parts = (self.safe[start:], b"", new[: len(new) // 2], bytes(len(new)), new)
        return [bytes(self.content[:start]) + part for part in parts]


class Disk:
    """Replays calls recorded by `disk_faults.cpp` below a folder that was empty.

    A new name is safe after an fsync of its folder, contents after one of the file.
    """

    def __init__(self, root: Path):
        self.root = str(root)
        self.names: dict[str, File] = {}  # as programs see them
        self.safe_names: dict[str, File] = {}
        # Changes of names that are not safe yet, in their order: [(name, file or None), ...]
        self.pending: list[list[tuple[str, File | None]]] = []
        self.files: dict[str, File] = {}  # by inode
        self.open: dict[str, File | str] = {}  # by descriptor; a folder is its path

    def apply(self, call: list[str]) -> None:
        kind, *arguments = call
        getattr(self, f"_{kind}")(*arguments)

    def after_power_cut(self) -> Iterator[dict[str, bytes]]:
        """The folders that may be left: contents by name.

        The first so many of the changes of names that are not safe have been made; of the files
        that are not safe, all have suffered in the same way.
        """
        for made in range(len(self.pending) + 1):
            names = dict(self.safe_names)
            for change in self.pending[:made]:
                _make(change, names)
            for kind in range(5):
                yield {
                    os.path.relpath(name, self.root): variants[min(kind, len(variants) - 1)]
                    for name, file in names.items()
                    for variants in [file.after_power_cut()]
                }

    def _change(self, *change: tuple[str, File | None]) -> None:
        _make(change, self.names)
        self.pending.append(list(change))

    def _open(self, path: str, flags: str, descriptor: str, inode: str, kind: str) -> None:
        if kind == "folder":
            self.open[descriptor] = path
            return
        if kind == "new":
            self.files[inode] = File()
            self._change((path, self.files[inode]))
        file = self.open[descriptor] = self.files[inode]
        if int(flags) & os.O_TRUNC and file.content:
            file.content.clear()
            file.change(0)

    def _write(self, descriptor: str, offset: str, data: str) -> None:
        file, start, content = self.open[descriptor], int(offset), bytes.fromhex(data)
        file.content.extend(bytes(max(0, start - len(file.content))))
        file.content[start : start + len(content)] = content
        file.change(start)

    def _truncate(self, descriptor: str, size: str) -> None:
        file = self.open[descriptor]
        file.change(min(int(size), len(file.content)))
        file.content[int(size) :] = bytes(max(0, int(size) - len(file.content)))

    def _fsync(self, descriptor: str) -> None:
        target = self.open[descriptor]
        if isinstance(target, File):
            target.safe, target.changed_from = bytes(target.content), None
            return
        waiting = []
        for change in self.pending:
            if any(os.path.dirname(name) == target for name, _ in change):
                _make(change, self.safe_names)
            else:
                waiting.append(change)
        self.pending = waiting

    def _rename(self, source: str, target: str, inode: str) -> None:
        if self.names.get(target) is not self.files[inode]:
            self._change((source, None), (target, self.files[inode]))

    def _link(self, source: str, target: str, inode: str) -> None:
        self._change((target, self.files[inode]))

    def _unlink(self, _: str, path: str, inode: str) -> None:
        self._change((path, None))

    def _mkdir(self, _: str, path: str, inode: str) -> None:
        """Folders are there when something is in them."""

    _rmdir = _chmod = _mkdir


def _make(change, names: dict[str, File]) -> None:
    for name, file in change:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
