"""Decode and reduce all images once, as the 2012 code did, for faster training.

Each image is reduced to the square that the paper's crops are taken from. Where crops come from a
square of the prepared size (256), the views of `transforms` are those of the source bit for bit.
Smaller images are stored as they are. With --keep-rectangle the whole image is kept, for "resized"
crops; the central square of a reduced image then differs from the source's by a fraction of a
pixel.

The command can be interrupted at any moment; given again, it continues.
"""

import argparse
import contextlib
import errno
import hashlib
import itertools
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from alexnet import cli, files, interrupts
from alexnet.data import options, sources
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.commands import shard_writer
from alexnet.data.commands.shard_writer import WORK
from alexnet.data.dataset import Dataset, Splits
from alexnet.data.images import MAX_PIXELS, set_max_pixels
from alexnet.data.readers import shards
from alexnet.data.readers.image_tree import is_of_system
from alexnet.data.readers.table import Columns
from alexnet.data.resizing import resized, shorter_side
from alexnet.data.statistics import SQUARE, reduced_square
from alexnet.errors import BadImage, DataError

# Images decoded before anything is written, about, to estimate size and time.
SAMPLE = 64
IMAGES_AHEAD_PER_WORKER = 8
# Average of index and names, for the estimate only.
OTHER_BYTES_PER_IMAGE = 150
GO_ON = "what is finished is kept: give the same command again to go on"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the folder that holds the data; any word for --data demo or --train-root",
    )
    parser.add_argument("destination", type=Path, metavar="DEST", help="a new or empty folder")
    options.DATA.add_to(parser, default="auto", help="what SOURCE holds; default: auto")
    options.TRAIN_ROOT.add_to(parser)
    options.VAL_ROOT.add_to(parser)
    options.IMAGE_COLUMN.add_to(parser)
    options.LABEL_COLUMN.add_to(parser)
    parser.add_argument(
        "--size",
        type=cli.count,
        default=SQUARE,
        metavar="PIXELS",
        help="shorter side of larger images afterwards; default: %(default)s",
    )
    parser.add_argument(
        "--keep-rectangle", action="store_true", help="keep the whole image, not its middle square"
    )
    options.BAD_IMAGES.add_to(
        parser,
        default="error",
        help="what to do about images that cannot be read; default: error",
    )
    options.MAX_BAD_IMAGES.add_to(
        parser, default=100, help="skip no more than N; default: %(default)s"
    )
    options.MAX_PIXELS.add_to(parser, default=MAX_PIXELS)
    options.WORKERS.add_to(
        parser,
        type=cli.count,
        default=os.cpu_count() or 1,
        help="threads that decode; default: one for each core",
    )
    cli.SEED.add_to(parser, default=0, help="of the split, where the data have none; default: 0")


def run(arguments: argparse.Namespace) -> int:
    """Prepare the data, or continue.

    Raises:
        DataError: the source cannot be used, or the destination belongs to something else.
        OSError: something cannot be written; finished shards are kept.
    """
    destination = arguments.destination
    set_max_pixels(arguments.max_pixels)
    try:
        splits, settings = _open_source(arguments)
        if not shards.found_in(destination):
            _require_own_folder(destination)
            with _locked(destination):
                # Another process may have finished it just now.
                if not shards.found_in(destination):
                    _prepare(arguments, splits, settings)
                    return 0
        _require_same(shards.read_description(destination)["settings"], settings, destination)
        shards.open_splits(destination)
        shutil.rmtree(destination / WORK, ignore_errors=True)
        print(f"{destination} is complete already")
        return 0
    except KeyboardInterrupt as interruption:
        number = interrupts.signal_number(interruption)
        cli.say(f"{interrupts.word(number)}; {GO_ON}")
        return 128 + number


def reduced(image: np.ndarray, size: int, keep_rectangle: bool) -> np.ndarray:
    """What is kept of an image (H, W, 3), without gaps in memory; it is never enlarged.

    Either the central square, or all of it, scaled so that the shorter side is at most `size`.
    """
    if not keep_rectangle:
        return np.ascontiguousarray(reduced_square(image, size))
    height, width = image.shape[:2]
    side = shorter_side(image)
    if side > size:
        image = resized(image, round(height * size / side), round(width * size / side))
    return np.ascontiguousarray(image)


def _open_source(arguments: argparse.Namespace) -> tuple[Splits, dict[str, Any]]:
    """The sets of the source, and the settings that decide what is written."""
    options.require_one_root(vars(arguments))
    data, root = arguments.data, None
    roots = {
        name: ",".join(str(folder.resolve()) for folder in files.several(path))
        for name in ("train_root", "val_root")
        if (path := getattr(arguments, name)) is not None
    }
    if roots:
        data, root = "folder", Path(roots["train_root"])
    elif data != "demo":
        root = Path(arguments.source).resolve()
        data = sources.recognize(root) if data == "auto" else data
    with cli.log():
        columns = Columns(arguments.image_column, arguments.label_column)
        opened = sources.load(data, root, arguments.seed, columns=columns, **roots)
    splits = {split: opened[split] for split in shards.SPLITS if split in opened}
    if len(splits["train"]) == 0:
        raise DataError(f"{root}: has no image to learn from")
    samples = hashlib.sha256()
    for split, dataset in splits.items():
        samples.update(repr((split, dataset.classes)).encode("utf-8", "backslashreplace"))
        for index, label in enumerate(dataset.labels.tolist()):
            line = f"{label} {dataset.name(index)!r}\n"
            samples.update(line.encode("utf-8", "backslashreplace"))
    return splits, {
        "data": data,
        "source": None if root is None else str(root),
        "seed": arguments.seed,
        "size": arguments.size,
        "crop": "rectangle" if arguments.keep_rectangle else "square",
        "samples": samples.hexdigest(),
        **roots,
    }


def _require_own_folder(destination: Path) -> None:
    """Refuse to write among other files."""
    if destination.exists() and not (destination / WORK / "settings.json").exists():
        names = {path.name for path in destination.iterdir() if not is_of_system(path.name)}
        if others := sorted(names - {WORK}):
            raise DataError(
                f"{destination}: holds other files, such as {others[0]}; give a new or empty folder"
            )


def _require_same(before: dict[str, Any], now: dict[str, Any], destination: Path) -> None:
    """Refuse a folder that was begun with other settings."""
    for name, value in now.items():
        if before.get(name) != value:
            what = (
                "from another list of images: files were added, removed or renamed since"
                if name == "samples"
                else f"with {name} {before.get(name)}, not {value}"
            )
            raise DataError(
                f"{destination}: was prepared {what}; give another folder, or remove this one"
            )


@contextlib.contextmanager
def _locked(destination: Path) -> Iterator[None]:
    """Keep other processes from preparing the same folder."""
    work = destination / WORK
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(work / "lock"))
        except BlockingIOError as error:
            raise DataError(
                f"{destination}: another process is preparing it; wait until it ends"
            ) from error
        yield


def _prepare(arguments: argparse.Namespace, splits: Splits, settings: dict[str, Any]) -> None:
    destination = arguments.destination
    _begin(destination, settings)
    bad_images = BadImages(arguments.bad_images == "skip", arguments.max_bad_images)
    writer = shard_writer.FolderWriter(destination, arguments.size, settings)
    images = sum(map(len, splits.values()))
    with ThreadPoolExecutor(arguments.workers, thread_name_prefix="prepare") as pool:
        _announce(arguments, splits, pool)
        with tqdm(total=images, desc="prepare", unit=" images", leave=False, disable=None) as bar:
            for split, dataset in splits.items():
                skipping = Skipping(dataset, bad_images)
                records = _records(arguments, split, skipping, pool, bar)
                writer.add_split(split, dataset, records)
    writer.write_description()
    shutil.rmtree(destination / WORK)
    counts = ", ".join(f"{writer.splits[split]['images']:,} for {split}" for split in splits)
    print(f"prepared {counts} in {destination}")
    if writer.problems:
        print(f"left out {len(writer.problems)}: see {destination / shard_writer.BAD_IMAGES}")


def _begin(destination: Path, settings: dict[str, Any]) -> None:
    """Store the settings, or compare them with those of the run that is continued."""
    path = destination / WORK / "settings.json"
    files.remove_unfinished(path.parent)
    if path.exists():
        _require_same(shards.read_json(path), settings, destination)
    else:
        files.sync_folder(destination.parent)
        shard_writer.write_json(path, settings)


def _announce(arguments: argparse.Namespace, splits: Splits, pool: Executor) -> None:
    """Print how much space and time is needed, estimated from a sample of the images.

    Raises:
        OSError: there is not enough space.
    """
    images = sum(map(len, splits.values()))
    sample = [
        (dataset, index)
        for dataset in splits.values()
        for index in _evenly_spaced(len(dataset), math.ceil(SAMPLE * len(dataset) / images))
    ]

    def stored_bytes(place: tuple[Dataset, int]) -> int | None:
        dataset, index = place
        with contextlib.suppress(BadImage):  # reported when its turn comes
            image = dataset.image(index, _square(arguments))
            return reduced(image, arguments.size, arguments.keep_rectangle).nbytes
        return None

    stored_bytes(sample[0])  # the first image also pays for what is loaded once
    started = time.monotonic()
    sizes = [size for size in pool.map(stored_bytes, sample) if size is not None]
    seconds_per_image = (time.monotonic() - started) / len(sample)
    total = images * (np.mean(sizes or [0]) + OTHER_BYTES_PER_IMAGE)
    destination = arguments.destination
    needed = max(0, total - sum(path.stat().st_size for path in destination.glob("*.npy")))
    free = shutil.disk_usage(destination).free
    seconds = round(seconds_per_image * images * needed / total)
    text = (
        f"{images:,} images need about {total / 1e9:.3g} GB in {destination}, {needed / 1e9:.3g} "
        f"GB of it still to write; {free / 1e9:.3g} GB are free"
    )
    if needed > free:
        raise OSError(errno.ENOSPC, text)
    cli.say(f"{text}; about {timedelta(seconds=seconds)} with {arguments.workers} threads")


def _square(arguments: argparse.Namespace) -> int | None:
    """The `square` of `Dataset.image` that is enough for these options."""
    return None if arguments.keep_rectangle else arguments.size


def _evenly_spaced(length: int, count: int) -> list[int]:
    return np.linspace(0, length - 1, min(length, count)).round().astype(int).tolist()


def _records(
    arguments: argparse.Namespace,
    split: str,
    dataset: Skipping,
    pool: Executor,
    bar: tqdm,
) -> Iterator[dict[str, Any]]:
    """The records of all shards of a set; unfinished shards are written first."""
    destination, size = arguments.destination, arguments.size
    square = _square(arguments)
    ahead = IMAGES_AHEAD_PER_WORKER * arguments.workers

    def load(index: int) -> np.ndarray | str:
        image = dataset.image(index, square)
        if image is None:
            return dataset.bad_images.found[dataset.name(index)]
        return reduced(image, size, arguments.keep_rectangle)

    number, first, done_before = 0, 0, bar.n
    while first < len(dataset):
        record = shard_writer.read_record(destination, split, number, first)
        if record is None:
            loaded = _loaded_ahead(pool, load, range(first, len(dataset)), ahead, bar)
            # Closed, so that images which did not fit into the shard are not waited for.
            with contextlib.closing(loaded) as images:
                mean_size = size if split == "train" else None
                record = shard_writer.write_shard(
                    destination, split, number, first, images, mean_size
                )
        for index, problem in record["bad"]:
            dataset.bad_images.add(dataset.name(index), problem)
        yield record
        number, first = number + 1, record["end"]
        bar.update(done_before + first - bar.n)


def _loaded_ahead(
    pool: Executor,
    load: Callable[[int], np.ndarray | str],
    indices: range,
    ahead: int,
    bar: tqdm,
) -> Iterator[tuple[int, np.ndarray | str]]:
    """Each index with the result of `load`, in order; up to `ahead` results are loaded early."""
    pending = deque()
    following = iter(indices)
    try:
        while True:
            for index in itertools.islice(following, ahead - len(pending)):
                pending.append((index, pool.submit(load, index)))
            if not pending:
                return
            index, future = pending.popleft()
            yield index, future.result()
            bar.update()
    finally:
        for _, future in pending:
            future.cancel()
