"""Kernels: conv1's as in the paper or over the epochs; later layers' as slices or image patches."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from alexnet import cli, files
from alexnet.data import Dataset
from alexnet.errors import UsageError
from alexnet.inference import layers, options
from alexnet.inference.trained import Trained
from alexnet.run import filter_snapshots
from alexnet.style import save
from alexnet.visualize import receptive_fields
from alexnet.visualize.kernel_figures import (
    MAX_EPOCHS,
    NORMALIZATIONS,
    animation,
    epoch_name,
    epochs_figure,
    evenly,
    kernels_figure,
    patches_figure,
    slices_figure,
)
from alexnet.visualize.output import add_out_option, destination, run_name
from alexnet.visualize.patches import patch, strongest
from minigrad import nn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANNELS, PATCHES = 12, 9


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_checkpoint_option(parser)
    parser.add_argument(
        "--layer", default="conv1", metavar="NAME", help="conv1 to conv5; default: conv1"
    )
    parser.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        default="filter",
        help="what has full contrast: each filter of conv1 (default), each column, or all of them",
    )
    parser.add_argument(
        "--epochs",
        action="store_true",
        help="conv1 through the epochs, of a run with --snapshot-filters; animated if --out is a "
        ".gif",
    )
    parser.add_argument(
        "--epoch",
        type=_epochs,
        metavar="N[,N...]",
        help="conv1 after this epoch of such a run, 0 for the start; several are drawn side by "
        f"side, up to {MAX_EPOCHS}",
    )
    parser.add_argument(
        "--patches",
        action="store_true",
        help="instead of kernels the image patches with the highest activations; looks at images",
    )
    parser.add_argument(
        "--channels",
        type=_channels,
        metavar="N,N,...",
        help=f"of --patches and of later layers; default: {CHANNELS} evenly spaced ones",
    )
    add_out_option(parser, "filters-LAYER[-KIND].png in the run folder", (".png", ".svg", ".gif"))
    images = parser.add_argument_group("images for --patches")
    options.add_data_options(images)
    options.add_computing_options(images)


def _channels(text: str) -> list[int]:
    return _numbers(text, "channels such as 0,5,17")


def _epochs(text: str) -> list[int]:
    return _numbers(text, "epochs such as 0,1,15")


def _numbers(text: str, expected: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {expected}")
    return numbers


def run(arguments: argparse.Namespace) -> int:
    """Draw what the options say and print the path of the picture."""
    kind = "-epochs" if arguments.epochs else "-patches" if arguments.patches else ""
    if arguments.epoch:
        kind += f"-epoch-{'-'.join(map(str, arguments.epoch))}"
    animated = arguments.out is not None and arguments.out.suffix.lower() == ".gif"
    if animated and not arguments.epochs:
        raise UsageError(f"{arguments.out}: only --epochs are drawn as an animation")
    for name in ("epochs", "epoch"):
        if getattr(arguments, name) and (arguments.patches or arguments.layer != "conv1"):
            raise UsageError(f"--{name} is for the kernels of conv1")
    if arguments.epochs and arguments.epoch:
        raise UsageError("--epoch and --epochs exclude each other")

    trained = options.network(arguments)
    channels = chosen_channels(trained, arguments.layer, arguments.channels)
    path = destination(arguments, f"filters-{arguments.layer}{kind}.png")
    if animated:
        snapshots, columns, title = _snapshots(trained)
        files.write(path, animation(snapshots, columns, title, arguments.normalize))
        print(cli.printable(str(path)))
        return 0
    if arguments.patches:
        dataset = options.dataset(arguments, trained)
        figure = strongest_patches(trained, arguments.layer, dataset, arguments.split, channels)
    elif arguments.epochs or arguments.epoch:
        figure = kernels_by_epoch(trained, arguments.normalize, arguments.epoch)
    else:
        figure = kernels(trained, arguments.layer, arguments.normalize, channels)
    save(figure, path)
    print(cli.printable(str(path)))
    return 0


def chosen_channels(trained: Trained, layer: str, channels: list[int] | None = None) -> list[int]:
    """The channels of a layer that are given, or else 12 evenly spaced ones.

    Raises:
        UsageError: there is no such layer, or no such channel.
    """
    count = _convolution(trained, layer).out_channels
    if not channels:
        return evenly(list(range(count)), CHANNELS)
    if missing := [channel for channel in channels if channel not in range(count)]:
        raise UsageError(f"no channel {max(missing)}: {layer} has 0 to {count - 1}")
    return channels


def kernels(
    trained: Trained,
    layer: str = "conv1",
    normalize: str = "filter",
    channels: list[int] | None = None,
) -> Figure:
    """conv1's kernels in color; of a later layer the strongest slices of some channels.

    Args:
        layer: conv1 to conv5.
        normalize: what has full contrast, of conv1: a key of `NORMALIZATIONS`.
        channels: of a later layer, see `chosen_channels`.
    """
    convolution = _convolution(trained, layer)
    weights, title = convolution.weight.numpy(), _title(trained, layer)
    if layer != "conv1":
        chosen = chosen_channels(trained, layer, channels)
        return slices_figure(weights, convolution.groups, chosen, title)
    epoch = trained.checkpoint.training.get("epoch")
    when = f", {epoch_name(epoch)}" if epoch else ""
    columns = layers.columns(trained.model, layer)
    return kernels_figure(weights, columns, title + when, normalize)


def kernels_by_epoch(
    trained: Trained, normalize: str = "filter", epochs: list[int] | None = None
) -> Figure:
    """conv1's kernels through the epochs of a run that has kept them.

    Args:
        epochs: one, which is drawn as the paper's figure 3, or up to eight; 0 is before the first
            step. By default eight from the first to the last.

    Raises:
        CheckpointError: they were not kept, or are those of another network.
        UsageError: those of one of the epochs were not kept, or there are too many.
    """
    snapshots, columns, title = _snapshots(trained)
    if epochs:
        if len(epochs) > MAX_EPOCHS:
            raise UsageError(f"{len(epochs)} epochs are too many for a page: choose {MAX_EPOCHS}")
        snapshots = {epoch: filter_snapshots.of_epoch(snapshots, epoch) for epoch in epochs}
    if epochs and len(epochs) == 1:
        (weights,) = snapshots.values()
        return kernels_figure(weights, columns, f"{title}, {epoch_name(epochs[0])}", normalize)
    return epochs_figure(snapshots, columns, title, normalize)


def strongest_patches(
    trained: Trained,
    layer: str,
    dataset: Dataset,
    split: str,
    channels: list[int] | None = None,
) -> Figure:
    """The image patches with the highest activations of some channels.

    Args:
        layer: conv1 to conv5.
        dataset: is looked through as a whole.
        split: what to call it.
        channels: see `chosen_channels`.
    """
    channels = chosen_channels(trained, layer, channels)
    loader = trained.loader(dataset)
    part, batches = layers.up_to(trained.model, layer), loader.batches(0)
    with contextlib.closing(batches):
        shown = tqdm(
            batches, "images", len(loader), unit=" batches", disable=not sys.stderr.isatty()
        )
        found = strongest(part, shown, channels, PATCHES, trained.device)
    windows, preprocessing = receptive_fields.windows(part), trained.checkpoint.preprocessing
    field = receptive_fields.receptive_field(windows, 0, 0)
    size = min(field.bottom - field.top, preprocessing.image_size)
    rows = np.full((len(channels), PATCHES, size, size, 3), 255, np.uint8)
    for row, activations, images, positions in zip(rows, *found):
        for i, activation in enumerate(activations):
            if activation > 0:  # otherwise the channel was never active, or there are fewer images
                row[i] = patch(dataset, images[i], positions[i], windows, preprocessing)
    labels = [
        f"channel {channel}\n" + (f"up to {highest:.3g}" if highest > 0 else "never active")
        for channel, highest in zip(channels, found.activation[:, 0])
    ]
    title = f"{_title(trained, layer)}: image patches ({split} set) with the highest activations"
    return patches_figure(rows, labels, title)


def _convolution(trained: Trained, layer: str) -> nn.Conv2d:
    known = layers.convolutions(trained.model)
    if layer not in known:
        raise UsageError(f"no layer {layer!r}: choose from {', '.join(known)}")
    return known[layer]


def _title(trained: Trained, layer: str) -> str:
    return f"{layer} of {run_name(trained.source, 40)}"


def _snapshots(trained: Trained) -> tuple[dict[int, np.ndarray], int, str]:
    """conv1's kernels by epoch, the number of its columns, and a title."""
    shape = _convolution(trained, "conv1").weight.shape
    snapshots = filter_snapshots.require(trained.folder, shape)
    return snapshots, layers.columns(trained.model, "conv1"), _title(trained, "conv1")
