"""Which folder holds the images to learn from, which those for validation and for a test.

People and archives name and nest these folders in many ways: train/ val/ test/, Training/ Testing/,
"Training Set", seg_train/seg_train/, birds_train/ birds_valid/, or all of it inside one more
folder. `find` says which is which, or refuses where that is not clear.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from alexnet.data.dataset import Dataset
from alexnet.data.readers.image_tree import (
    class_name,
    holds_images,
    holds_images_directly,
    subfolders,
)
from alexnet.errors import DataError

WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}
# What may stand beside such a word: "trainset", "final_test_images", "val_256".
AFFIX = r"(?:sets?|data|images?|imgs?|pictures?|photos?|jpe?g|png|seg|final|split|folder|[0-9])"
_NAME = re.compile(
    rf"(?:{AFFIX}[\W_]*)*({'|'.join(sorted(WORDS, reverse=True))})(?:[\W_]*{AFFIX})*"
)
_AFFIX_ALONE = re.compile(f"{AFFIX}+")
ADVICE = "put the images of each class into a folder of its own there"
# Folders that lie beside each other in sets for segmentation and detection.
IMAGES = frozenset(("images", "image", "imgs", "img", "jpegimages", "jpg"))
ANNOTATIONS = frozenset(
    (
        *("annotations", "annotation", "labels", "masks", "mask", "trimaps", "segmentations"),
        *("segmentation", "groundtruth", "ground_truth", "gt", "segmentationclass"),
        *("segmentationobject", "bboxes"),
    )
)
# Names of classes that are looked for inside another class.
COMPARED_NAMES = 8

logger = logging.getLogger("alexnet.data")


def say_set(split: str, place: str | Path, dataset: Dataset, note: str = "") -> None:
    """Log which place serves as a set, and what it holds."""
    logger.info(
        "%s: %s%s, %d classes, %d images", split, place, note, len(dataset.classes), len(dataset)
    )


@dataclass
class Layout:
    """The folders of a data set; each holds a folder of images per class.

    Attributes:
        validation, test: None where there is none, and the images of another set have to do.
        unused: folders with images that belong to no set, and why.
        classes: folders that are classes, but have the name of a set.
    """

    train: Path
    validation: Path | None = None
    test: Path | None = None
    unused: dict[Path, str] = field(default_factory=dict)
    classes: list[Path] = field(default_factory=list)


def split_of(name: str) -> str | None:
    """The set that a name stands for: "train", "validation", "test" or None."""
    match = _NAME.fullmatch(name.lower())
    return WORDS[match[1]] if match else None


def by_split(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the set that they stand for.

    A name may also have other words if the names of two sets have the same ones, one of them for
    training: birds_train and birds_valid. A "train station" alone is no set.
    """
    found, pairs = defaultdict(list), defaultdict(lambda: defaultdict(list))
    for name in names:
        if split := split_of(name):
            found[split].append(name)
            continue
        words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
        splits = [WORDS[word] for word in words if word in WORDS]
        if len(splits) == 1:
            rest = [w for w in words if w not in WORDS and not _AFFIX_ALONE.fullmatch(w)]
            pairs[tuple(rest)][splits[0]].append(name)
    if "train" not in found:
        for named in pairs.values():
            if "train" in named and len(named) > 1:
                for split, of_split in named.items():
                    found[split] += of_split
    return dict(found)


def find(root: Path) -> Layout:
    """The sets in a folder.

    Raises:
        DataError: which folder is which cannot be told, or there is none for training.
    """
    folder = container(root)
    below = _with_images(folder)
    named = {
        split: [folder / name for name in names]
        for split, names in by_split(path.name for path in below).items()
    }
    sets = [path for paths in named.values() for path in paths]
    others = [path for path in below if path not in sets]
    flat = [path for path in sets if not _with_images(path)]
    if sets and others and all(path in flat for path in named.get("train", ())):
        return _classes_beside_sets(folder, others, sets, flat)
    if not sets:
        _refuse_variants(below)
        return Layout(folder, unused=_copies(below) | _annotations(folder))
    train, empty = _only(named, "train"), _sets_without_images(folder)
    if train is None:
        for path in empty:
            if split_of(path.name) == "train":
                raise DataError(f"{path}: called like the set for training, but has no image")
        raise DataError(
            f"{sets[0]}: no folder for training lies beside it; call one train, or give "
            "--train-root DIR"
        )
    if train in flat:
        raise DataError(f"{train} holds images directly; {ADVICE}")
    unused = dict.fromkeys(others, "not called like a set") | dict.fromkeys(empty, "no image in it")
    if len(sets) == 1 and "train" in by_split(path.name for path in _with_images(train)):
        layout = find(train)
        layout.unused |= unused
        return layout
    layout = Layout(innermost(train))
    layout.unused = unused | _annotations(layout.train)
    classes = {class_name(path.name) for path in subfolders(layout.train)}
    if validation := _only(named, "validation"):
        layout.validation = innermost(validation, classes)
    tests = named.get("test", [])
    labeled = [path for path in tests if _holds_classes(innermost(path, classes), classes)]
    reason = "no folders of the training classes"
    layout.unused |= {path: reason for path in tests if path not in labeled}
    if len(labeled) > 1 and validation:
        layout.unused |= dict.fromkeys(labeled, "several folders for the test")
    elif test := _only({"test": labeled}, "test"):
        layout.test = innermost(test, classes)
    return layout


def container(root: Path) -> Path:
    """The folder that holds the sets or the classes: `root`, or a folder that all lies in."""
    folder = root
    while (inner := _only_one_inside(folder)) and not split_of(inner.name):
        folder = inner
    return folder


def innermost(folder: Path, classes: Collection[str] = ()) -> Path:
    """The folder that holds the folders of classes: `folder`, or one that all lies in.

    Args:
        classes: names of classes, whose folders are not gone into.
    """
    while (inner := _only_one_inside(folder)) and class_name(inner.name) not in classes:
        folder = inner
    return folder


def _only_one_inside(folder: Path) -> Path | None:
    """The only folder with images in a folder, if it has them in folders of its own."""
    below = _with_images(folder)
    if len(below) == 1 and not holds_images_directly(below[0]):
        return below[0]
    return None


def _with_images(folder: Path) -> list[Path]:
    """The folders in a folder that may be sets, classes, or hold some."""
    unused = _annotations(folder)
    return [path for path in subfolders(folder) if path not in unused and holds_images(path)]


def _sets_without_images(folder: Path) -> list[Path]:
    """Folders called like a set in which there is no image, and such links to nothing."""
    return [
        path
        for path in sorted(folder.iterdir())
        if split_of(path.name)
        and (path.is_dir() or path.is_symlink())
        and not (path.is_dir() and holds_images(path))
    ]


def _annotations(folder: Path) -> dict[Path, str]:
    """Folders of masks and the like beside one of images, and what to say of them."""
    below = subfolders(folder)
    if not any(path.name.lower() in IMAGES for path in below):
        return {}
    return dict.fromkeys((p for p in below if p.name.lower() in ANNOTATIONS), "annotations")


def _holds_classes(folder: Path, classes: Collection[str]) -> bool:
    return any(class_name(path.name) in classes for path in subfolders(folder))


def _only(named: dict[str, list[Path]], split: str) -> Path | None:
    """The folder of a set, if there is one; more than one are refused."""
    paths = named.get(split, [])
    if len(paths) > 1:
        raise DataError(
            f"{paths[0]} and {paths[1]} both look like the set for {split}; rename one, or give "
            "--train-root DIR and --val-root DIR"
        )
    return paths[0] if paths else None


def _classes_beside_sets(
    folder: Path, others: list[Path], sets: list[Path], flat: list[Path]
) -> Layout:
    """The layout of a folder of classes, of which some have the names of sets.

    Photos of trains may lie beside those of buses.

    Raises:
        DataError: one of them holds folders of classes, or the others do.
    """
    copies = _copies([*others, *sets])
    for path in sets:
        unclear = path not in flat or all(map(_with_images, others))
        if unclear and path not in copies:
            raise DataError(
                f"{path}: called like a set, but no folder for training lies beside it; give "
                "--train-root DIR and --val-root DIR"
            )
    return Layout(folder, unused=copies, classes=[path for path in flat if path not in copies])


def _copies(below: list[Path]) -> dict[Path, str]:
    """Folders that hold the other classes once more, and what to say of them.

    Some archives have all of their classes again inside one of the folders.
    """
    copies = {}
    for path in below:
        others = [other.name for other in below if other != path][:COMPARED_NAMES]
        repeated = [name for name in others if (path / name).is_dir()]
        if len(repeated) >= 2 and 2 * len(repeated) >= len(others):
            copies[path] = f"holds {repeated[0]}, {repeated[1]} once more"
    return copies


def _refuse_variants(below: list[Path]) -> None:
    """Refuse folders of the same classes or sets, such as color/ and grayscale/.

    Where it is not certain that they are no classes, warn.
    """
    if len(below) < 2:
        return
    names = [path.name for path in subfolders(below[0])]
    names = [name for name in names if all((path / name).is_dir() for path in below[1:])]
    if len(names) < 2:
        return
    seen = f"{below[0]} and {below[1]} both hold {names[0]}, {names[1]}"
    if "train" in by_split(names):
        raise DataError(f"{seen}: give one of the two folders")
    if len(names) > max(2, len(below)) and not all(name.isdigit() for name in names):
        raise DataError(
            f"{seen}: are these the classes? Give one of the two folders, or --train-root DIR "
            "and --val-root DIR"
        )
    logger.warning("%s: if these are the classes, give --train-root and --val-root", seen)
