"""Which files and folders below a folder are somebody's images, and which the system has made.

Hidden files and folders, those of `SYSTEM_NAMES`, and folders of runs are never images and never
classes. Links to folders are followed, wherever they lie.
"""

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from alexnet.data.image_formats import SUFFIXES
from alexnet.errors import DataError

# Thumbnails, deleted files, earlier versions and settings, in lower case. What begins with a dot is
# left out in any case.
SYSTEM_NAMES = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "@transcode"),  # QNAP
        *("~snapshot", "lost+found"),  # NetApp, Linux
        *("__macosx", "icon\r", "network trash folder", "temporary items"),  # macOS
        *(".ds_store", ".appledouble", ".trashes", ".fseventsd", ".spotlight-v100"),
        *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),
        *("files_trashbin", "files_versions"),  # ownCloud, Nextcloud
        *("__pycache__", ".ipynb_checkpoints"),
    )
)

# The folder of a run has this file, and pictures that nobody wants to learn from. People who train
# in the folder of their data have runs/ beside the classes.
CHECKPOINT = "last.safetensors"

logger = logging.getLogger("alexnet.data")


def is_image(name: str) -> bool:
    """Whether a file is called like an image."""
    dot = name.rfind(".")  # os.path.splitext is slower, and there may be millions
    return dot > 0 and name[dot:].lower() in SUFFIXES


def is_of_system(name: str) -> bool:
    """Whether the system has made a file or folder, judged by its name."""
    return name.startswith("._") or name.lower() in SYSTEM_NAMES


def is_left_out(name: str) -> bool:
    """Whether a file or folder is hidden, or has been made by the system."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def class_name(folder_name: str) -> str:
    """The class that a folder stands for.

    The letter é is one character on most systems and may be two, e and an accent, in what comes
    from a Mac: such names look the same, and are one class.
    """
    return unicodedata.normalize("NFC", folder_name)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; without those of runs."""
    return sorted(
        folder / entry.name
        for entry in _entries(folder)
        if not is_left_out(entry.name) and entry.is_dir() and not _is_run(entry)
    )


def holds_images(folder: Path) -> bool:
    """Whether a file called like an image lies in a folder or below it."""
    return next(_images_below(folder, _LeftOut()), None) is not None


def holds_images_directly(folder: Path) -> bool:
    """Whether a file called like an image lies in a folder itself."""
    return any(
        is_image(entry.name) and not is_left_out(entry.name) and not entry.is_dir()
        for entry in _entries(folder)
    )


def files_below(folder: Path) -> list[str]:
    """The image files below a folder, sorted by their path; says what is left out."""
    left_out = _LeftOut()
    files = sorted(_images_below(folder, left_out))
    left_out.say(folder)
    return files


def files_by_subfolder(folder: Path, unused: Collection[Path] = ()) -> dict[str, list[str]]:
    """The image files below each folder in a folder, both by name; says what is left out.

    Args:
        unused: folders that are not looked into.
    """
    left_out, files = _LeftOut(), {}
    for entry in _entries(folder):
        if not left_out.takes(entry) and entry.is_dir() and folder / entry.name not in unused:
            files[entry.name] = sorted(_images_below(folder / entry.name, left_out))
    left_out.say(folder)
    return dict(sorted(files.items()))


class _LeftOut:
    """What is left out of one set of images, to be said once.

    Attributes:
        system: how many files and folders of each kind the system has made.
        others: files that are not called like images.
        runs: folders of runs.
        broken: links to nothing.
        repeated: links to folders that are read already.
    """

    def __init__(self):
        self.system: Counter[str] = Counter()
        self.others: list[str] = []
        self.runs: list[str] = []
        self.broken: list[str] = []
        self.repeated: list[str] = []

    def takes(self, entry: os.DirEntry) -> bool:
        """Whether an entry is left out by its name, as a run, or as a link to nothing.

        What is left out is noted.

        A broken link that is called like an image is a bad image, as a damaged file is.
        """
        name = entry.name
        if is_left_out(name):
            kind = "._*" if name.startswith("._") else name.strip()
            self.system[kind if is_of_system(name) else "other hidden names"] += 1
            return True
        if entry.is_dir() and _is_run(entry):
            self.runs.append(entry.path)
            return True
        if entry.is_symlink() and not is_image(name) and not os.path.exists(entry.path):
            self.broken.append(entry.path)
            return True
        return False

    def say(self, folder: Path) -> None:
        if self.system:
            counts = ", ".join(f"{count} {name}" for name, count in sorted(self.system.items()))
            logger.info("%s: left out what the system has made or hidden: %s", folder, counts)
        if self.runs:
            logger.info("%s: left out folders of runs, such as %s", folder, min(self.runs))
        for paths, what in (
            (self.others, "file(s) are not called like images and were left out"),
            (self.broken, "link(s) lead to nothing and were left out"),
            (self.repeated, "link(s) lead to folders that are read already and were left out"),
        ):
            if paths:
                logger.warning("%s: %d %s, such as %s", folder, len(paths), what, min(paths))


def _images_below(folder: Path, left_out: _LeftOut) -> Iterator[str]:
    """The image files below a folder.

    Links to folders come after everything else, so that a folder that can be reached without a
    link is read without it. No folder is read twice, and none that `folder` lies in.
    """
    seen = _above(folder) if os.path.islink(folder) else set()
    folders, links = [str(folder)], []
    while folders or links:
        if folders:
            parent = folders.pop()
        else:
            seen |= _above(folder)
            parent = links.pop(0)
        identity = _identity(parent)
        if identity in seen:
            left_out.repeated.append(parent)
            continue
        seen.add(identity)
        for entry in _entries(parent):
            if left_out.takes(entry):
                continue
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry.path)
            elif is_image(entry.name):
                yield entry.path
            else:
                left_out.others.append(entry.path)
        links.sort()


def _is_run(folder: os.DirEntry) -> bool:
    return os.path.exists(os.path.join(folder.path, CHECKPOINT))


def _above(folder: Path) -> set[tuple[int, int]]:
    """The folders that a folder lies in, by its path and where that leads."""
    parents = (*Path(os.path.abspath(folder)).parents, *Path(os.path.realpath(folder)).parents)
    return {_identity(parent) for parent in parents}


def _identity(folder: str | Path) -> tuple[int, int]:
    """What a folder is, by whichever path it is reached."""
    try:
        status = os.stat(folder)
    except OSError as error:
        raise _unreadable(error) from error
    return status.st_dev, status.st_ino


def _entries(folder: str | Path) -> Iterator[os.DirEntry]:
    """What is in a folder, in the order of the file system."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(f"{error.filename}: cannot be read ({error.strerror})")
