"""The options of commands that use a trained network, and what they stand for."""

import argparse
import sys
from pathlib import Path

from alexnet import cli
from alexnet.data import Dataset
from alexnet.data import options as data_options
from alexnet.errors import UsageError
from alexnet.inference import inputs, run_data
from alexnet.inference.trained import BATCH_SIZE, WORKERS, Trained
from alexnet.precision import INFERENCE_PRECISIONS

SPLIT = "validation"


def add_checkpoint_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="a run folder, whose best network is taken, or a .safetensors file",
    )


def add_images_options(parser: argparse.ArgumentParser) -> None:
    """IMAGE ... and --list, see `image_names`."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="a file, a folder, or - for an image on standard input",
    )
    parser.add_argument(
        "--list", metavar="FILE", help="take IMAGEs from the lines of a file; - for standard input"
    )


def image_names(arguments: argparse.Namespace) -> list[str]:
    """The names of the images, from the command line and from a list.

    Raises:
        UsageError: the list cannot be read.
    """
    names = list(arguments.images)
    try:
        if arguments.list == inputs.STANDARD_INPUT:
            names += inputs.listed(sys.stdin.buffer.read())
        elif arguments.list is not None:
            names += inputs.listed(Path(arguments.list).read_bytes())
    except OSError as error:
        raise UsageError(f"--list {arguments.list}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--list {arguments.list}: {error}") from error
    return [name for name in names if name.strip()]


def add_data_options(parser: argparse._ActionsContainer, split: bool = True) -> None:
    """--data, --data-root and the like, --split, --bad-images; by default as in the run.

    Args:
        split: whether the command lets choose one.
    """
    data_options.DATA.add_to(parser, help="default: that of the run")
    data_options.DATA_ROOT.add_to(parser)
    data_options.TRAIN_ROOT.add_to(parser)
    data_options.VAL_ROOT.add_to(parser)
    data_options.IMAGE_COLUMN.add_to(parser)
    data_options.LABEL_COLUMN.add_to(parser)
    if split:
        parser.add_argument("--split", choices=run_data.SPLITS, default=SPLIT, help="which set")
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
    cli.BATCH_SIZE.add_to(parser, default=BATCH_SIZE, help=f"default: {BATCH_SIZE}")
    data_options.WORKERS.add_to(parser, default=WORKERS)


def add_precision_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        dest="product_precision",  # --precision of neighbours is another thing: precision@k
        choices=INFERENCE_PRECISIONS,
        default="float32",
        help="of products; bf16 is faster and rounds factors to 2 digits; default: float32",
    )


def network(arguments: argparse.Namespace) -> Trained:
    """The network of the options, on their backend; commands may lack some of these options.

    Raises:
        BackendError, CheckpointError, DivergedNetwork: see `Trained`.
    """
    names = ("backend", "batch_size", "workers", "bad_images", "max_pixels")
    given = {name: getattr(arguments, name) for name in names if name in arguments}
    if "product_precision" in arguments:
        given["precision"] = arguments.product_precision
    return Trained(arguments.checkpoint, **given)


def dataset(arguments: argparse.Namespace, trained: Trained, split: str | None = None) -> Dataset:
    """The set that the options name, or the one of the run where they name none.

    Args:
        split: instead of the one of the options.

    Raises:
        CheckpointError, DataError, UsageError: see `run_data.dataset`.
    """
    return run_data.dataset(
        trained.checkpoint,
        split or arguments.split,
        data=arguments.data,
        data_root=arguments.data_root,
        train_root=arguments.train_root,
        val_root=arguments.val_root,
        image_column=arguments.image_column,
        label_column=arguments.label_column,
    )
