"""Files that appear complete, and safe on the disk, or not at all; locks of folders."""

import contextlib
import errno
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".unfinished-"
WINDOWS = os.name == "nt"


@contextlib.contextmanager
def replacing(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """Yields a temporary path to write to; at the end of the block the file replaces `path`.

    The file is renamed only when all of it is on the disk, and its new name is on the disk when
    the block is left: a power cut at any moment leaves the old file or the new one.

    The temporary path is in a folder of its own, so that whatever a killed process leaves there
    can be recognized, see `remove_unfinished`.

    Args:
        folder: where to make that folder, on the file system of `path`; default: beside `path`.

    Raises:
        OSError: it cannot be written; what was at `path` before is still there, unless the very
            last step failed.
    """
    with (
        _naming(path),
        tempfile.TemporaryDirectory(
            prefix=UNFINISHED, dir=folder or path.parent, ignore_cleanup_errors=True
        ) as name,
    ):
        temporary = Path(name) / path.name
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)


def write(path: Path, content: bytes) -> None:
    """Write a file, or replace its contents.

    Raises:
        OSError: see `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`; a copy where the file system has no links.

    Raises:
        OSError: see `replacing`.
    """
    with replacing(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


@contextlib.contextmanager
def locked(path: Path, wait: float = 0) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made if it does not exist.

    The lock ends with its process, however that ends. On network file systems without locks
    nothing is locked: work there must still be possible.

    Args:
        wait: seconds in which another process may give it back.

    Raises:
        BlockingIOError: another process holds it.
    """
    from filelock import lock_descriptor  # slow to import, and most commands lock nothing

    deadline = time.monotonic() + wait
    with open(path, "ab") as lock:
        while True:
            try:
                if lock_descriptor(lock.fileno(), blocking=False):
                    break
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
                    raise
                break
            if time.monotonic() >= deadline:
                raise BlockingIOError(errno.EAGAIN, "another process has locked it", str(path))
            time.sleep(0.05)
        yield


@contextlib.contextmanager
def folder_to_fill(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; what is still empty when the block fails is removed.

    Raises:
        OSError: it cannot be made.
    """
    missing = list(itertools.takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # from the first one on that is not empty
            for path in missing:
                path.rmdir()
        raise


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder safe on the disk, where the system can be told to."""
    if WINDOWS:  # where a folder cannot be opened
        return
    try:
        with _naming(folder):
            _sync(folder)
    except OSError as error:
        # Some network file systems cannot do this; names are as safe there as they can be.
        if error.errno != errno.EINVAL:
            raise


def remove_unfinished(folder: Path) -> None:
    """Remove what `replacing` left in a folder when its process was killed."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    # Windows synchronizes only what is open for writing.
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name `path` in errors, which otherwise name no file or a temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (not error.filename or UNFINISHED in str(error.filename)):
            error.filename = str(path)
        raise


def several(paths: Path | str) -> list[Path]:
    """The paths that a text names: one, or several with commas between them.

    A path that is there is one, with the commas that it may have.
    """
    text = os.fspath(paths)
    names = [] if os.path.exists(text) else [name for name in text.split(",") if name]
    return [Path(os.path.expanduser(name)) for name in names or [text]]
