"""What the commands that use a trained network share: its checkpoint, and images to use it on."""

import argparse
from pathlib import Path

import numpy as np

from alexnet import cli
from alexnet.data import Dataset, load, recognize
from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader
from alexnet.data.sources import NAMES
from alexnet.errors import CheckpointError, DataError
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
    """--data, --data-root and --split; what is left out is that of the run."""
    parser.add_argument("--data", choices=NAMES, help="default: that of the run")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="which set"
    )
    parser.add_argument(
        "--bad-images",
        choices=("error", "skip"),
        default="error",
        help="what to do with files that are no images; default: error",
    )


def add_views_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--views", type=int, choices=(1, 10), default=1, help="views of an image; default: 1"
    )


def add_computing_options(parser: argparse.ArgumentParser) -> None:
    """--backend, --batch-size and --workers."""
    parser.add_argument("--backend", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument(
        "-b", "--batch-size", type=cli.count, default=128, metavar="N", help="default: 128"
    )
    parser.add_argument(
        "-j",
        "--workers",
        type=cli.count_or_zero,
        default=2,
        metavar="N",
        help="threads that decode; default: 2",
    )


def network(arguments: argparse.Namespace) -> tuple[Checkpoint, nn.Module]:
    """The checkpoint, and its network on the backend asked for.

    Raises:
        CheckpointError: there is none that can be used.
    """
    backend.get(arguments.backend)
    path = find(arguments.checkpoint, BEST, LAST)
    checkpoint = Checkpoint.load(path, optimizer=False)
    for name, weights in checkpoint.model.items():
        # A sum is finite only if every number is, and needs no memory.
        if not np.isfinite(weights.sum()):
            raise CheckpointError(
                f"{path}: {name} has numbers that are not finite, its training diverged; "
                "choose an earlier checkpoint"
            )
    return checkpoint, checkpoint.build().to(arguments.backend)


def dataset(
    arguments: argparse.Namespace, checkpoint: Checkpoint, split: str | None = None
) -> Dataset:
    """The set that the options name; where they are silent, that of the run.

    Args:
        split: instead of the one that the options name.

    Raises:
        DataError: there is no such set.
        CheckpointError: its classes are not those of the network.
    """
    split = split or arguments.split
    run_options = checkpoint.arguments
    root = arguments.data_root or run_options.get("data_root")
    name = arguments.data
    if name is None:
        name = "auto" if arguments.data_root else run_options.get("data", "demo")
    if name == "auto":
        if root is None:
            raise DataError("--data auto needs the folder the data lie in: give --data-root DIR")
        name = recognize(root)
    splits = load(name, root, run_options.get("seed", 0))
    if split not in splits:
        raise DataError(f"{name} has no set {split!r}; it has {', '.join(map(repr, splits))}")
    checkpoint.require(checkpoint.architecture, splits[split].classes)
    return splits[split]


def loader(
    arguments: argparse.Namespace, checkpoint: Checkpoint, dataset: Dataset, views: int = 1
) -> Loader:
    """Batches of a set as the network wants them, in the order of the set, without augmentation."""
    bad_images = BadImages(arguments.bad_images == "skip", limit=len(dataset))
    return Loader(
        Skipping(dataset, bad_images),
        checkpoint.preprocessing,
        max(1, arguments.batch_size // views),
        ten_views=views == 10,
        workers=arguments.workers,
    )
