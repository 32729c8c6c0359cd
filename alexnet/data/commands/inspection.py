"""One pass over every image of a data set: sizes, kinds of files, damage, duplicates."""

import hashlib
import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from alexnet.data.dataset import Dataset, Splits
from alexnet.data.images import kinds
from alexnet.errors import BadImage, DataError

DIGEST_BYTES = 16
IMAGES_PER_TASK = 64


@dataclass
class Inspection:
    """What is known of the images of one set after the pass; arrays are by index.

    Attributes:
        dataset: the set.
        sizes: height and width, int32 (N, 2); 0 for images that cannot be used.
        digests: hash of the pixels and their shape, (N,) of 16 bytes each.
        kinds: how many files are of which kind, see `alexnet.data.images.kinds`.
        bad_images: one line for each image that cannot be used.
        damage: what `verify` of the set found; empty if nothing, or if the set has no `verify`.
    """

    dataset: Dataset
    sizes: np.ndarray
    digests: np.ndarray
    kinds: Counter[str] = field(default_factory=Counter)
    bad_images: list[str] = field(default_factory=list)
    damage: str = ""

    @property
    def usable(self) -> np.ndarray:
        """Which images could be decoded, bool (N,)."""
        return self.sizes[:, 0] > 0


# Height, width, digest and kinds of an image, or what is wrong with it.
_Seen = tuple[int, int, bytes, list[str]] | str


def inspect(splits: Splits, workers: int) -> dict[str, Inspection]:
    """Decode every image of every set, in threads.

    Raises:
        DataError: a set is unusable as a whole.
    """
    total = sum(map(len, splits.values()))
    with tqdm(total=total, desc="check", unit=" images", leave=False, disable=None) as bar:
        return {name: _inspect_set(dataset, workers, bar) for name, dataset in splits.items()}


def _inspect_set(dataset: Dataset, workers: int, bar: tqdm) -> Inspection:
    count = len(dataset)
    inspection = Inspection(
        dataset, np.zeros((count, 2), np.int32), np.zeros(count, f"V{DIGEST_BYTES}")
    )
    if verify := getattr(dataset, "verify", None):
        try:
            verify()
        except DataError as error:
            inspection.damage = str(error)
    parts = [range(i, min(i + IMAGES_PER_TASK, count)) for i in range(0, count, IMAGES_PER_TASK)]
    executor = ThreadPoolExecutor(workers)
    try:
        for part, seen in zip(parts, executor.map(lambda part: _look(dataset, part), parts)):
            for index, one in zip(part, seen):
                if isinstance(one, str):
                    inspection.bad_images.append(one)
                    continue
                height, width, digest, kinds_of_image = one
                inspection.sizes[index] = height, width
                inspection.digests[index] = np.void(digest)
                inspection.kinds.update(kinds_of_image)
            bar.update(len(part))
    finally:
        executor.shutdown(cancel_futures=True)
    return inspection


def _look(dataset: Dataset, indices: range) -> list[_Seen]:
    return [_look_at_one(dataset, index) for index in indices]


def _look_at_one(dataset: Dataset, index: int) -> _Seen:
    try:
        pixels = dataset.image(index)
        open_file = getattr(dataset, "file", None)
        names = kinds(open_file(index), dataset.name(index)) if open_file else []
    except BadImage as error:
        return str(error)
    # With the shape: the same bytes as 4x9 and as 9x4 pixels are two pictures.
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=DIGEST_BYTES)
    digest.update(np.ascontiguousarray(pixels))
    return *pixels.shape[:2], digest.digest(), names


# -- duplicates ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copies:
    """Images with exactly the same pixels.

    Attributes:
        places: set and index of each, at least two.
        names: where each is, for people.
        labels: its class, for people.
    """

    places: tuple[tuple[str, int], ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def splits(self) -> list[str]:
        return [split for split, _ in self.places]


def find_copies(inspections: dict[str, Inspection]) -> list[Copies]:
    """All groups of identical images, sorted by their first image."""
    places = [
        (split, index)
        for split, inspection in inspections.items()
        for index in np.flatnonzero(inspection.usable).tolist()
    ]
    digests = np.concatenate([one.digests[one.usable] for one in inspections.values()])
    # A stable sort puts equal images next to each other, each group in the order of `places`.
    order = np.argsort(digests, kind="stable").tolist()
    groups = []
    for _, members in itertools.groupby(order, key=lambda i: digests[i].tobytes()):
        members = list(members)
        if len(members) > 1:
            groups.append(members)
    return [_copies([places[i] for i in members], inspections) for members in sorted(groups)]


def _copies(places: list[tuple[str, int]], inspections: dict[str, Inspection]) -> Copies:
    datasets = [inspections[split].dataset for split, _ in places]
    return Copies(
        tuple(places),
        tuple(dataset.name(index) for dataset, (_, index) in zip(datasets, places)),
        tuple(dataset.classes[dataset.labels[i]] for dataset, (_, i) in zip(datasets, places)),
    )
