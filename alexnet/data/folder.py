"""A folder of images, one folder a class, with or without a split into train/ and val/.

    root/train/CLASS/*  and  root/val/CLASS/*       (validation/ and test/ are taken for val/)
    root/CLASS/*                                    (divided reproducibly)

Every file is decoded once when the folder is opened. What cannot be used is named in one line of
the log "alexnet.data" and skipped, so that training meets no bad image hours later and the order
of the others never depends on when one was found.
"""

import hashlib
import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from alexnet.data import DataError

# Pillow looks at the contents, not at the name: without this list a file called x.jpg could
# reach decoders that start other programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
VALIDATION_FOLDERS = ("val", "validation", "test")
# A longer image would become huge when its shorter side is enlarged to the network's input.
MAX_ASPECT_RATIO = 100

logger = logging.getLogger("alexnet.data")


class FolderDataset:
    """Images read from files when they are asked for; see `load_folder`."""

    def __init__(self, images: dict[str, list[Path]]):
        self.classes = list(images)
        self.files = [path for paths in images.values() for path in paths]
        counts = [len(paths) for paths in images.values()]
        self.labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> np.ndarray:
        return read_image(self.files[index])


def load_folder(
    root: str | Path, seed: int = 0, validation_fraction: float = 0.2
) -> tuple[FolderDataset, FolderDataset]:
    """The training and the validation set below `root`; classes are in alphabetical order.

    Without a folder for validation, `validation_fraction` of each class is held out: a function
    of `seed` and the names of the files only.

    Raises:
        DataError: there is no such folder, fewer than two classes have a usable image, or
            training and validation have different classes.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give one that holds a folder of images per class")
    train_folder = root / "train"
    if not train_folder.is_dir():
        return _split(_scan(root), root, seed, validation_fraction)
    candidates = [root / name for name in VALIDATION_FOLDERS if (root / name).is_dir()]
    if not candidates:
        return _split(_scan(train_folder), train_folder, seed, validation_fraction)

    train, validation = _scan(train_folder), _scan(candidates[0])
    if differing := sorted(train.keys() ^ validation.keys()):
        raise DataError(
            f"{root}: train and {candidates[0].name} must have the same classes, but only one "
            f"of them has images of {', '.join(differing)}"
        )
    return FolderDataset(train), FolderDataset(validation)


def read_image(path: str | Path) -> np.ndarray:
    """The image in a file as uint8 (H, W, 3) RGB, upright; of an animation the first frame.

    Transparent parts become white. 16-bit grey keeps its upper 8 bits.

    Raises:
        DataError: the file is missing, damaged, or not an image of a known format.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                raise DataError(f"{path}: {image.width}x{image.height} pixels, too narrow to use")
            return _to_rgb(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: not an image ({', '.join(FORMATS)})") from error
    # A damaged file can raise nearly anything in a decoder: OSError, ValueError, SyntaxError, ...
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read ({reason or type(error).__name__})") from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save it with 8 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _scan(folder: Path) -> dict[str, list[Path]]:
    """The usable images of each class, classes and files in alphabetical order."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error
    classes = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    files = {entry: _list_files(entry) for entry in classes}
    usable = _check_images([path for paths in files.values() for path in paths])
    images = {}
    for entry, paths in files.items():
        images[entry.name] = [path for path in paths if path in usable]
        if not images[entry.name]:
            logger.warning("left out class %s: %s has no usable image", entry.name, entry)
            del images[entry.name]
    if len(images) < 2:
        raise DataError(
            f"{folder}: {len(images)} class(es) with images, but at least 2 are needed; "
            "put the images of each class into a folder of its own there"
        )
    return images


def _list_files(folder: Path) -> list[Path]:
    """All files below a folder that are not hidden, sorted by their path."""

    def refuse(error: OSError):
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error

    files = []
    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)


def _check_images(files: list[Path]) -> set[Path]:
    """The files that decode; each of the others is named in the log."""

    def problem(path: Path) -> DataError | None:
        try:
            read_image(path)
        except DataError as error:
            return error
        return None

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as executor:
        # Pillow only warns about a small file that unpacks into hundreds of megabytes.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        checks = executor.map(problem, files)
        progress = tqdm(
            checks, "checking images", len(files), unit="image", delay=2, leave=False, disable=None
        )
        problems = list(progress)
    for error in filter(None, problems):
        logger.warning("skipped %s", error)
    return {path for path, error in zip(files, problems, strict=True) if error is None}


def _split(
    images: dict[str, list[Path]], root: Path, seed: int, validation_fraction: float
) -> tuple[FolderDataset, FolderDataset]:
    """Hold out a fraction of each class, at least one image where it has two."""
    train, validation = {}, {}
    for name, paths in images.items():
        held_out = min(max(1, round(validation_fraction * len(paths))), len(paths) - 1)
        if held_out == 0:
            logger.warning("class %s has a single image: none is left for validation", name)
        # Ranks by a hash of the name stay nearly the same when files are added or removed.
        ranked = sorted(paths, key=lambda path: _hash(seed, path.relative_to(root)))
        validation[name] = sorted(ranked[:held_out])
        train[name] = sorted(ranked[held_out:])
    return FolderDataset(train), FolderDataset(validation)


def _hash(seed: int, path: Path) -> bytes:
    name = os.fsencode(path.as_posix())
    return hashlib.blake2b(f"{seed}/".encode() + name, digest_size=16).digest()
