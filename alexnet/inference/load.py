"""What commands that use a trained network share: options, checkpoint, and images for it."""

import argparse
from pathlib import Path

import numpy as np

from alexnet import cli
from alexnet.data import Dataset, load, recognize
from alexnet.data import options as data_options
from alexnet.data.bad_images import BadImages, Skipping
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


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """--data, the folders, --split and --bad-images; the defaults are the data of the run."""
    data_options.DATA.add_to(parser, help="default: that of the run")
    data_options.DATA_ROOT.add_to(parser)
    data_options.TRAIN_ROOT.add_to(parser)
    data_options.VAL_ROOT.add_to(parser)
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="which set"
    )
    data_options.BAD_IMAGES.add_to(parser, default="error")


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
    return checkpoint, checkpoint.build().to(arguments.backend)


def dataset(
    arguments: argparse.Namespace, checkpoint: Checkpoint, split: str | None = None
) -> Dataset:
    """The set that the options name, or the one of the run where they name none.

    Args:
        split: instead of the one of the options.

    Raises:
        DataError: there is no such set.
        CheckpointError: its classes are not those of the network.
        UsageError: the options contradict each other.
    """
    data_options.require_one_root(vars(arguments))
    split = split or arguments.split
    stored = checkpoint.arguments
    given = arguments if arguments.data_root or arguments.train_root else None
    roots = {
        name: getattr(given, name) if given else stored.get(name)
        for name in ("data_root", "train_root", "val_root")
    }
    name, root = arguments.data, roots.pop("data_root")
    if name is None:
        name = "auto" if given else stored.get("data", "demo")
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
    return splits[split]


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
