"""What commands that use a trained network share: options, checkpoint, and images for it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import cli
from alexnet.data import Dataset, Splits, Subset, images, load, recognize
from alexnet.data import options as data_options
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.identity import difference, identity
from alexnet.data.loader import Loader
from alexnet.errors import DataError, DivergedNetwork
from alexnet.run.checkpoint import BEST, LAST, Checkpoint, find
from minigrad import backend, nn


def add_checkpoint_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="a run folder, whose best network is taken, or a .safetensors file",
    )


def add_data_options(parser: argparse._ActionsContainer) -> None:
    """--data, --data-root, --split, --bad-images and --max-pixels; by default as in the run."""
    data_options.DATA.add_to(parser, help="default: that of the run")
    data_options.DATA_ROOT.add_to(parser)
    data_options.TRAIN_ROOT.add_to(parser)
    data_options.VAL_ROOT.add_to(parser)
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="which set"
    )
    data_options.BAD_IMAGES.add_to(parser, default="error")
    add_max_pixels_option(parser)


def add_max_pixels_option(parser: argparse._ActionsContainer) -> None:
    data_options.MAX_PIXELS.add_to(
        parser, help="images with more pixels cannot be used; default: that of the run"
    )


def add_views_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="views of an image; default: 1"
    )


def add_computing_options(parser: argparse.ArgumentParser) -> None:
    """--backend, --batch-size and --workers."""
    cli.BACKEND.add_to(parser, default="cpu")
    cli.BATCH_SIZE.add_to(parser, default=128, help="default: 128")
    data_options.WORKERS.add_to(parser, default=2)


def network(arguments: argparse.Namespace) -> tuple[Checkpoint, nn.Module]:
    """The checkpoint of the options, and its network on their backend.

    Raises:
        CheckpointError: there is none that can be used.
        DivergedNetwork: its parameters are not finite.
    """
    backend.get(arguments.backend)
    path = find(arguments.checkpoint, BEST, LAST)
    checkpoint = Checkpoint.load(path, optimizer=False)
    for name, weights in checkpoint.model.items():
        # A sum is finite only if every number is, and needs no memory.
        if not np.isfinite(weights.sum()):
            raise DivergedNetwork(
                f"{path}: {name} has numbers that are not finite, its training diverged; "
                "choose an earlier checkpoint"
            )
    # Commands that read no images have no such option.
    chosen = getattr(arguments, "max_pixels", None)
    images.set_max_pixels(chosen or checkpoint.arguments.get("max_pixels", images.MAX_PIXELS))
    return checkpoint, checkpoint.build().to(arguments.backend)


def dataset(
    arguments: argparse.Namespace, checkpoint: Checkpoint, split: str | None = None
) -> Dataset:
    """The set that the options name, or the one of the run where they name none.

    Args:
        split: instead of the one of the options.

    Raises:
        DataError: there is no such set.
        CheckpointError: its classes are not those of the network; or no option names it, and the
            data of the run have changed.
        UsageError: the options contradict each other.
    """
    data_options.require_one_root(vars(arguments))
    split = split or arguments.split
    stored = checkpoint.arguments
    roots: dict[str, Any] = {"data_root": None, "train_root": None, "val_root": None}
    if are_given := arguments.data_root is not None or arguments.train_root is not None:
        roots = {name: getattr(arguments, name) for name in roots}
    elif arguments.data != "demo":
        roots = checkpoint.require_data_roots()
    name, root = arguments.data, roots.pop("data_root")
    if name is None:
        name = "auto" if are_given else stored.get("data", "demo")
    if name not in ("auto", "folder"):
        roots = {}
    if roots.get("train_root"):
        name = "folder"
    elif name == "auto":
        if root is None:
            raise DataError("--data auto needs the folder the data lie in: give --data-root DIR")
        name = recognize(root)
    splits = load(name, root, stored.get("seed", 0), **roots)
    if split not in splits:
        raise DataError(f"{name} has no set {split!r}; it has {', '.join(map(repr, splits))}")
    checkpoint.require(checkpoint.architecture, splits[split].classes)
    _compare_data(arguments, checkpoint, splits, split)
    return splits[split]


def _compare_data(
    arguments: argparse.Namespace, checkpoint: Checkpoint, splits: Splits, split: str
) -> None:
    """Refuse other data than those of the run, unless options name them: then say so.

    A run knows its training and its validation set. The second stands for a test set, too: data
    whose validation set is another are other data.
    """
    known, used = ("training", "train") if split == "train" else ("validation", "validation")
    if known not in checkpoint.data or used not in splits:
        return
    dataset, subset = splits[used], checkpoint.arguments.get("subset")
    if used == "train" and subset is not None and subset <= len(dataset):
        dataset = Subset(dataset, subset, checkpoint.arguments.get("seed", 0))
    now = identity(dataset)
    if not data_options.names_data(vars(arguments)):
        checkpoint.require_data({known: now}, "name the data to use instead: --data-root DIR")
    elif changed := difference(checkpoint.data[known], now):
        cli.say(f"note: the {known} set is not that of the run: {changed}")


def loader(
    arguments: argparse.Namespace, checkpoint: Checkpoint, dataset: Dataset, views: int = 1
) -> Loader:
    """Batches of a set in its order, prepared for the network without augmentation."""
    bad_images = BadImages(arguments.bad_images == "skip", limit=len(dataset))
    return Loader(
        Skipping(dataset, bad_images),
        checkpoint.preprocessing,
        max(1, arguments.batch_size // views),
        ten_views=views == 10,
        workers=arguments.workers,
    )
